"""Connects to HOST PORT every 10 ms, until its stdin is closed; prints how many times it got an answer, and how many not."""

from __future__ import annotations

import json
import select
import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
answered = failed = 0
sys.stdout.write("probing\n")
sys.stdout.flush()
while not select.select([sys.stdin], [], [], 0.01)[0]:
    try:
        with socket.create_connection((host, port), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n")
            good = connection.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        good = False
    answered += good
    failed += not good
sys.stdout.write(json.dumps({"answered": answered, "failed": failed}) + "\n")
