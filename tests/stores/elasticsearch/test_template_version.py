"""A mapping that changes without a new version would never reach a cluster that has the one before."""

from __future__ import annotations

import hashlib

import orjson

from stores.elasticsearch import templates
from stores.elasticsearch.mappings import mappings
from telemetry.documents import Kind

DIGESTS = {8: "477be24b804784ce", 9: "bb715c2637f49b4a", 10: "8045940ac48078f2"}
"""Of all mappings, by the version of the templates. A released version's line is never changed: add the next one."""


def test_the_mappings_are_those_of_the_version_of_the_templates() -> None:
    written = orjson.dumps({kind.value: mappings(kind) for kind in Kind}, option=orjson.OPT_SORT_KEYS)
    found = hashlib.sha256(written).hexdigest()[:16]
    assert DIGESTS.get(templates.VERSION) == found, "raise templates.VERSION and add its digest: installed ones stay otherwise"
