"""mTLS of both sides, whose certificates and trust come by SDS, and TLS to the service that counts limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.xds.contract import SECRET_CERTIFICATE, SECRET_TRUST
from components.xds.peer_name import SPIFFE, is_address, name_matcher
from components.xds.pool import TYPE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from governance.compile.site import LimitTls
    from telemetry.json_object import JsonObject

ADS: JsonObject = {"ads": {}, "resource_api_version": "V3"}
_TRUST: JsonObject = {"validation_context_sds_secret_config": {"name": SECRET_TRUST, "sds_config": ADS}}
_CERTIFICATE: JsonObject = {"tls_certificate_sds_secret_configs": [{"name": SECRET_CERTIFICATE, "sds_config": ADS}]}


def tls_context(*, alpn: Sequence[str] = (), peers: Sequence[str] = ()) -> JsonObject:
    """What both sides of mTLS have: their certificate, and whom they trust; `peers` are the ids that are asked for."""
    trust: JsonObject = _TRUST
    if peers:
        matchers = [{"san_type": "URI", "matcher": {"exact": each}} for each in peers]
        combined = {"default_validation_context": {"match_typed_subject_alt_names": matchers}, **trust}
        trust = {"combined_validation_context": combined}
    return {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        **_CERTIFICATE,
        "alpn_protocols": list(alpn),
        **trust,
    }


def limit_socket(tls: LimitTls) -> JsonObject:
    """The transport socket of the cluster of the service that counts limits."""
    expected = {"match_typed_subject_alt_names": [name_matcher(tls.name)]}
    trust: JsonObject = {"combined_validation_context": {"default_validation_context": expected, **_TRUST}}
    if tls.ca:
        trust = {"validation_context": {**expected, "trusted_ca": {"inline_string": tls.ca}}}
    own: JsonObject = _CERTIFICATE if tls.identity else {}
    if tls.certificate:
        pair = {"certificate_chain": {"inline_string": tls.certificate}, "private_key": {"inline_string": tls.key}}
        own = {"tls_certificates": [pair]}
    context: JsonObject = {
        "@type": TYPE_PREFIX + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
            "alpn_protocols": ["h2"],
            **own,
            **trust,
        },
        "max_session_keys": 0,  # a session resumed would go on with a certificate that has been replaced
    }
    if not is_address(tls.name) and not tls.name.startswith(SPIFFE):
        context["sni"] = tls.name
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}
