from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from components.tls import CHECK_SECONDS, ServerTls, TlsConfig
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, authority: trustme.CA) -> TlsConfig:
    """The files of a new certificate."""
    leaf = authority.issue_cert("127.0.0.1")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    leaf.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return TlsConfig(certificate=folder / "certificate.pem", key=folder / "key.pem", client_ca=folder / "ca.pem")


def test_files_that_change_are_used_by_connections_that_come_later(tmp_path: Path) -> None:
    now = 0.0
    authority = trustme.CA()
    tls = ServerTls(write(tmp_path, authority), "otlp_http", now=lambda: now)
    first = tls.context()
    write(tmp_path, authority)
    assert tls.context() is first
    now = CHECK_SECONDS
    second = tls.context()
    assert second is not first
    now += CHECK_SECONDS
    assert tls.context() is second


def test_new_files_that_cannot_be_used_leave_the_old_ones_in_use_until_they_can(tmp_path: Path) -> None:
    now = 0.0
    authority = trustme.CA()
    tls = ServerTls(write(tmp_path, authority), "otlp_http", now=lambda: now)
    first = tls.context()
    (tmp_path / "certificate.pem").write_text("half a certif")
    now += CHECK_SECONDS
    assert tls.context() is first
    write(tmp_path, authority)
    now += CHECK_SECONDS
    assert tls.context() is not first


def test_a_file_that_cannot_be_used_is_named_with_the_reason(tmp_path: Path) -> None:
    config = write(tmp_path, trustme.CA())
    other = trustme.CA().issue_cert("127.0.0.1").private_key_pem
    locked = load_pem_private_key(other.bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    for name, content, reason in (
        ("key.pem", other.bytes(), "the key is not that of the certificate"),
        ("key.pem", locked, "the key has a password"),
        ("key.pem", b"nonsense", "key: .*key.pem: is not PEM"),
        (
            "certificate.pem",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "certificate: .*certificate.pem",
        ),
        ("ca.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "client_ca: .*ca.pem: holds no CA"),
        ("ca.pem", None, "client_ca: .*ca.pem: cannot be read: No such file"),
    ):
        path = tmp_path / name
        before = path.read_bytes()
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        with pytest.raises(ConfigError, match=f"otlp_grpc.tls.*{reason}") as caught:
            ServerTls(config, "otlp_grpc")
        assert not re.search("BEGIN [A-Z]|secret", str(caught.value))
        path.write_bytes(before)
    ServerTls(config, "otlp_grpc")


@pytest.mark.skipif(os.geteuid() == 0, reason="ROOT READS EVERY FILE: this is for a process that is not")
def test_a_key_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    config = write(tmp_path, trustme.CA())
    config.key.chmod(0)
    with pytest.raises(ConfigError, match=r"otlp_http\.tls\.key: .*key.pem: cannot be read: Permission denied"):
        ServerTls(config, "otlp_http")
