"""A SPIFFE X.509 authority: a root of its own, and short-lived certificates for workloads.

The root's key is in one file that only its owner can read. Needs the extra `identity` (cryptography).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from components.durations import SECOND
from components.private_files import make_private_folder, write_private
from components.spiffe import spiffe_id
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

ROOT_DAYS = 3650
BACKDATED = dt.timedelta(seconds=60)
"""A certificate is valid from that long ago on: clocks of peers differ."""


@dataclass(frozen=True, slots=True)
class Svid:
    """A workload's certificate and key, as PEM; times are nanoseconds since the epoch."""

    certificate: str
    key: str
    renew_at: int
    expires: int


class Authority:
    """The root of a trust domain; made at its first use.

    Args:
        path: PEM file of the root's key and certificate.
        trust_domain: which it is for.
        ttl: how long certificates of workloads are valid, in nanoseconds.
        now: nanoseconds since the epoch.

    Attributes:
        certificate: of the root, as PEM.
        others: certificates that are trusted beside it while the root is rotated, as PEM.

    Raises:
        ConfigError: the file holds something else, or the root of another trust domain.
        OSError: it cannot be read or written.
    """

    def __init__(self, path: Path, trust_domain: str, ttl: int, now: int) -> None:
        self.trust_domain, self._ttl = trust_domain, ttl
        if not path.exists():
            make_private_folder(path.parent)
            write_private(path, new_root(trust_domain, now))
        content = path.read_bytes()
        try:
            key = serialization.load_pem_private_key(content, None)
            self._root, *others = x509.load_pem_x509_certificates(content)
            found = {name for each in (self._root, *others) for name in _names(each)}
        except (ValueError, TypeError, x509.ExtensionNotFound) as error:
            raise ConfigError(f"{path}: not the key and certificate of an authority: {error}") from error
        if found != {f"spiffe://{trust_domain}"} or not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(
                f"{path}: the authority of {', '.join(sorted(found))}, not of spiffe://{trust_domain}; "
                "move it away for a new one"
            )
        self._key = key
        self.certificate = self._root.public_bytes(serialization.Encoding.PEM)
        self.others = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in others)

    @property
    def bundle(self) -> str:
        """The certificates that peers are checked against, as PEM."""
        return (self.certificate + self.others).decode()

    @property
    def own(self) -> bytes:
        """Key and certificate of the root, as PEM."""
        return _pem(self._key) + self.certificate

    def issue(self, service: str, now: int) -> Svid:
        """A new key and certificate for a service; to be renewed at half of its life."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        names = [x509.UniformResourceIdentifier(spiffe_id(self.trust_domain, service))]
        certificate = (
            _builder(_name("Spanloom"), self._root.subject, key.public_key(), now, now + self._ttl)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return Svid(
            certificate.public_bytes(serialization.Encoding.PEM).decode(),
            _pem(key).decode(),
            now + self._ttl // 2,
            now + self._ttl,
        )


def new_root(trust_domain: str, now: int) -> bytes:
    """Key and certificate of another root, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # Each root has a name of its own: of two that are trusted, a peer looks for a certificate's issuer by name.
    name = _name("Spanloom authority", identifier.digest.hex())
    names = [x509.UniformResourceIdentifier(f"spiffe://{trust_domain}")]
    root = (
        _builder(name, name, key.public_key(), now, now + ROOT_DAYS * 86_400 * SECOND)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pem(key) + root.public_bytes(serialization.Encoding.PEM)


def _names(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def _name(organization: str, serial: str = "") -> x509.Name:
    number = [x509.NameAttribute(NameOID.SERIAL_NUMBER, serial)] if serial else []
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization), *number])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, start: int, end: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime.fromtimestamp(start / SECOND, dt.UTC) - BACKDATED)
        .not_valid_after(dt.datetime.fromtimestamp(end / SECOND, dt.UTC))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_agreement=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
