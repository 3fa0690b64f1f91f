"""Holds the rules, as a process of its own.

It is run by path with the process ids of Envoy and of its parent, and reads the rules from stdin. With no argument it sets them
and ends, for a table that is to stay.

The table has `flags owner`: it belongs to the netlink socket of this process, and the kernel removes it when this process ends,
however it ends; no other process can change it. This one ends when Envoy does, when its stdin is closed, or with its parent.
So no rule outlives what it points to, whichever process is killed, and a guard that hangs does not matter. It is small on
purpose: the standard library, libnftables by ctypes, no threads. (`nft -i` would hold a table as well, but answers on a
terminal's terms, and would not notice the end of Envoy.)
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1


def _set(rules: bytes) -> str:
    """Set them; empty, or why not. The context, and with it the socket, stays for as long as the process."""
    try:
        nft = ctypes.CDLL("libnftables.so.1")
    except OSError:
        return "libnftables.so.1 is missing: install nftables (Debian: libnftables1)"
    nft.nft_ctx_new.restype = ctypes.c_void_p
    nft.nft_ctx_new.argtypes = [ctypes.c_uint32]
    for function in (nft.nft_ctx_buffer_error, nft.nft_ctx_get_error_buffer):
        function.argtypes = [ctypes.c_void_p]
    nft.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
    nft.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    context = nft.nft_ctx_new(0)
    nft.nft_ctx_buffer_error(context)
    if nft.nft_run_cmd_from_buffer(context, rules) == 0:
        return ""
    message = nft.nft_ctx_get_error_buffer(context) or b"nftables says nothing"
    return " ".join(message.decode(errors="replace").split())[:500]


def _read_and_set() -> bool:
    rules = b""
    while not rules.endswith(b"\0"):
        part = os.read(0, 65536)
        if not part:
            return False
        rules += part
    problem = _set(rules[:-1])
    sys.stdout.write(f"{problem or 'set'}\n")
    sys.stdout.flush()
    return not problem


def main() -> int:
    """Set the rules, and hold them until Envoy ends."""
    if len(sys.argv) == 1:
        return 0 if _read_and_set() else 1
    envoy, parent = int(sys.argv[1]), int(sys.argv[2])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        return 1
    try:
        watched = os.pidfd_open(envoy)
    except ProcessLookupError:
        sys.stdout.write("Envoy has ended\n")
        return 1
    if not _read_and_set():
        return 1
    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    poll.register(watched, select.POLLIN)
    poll.poll()
    return 0


if __name__ == "__main__":
    sys.exit(main())
