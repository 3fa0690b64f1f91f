"""mTLS of both sides: certificates and trust come by SDS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.xds.contract import SECRET_CERTIFICATE, SECRET_TRUST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.json_object import JsonObject

ADS: JsonObject = {"ads": {}, "resource_api_version": "V3"}


def tls_context(*, alpn: Sequence[str] = (), peers: Sequence[str] = ()) -> JsonObject:
    """What both sides of mTLS have: their certificate, and whom they trust; `peers` are the ids that are asked for."""
    trust: JsonObject = {"validation_context_sds_secret_config": {"name": SECRET_TRUST, "sds_config": ADS}}
    if peers:
        matchers = [{"san_type": "URI", "matcher": {"exact": each}} for each in peers]
        combined = {"default_validation_context": {"match_typed_subject_alt_names": matchers}, **trust}
        trust = {"combined_validation_context": combined}
    return {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificate_sds_secret_configs": [{"name": SECRET_CERTIFICATE, "sds_config": ADS}],
        "alpn_protocols": list(alpn),
        **trust,
    }
