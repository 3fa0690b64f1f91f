"""Write components/xds/envoy.binpb.gz: Envoy's v3 API as one FileDescriptorSet, out of the wheel xds-protos.

`make xds-descriptors` runs it in an environment of its own: beside the product, xds-protos would overwrite modules of
opentelemetry-proto and googleapis-common-protos. Equal wheels give equal bytes.
"""

from __future__ import annotations

import gzip
import importlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2

if TYPE_CHECKING:
    from google.protobuf.descriptor import FileDescriptor

ROOTS = ("envoy", "xds", "udpa", "validate")
SUPERSEDED = re.compile(r"\.(api\.v2|v2|v2alpha|v4alpha)\b")


def main(target: Path) -> None:
    site = Path(importlib.import_module("envoy.config.cluster.v3.cluster_pb2").__file__ or "").parents[4]
    found = descriptor_pb2.FileDescriptorSet()
    seen: set[str] = set()

    def add(file: FileDescriptor) -> None:
        if file.name not in seen:
            seen.add(file.name)
            for needed in file.dependencies:
                add(needed)
            file.CopyToProto(found.file.add())

    for root in ROOTS:
        for path in sorted((site / root).rglob("*_pb2.py")):
            module = ".".join(path.relative_to(site).with_suffix("").parts)
            if not SUPERSEDED.search(module):
                add(importlib.import_module(module).DESCRIPTOR)
    target.write_bytes(gzip.compress(found.SerializeToString(deterministic=True), mtime=0))
    sys.stdout.write(f"{target}: {len(found.file)} files, {target.stat().st_size} bytes\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
