"""An X.509 identity of a workload, checked when it arrives. Needs the extra `identity` (cryptography)."""

from __future__ import annotations

import asyncio
import base64
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

from agent.workload_api.messages import Svid
from components.durations import SECOND
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BYTES = 1 << 20
"""Of a chain or a bundle."""


@dataclass(frozen=True, slots=True)
class X509Identity:
    """A certificate with its key, and whom its owner trusts.

    Attributes:
        spiffe_id: whose it is.
        chain: certificates as DER, that of the workload first.
        key: its private key, DER of PKCS #8.
        bundle: roots of the trust domain, as DER.
        expires: nanoseconds since the epoch.
    """

    spiffe_id: str
    chain: tuple[bytes, ...]
    key: bytes
    bundle: tuple[bytes, ...]
    expires: int

    @property
    def trust_domain(self) -> str:
        """Of its id, as `spiffe://TRUST_DOMAIN`."""
        return "/".join(self.spiffe_id.split("/")[:3])

    @property
    def svid(self) -> Svid:
        """As the Workload API sends it."""
        return Svid(self.spiffe_id, b"".join(self.chain), self.key, b"".join(self.bundle))

    @property
    def chain_pem(self) -> str:
        """The chain as PEM."""
        return "".join(ssl.DER_cert_to_PEM_cert(each) for each in self.chain)

    @property
    def key_pem(self) -> str:
        """The key as PEM."""
        lines = base64.encodebytes(self.key).decode().replace("\n", "")
        wrapped = "\n".join(lines[at : at + 64] for at in range(0, len(lines), 64))
        return f"-----BEGIN PRIVATE KEY-----\n{wrapped}\n-----END PRIVATE KEY-----\n"

    @property
    def bundle_pem(self) -> str:
        """The bundle as PEM."""
        return "".join(ssl.DER_cert_to_PEM_cert(each) for each in self.bundle)


def from_pem(chain: str, key: str, bundle: str) -> X509Identity:
    """An identity out of PEM, as SDS has it.

    Raises:
        InputError: it is none.
    """
    try:
        certificates = x509.load_pem_x509_certificates(chain.encode())
        roots = x509.load_pem_x509_certificates(bundle.encode())
        private = load_pem_private_key(key.encode(), None).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    except (ValueError, TypeError) as error:
        raise InputError(f"an identity that cannot be read: {error}") from error
    return _checked(certificates, private, roots)


def from_svid(svid: Svid) -> X509Identity:
    """An identity as the Workload API has it.

    Raises:
        InputError: it is none, or that of another id than it says.
    """
    try:
        certificates = [x509.load_der_x509_certificate(each) for each in split(svid.x509_svid)]
        roots = [x509.load_der_x509_certificate(each) for each in split(svid.bundle)]
    except ValueError as error:
        raise InputError(f"an identity that cannot be read: {error}") from error
    found = _checked(certificates, svid.x509_svid_key, roots)
    if found.spiffe_id != svid.spiffe_id:
        raise InputError(f"a certificate of {found.spiffe_id} for {svid.spiffe_id}")
    return found


def _checked(chain: Sequence[x509.Certificate], key: bytes, roots: Sequence[x509.Certificate]) -> X509Identity:
    if not chain or not roots:
        raise InputError("an identity without a certificate, or without one to trust")
    leaf = chain[0]
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        ids = names.get_values_for_type(x509.UniformResourceIdentifier)
        signs = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound as error:
        if error.oid != x509.BasicConstraints.oid:
            raise InputError("a certificate that names nobody") from error
        signs = False
    if len(ids) != 1 or not ids[0].startswith("spiffe://") or signs:
        raise InputError(
            f"no certificate of one workload: it names {', '.join(ids) or 'nobody'}{' and can sign' if signs else ''}"
        )
    try:
        own = load_der_private_key(key, None).public_key()
    except (ValueError, TypeError) as error:
        raise InputError(f"a key that cannot be read: {error}") from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if own.public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise InputError("a key that is not that of the certificate")
    expires = int(leaf.not_valid_after_utc.timestamp()) * SECOND
    return X509Identity(ids[0], tuple(map(_der, chain)), key, tuple(map(_der, roots)), expires)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def split(data: bytes) -> list[bytes]:
    """Certificates that stand one after the other as DER.

    Raises:
        InputError: they do not, or there are more than `MAX_BYTES` of them.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"{len(data)} bytes of certificates; at most {MAX_BYTES}")
    found, at = [], 0
    while at < len(data):
        head = data[at : at + 6]
        if len(head) < 2 or head[0] != 0x30:
            raise InputError("certificates that are no DER")
        size, start = head[1], 2
        if size >= 0x80:
            start += size - 0x80
            size = int.from_bytes(data[at + 2 : at + start])
        end = at + start + size
        if start > len(head) or end > len(data):
            raise InputError("a certificate that is cut off")
        found.append(data[at:end])
        at = end
    return found


class HeldIdentity:
    """The newest identity of one workload; those who wait learn of each change, and of the newest alone when they are slow."""

    def __init__(self) -> None:
        self.current: X509Identity | None = None
        self._changed = asyncio.Event()

    def put(self, identity: X509Identity) -> None:
        """Replace it."""
        self.current = identity
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def other_than(self, known: X509Identity | None) -> X509Identity:
        """Wait for one that is not this one."""
        while (current := self.current) is None or current is known:
            await self._changed.wait()
        return current
