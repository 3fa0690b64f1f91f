"""Certificates for a broker on loopback and for its clients, made for one session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

if TYPE_CHECKING:
    from pathlib import Path


def make_certificates(folder: Path) -> None:
    """`ca.pem`, `broker.pem` and `client.pem` of that CA, keys included, and `other-ca.pem`, which signed none of them."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    for name, leaf in (("broker", authority.issue_cert("127.0.0.1")), ("client", authority.issue_cert("client@example.org"))):
        # Java reads keys in PKCS 8 alone.
        key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
        chain = b"".join(part.bytes() for part in leaf.cert_chain_pems)
        (folder / f"{name}.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + chain)
    trustme.CA().cert_pem.write_to_path(str(folder / "other-ca.pem"))
