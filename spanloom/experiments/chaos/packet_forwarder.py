"""`python -m spanloom.experiments.chaos.packet_forwarder NEAR FAR SEED`: carries packets between two devices of its own.

Both are TUN devices: what the kernel sends into one comes out of the other, as the impairment says. They live as long as
this process, in whichever network namespace they are put, so that not even kill -9 leaves one behind.

Speaks JSON lines. `{"ready": true}` comes first; a line on stdin with the impairments `to` and `from` the far side replaces
those in force; each line, an empty one too, is answered by counts of packets.
"""

from __future__ import annotations

import fcntl
import heapq
import json
import os
import random
import select
import struct
import sys
import time
from itertools import count
from typing import IO

from spanloom.experiments.chaos.impairment import Impaired, Impairment

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
MAX_BYTES = 65_536
MAX_WAITING = 1000
"""Packets in flight. netem's default limit; what comes past it is dropped."""


def make_device(name: str) -> int:
    """A TUN device of that name: its file, of which each read and write is one packet."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


class PacketForwarder:
    """Receives packets from either device, and forwards them to the other one when they are due."""

    def __init__(self, near: int, far: int, chance: random.Random) -> None:
        self._other = {near: far, far: near}
        self._near, self._far, self._chance = near, far, chance
        self._in_flight: list[tuple[int, int, int, bytes]] = []  # due, number, device, packet
        self._number = count()
        self.counts = {"carried": 0, "lost": 0, "dropped": 0}
        self.impair(Impairment(), Impairment())

    def impair(self, to_far: Impairment, from_far: Impairment) -> None:
        """Replace what happens to packets that come from now on."""
        self._ways = {self._near: Impaired(to_far, self._chance), self._far: Impaired(from_far, self._chance)}

    def run(self, control: IO[bytes]) -> None:
        """Carry until the control line ends. Its reads are unbuffered: `select` sees only what is in no buffer."""
        while True:
            wait = max(0.0, (self._in_flight[0][0] - time.monotonic_ns()) / 1e9) if self._in_flight else None
            ready, _, _ = select.select([self._near, self._far, control.fileno()], [], [], wait)
            self._deliver(time.monotonic_ns())
            for device in ready:
                if device != control.fileno():
                    self._receive(device)
                    continue
                line = control.readline()
                if not line:
                    return
                if line.strip():
                    asked = json.loads(line)
                    self.impair(Impairment(**asked["to"]), Impairment(**asked["from"]))
                say(self.counts)

    def _receive(self, device: int) -> None:
        packet = os.read(device, MAX_BYTES)
        due = self._ways[device].delivery(time.monotonic_ns())
        if due is None:
            self.counts["lost"] += 1
        elif len(self._in_flight) >= MAX_WAITING:
            self.counts["dropped"] += 1
        else:
            heapq.heappush(self._in_flight, (due, next(self._number), self._other[device], packet))
            self._deliver(time.monotonic_ns())

    def _deliver(self, now: int) -> None:
        while self._in_flight and self._in_flight[0][0] <= now:
            _, _, device, packet = heapq.heappop(self._in_flight)
            try:
                os.write(device, packet)
            except OSError:  # the device is not up yet, or its queue is full: as on a wire
                self.counts["dropped"] += 1
            else:
                self.counts["carried"] += 1


def say(message: object) -> None:
    """One JSON line on stdout."""
    print(json.dumps(message), flush=True)  # noqa: T201  the protocol


def main() -> None:
    """Carry between two new devices until stdin ends."""
    near, far, seed = sys.argv[1:]
    forwarder = PacketForwarder(make_device(near), make_device(far), random.Random(int(seed)))  # noqa: S311  packets, not secrets
    say({"ready": True})
    forwarder.run(os.fdopen(sys.stdin.fileno(), "rb", buffering=0))


if __name__ == "__main__":
    main()
