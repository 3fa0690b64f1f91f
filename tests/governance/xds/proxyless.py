"""A program that calls a service through grpcio's own xDS client.

A number on its input is so many calls; it answers with a count of what came back.
"""

from __future__ import annotations

import json
import sys
from collections import Counter

import grpc

SECONDS = 60.0


def main() -> None:
    with grpc.insecure_channel(sys.argv[1]) as channel:
        call = channel.unary_unary("/shop.Pay/Charge")
        for line in sys.stdin:
            found = Counter[str]()
            for _ in range(int(line)):
                try:
                    found[call(b"", timeout=SECONDS, wait_for_ready=True).decode()] += 1
                except grpc.RpcError as error:
                    found[str(error.code())] += 1
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
