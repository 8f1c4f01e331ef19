#!/usr/bin/env python3
"""Stands in for systemd: appends each line that a service sends to a file.

usage: listen_notify.py SOCKET FILE
"""
import os
import socket
import sys

listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
with open(sys.argv[2], "a", buffering=1) as out:
    while True:
        out.write(listener.recv(65536).decode() + "\n")
