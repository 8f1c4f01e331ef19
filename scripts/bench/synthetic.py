#!/usr/bin/env python3
"""Captures made up packet by packet, for what real traffic on one machine cannot give: no root, a million flows at once,
one slow connection through a fast capture. Deterministic; checksums are right.

usage: synthetic.py http OUT [--mode repeat|proxy|unique] [--connections N] [--requests N]
       synthetic.py flows OUT --flows N --concurrent N
       synthetic.py slow IN OUT|-            IN with one more connection in it that asks once a second
"""
import argparse
import random
import struct
import sys

SERVER = 0x0A090064  # 10.9.0.100
START_US = 1_700_000_000_000_000
SYN, ACK, PSH, FIN = 0x02, 0x10, 0x08, 0x01
SLOW_CLIENT, SLOW_PORT = 0x0A090707, 40123  # 10.9.7.7
MSS = 1448


def folded(total):
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def word_sum(data):
    if len(data) & 1:
        data += b"\0"
    return sum(struct.unpack(f">{len(data) // 2}H", data))


def tcp_packet(source, destination, source_port, destination_port, sequence, acknowledgement, flags, payload=b""):
    addresses = struct.pack(">II", source, destination)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(payload), 1, 0x4000, 64, 6, 0)
    ip = ip[:10] + struct.pack(">H", 0xFFFF ^ folded(word_sum(ip) + word_sum(addresses))) + addresses
    tcp = struct.pack(">HHIIBBHHH", source_port, destination_port, sequence & 0xFFFFFFFF, acknowledgement & 0xFFFFFFFF,
                      0x50, flags, 65535, 0, 0)
    checksum = 0xFFFF ^ folded(word_sum(tcp) + word_sum(payload) + word_sum(addresses) + 6 + 20 + len(payload))
    tcp = tcp[:16] + struct.pack(">H", checksum) + tcp[18:]
    return b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0" + ip + tcp + payload


class Connection:
    """One TCP connection, both directions in order, as packets."""

    def __init__(self, client, port):
        self.client, self.port = client, port
        self.sequence = [1000, 900000]

    def packet(self, from_server, flags, payload=b""):
        mine, other = self.sequence[from_server], self.sequence[1 - from_server]
        self.sequence[from_server] += len(payload) + (1 if flags & (SYN | FIN) else 0)
        acknowledgement = other if flags & ACK else 0
        if from_server:
            return tcp_packet(SERVER, self.client, 80, self.port, mine, acknowledgement, flags, payload)
        return tcp_packet(self.client, SERVER, self.port, 80, mine, acknowledgement, flags, payload)

    def open(self):
        return [self.packet(0, SYN), self.packet(1, SYN | ACK), self.packet(0, ACK)]

    def exchange(self, request, response):
        packets = [self.packet(0, PSH | ACK, request)]
        for at in range(0, len(response), MSS):
            packets.append(self.packet(1, PSH | ACK, response[at:at + MSS]))
        return packets + [self.packet(0, ACK)]

    def close(self):
        return [self.packet(0, FIN | ACK), self.packet(1, FIN | ACK), self.packet(0, ACK)]


class PcapWriter:
    def __init__(self, file):
        self.file, self.pieces, self.size = file, [], 0
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))

    def add(self, time_us, packet):
        self.pieces.append(struct.pack("<IIII", time_us // 1_000_000, time_us % 1_000_000, len(packet), len(packet)))
        self.pieces.append(packet)
        self.size += len(packet)
        if self.size > 1 << 22:
            self.flush()

    def flush(self):
        self.file.write(b"".join(self.pieces))
        self.pieces, self.size = [], 0


def words(chooser, length):
    vocabulary = [f"w{n * 7919 % 100003}" for n in range(4000)]
    text = " ".join(chooser.choice(vocabulary) for _ in range(length // 5))
    return text.encode()[:length]


def response_for(mode, chooser, bodies, number):
    body = words(chooser, chooser.randrange(500, 9000)) if mode == "unique" else chooser.choice(bodies)
    extra = f"X-Trace: {number:x}{'-' * chooser.randrange(1, 40)}\r\n" if mode == "proxy" else ""
    return f"HTTP/1.1 200 OK\r\n{extra}Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def write_http(path, mode, connections, requests):
    chooser = random.Random(11)
    bodies = [words(chooser, chooser.randrange(500, 9000)) for _ in range(50)]
    time_us = START_US
    with open(path, "wb") as file:
        writer = PcapWriter(file)
        for number in range(connections):
            connection = Connection(0x0A090000 + 2 + number % 50, 20000 + number % 40000)
            packets = connection.open()
            for index in range(requests):
                uri = f"/api/items?id={chooser.randrange(10**6)}&n={index}"
                if index == 0 and number % 20 == 0:
                    uri = "/old/../../etc/passwd"
                request = f"GET {uri} HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: bench/1.0\r\n\r\n".encode()
                packets += connection.exchange(request, response_for(mode, chooser, bodies, number * requests + index))
            for packet in packets + connection.close():
                time_us += 40
                writer.add(time_us, packet)
        writer.flush()


def write_flows(path, flows, concurrent):
    """`flows` short HTTP connections, `concurrent` of them open at any time: the same packets in whatever order."""
    request = b"GET /health HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    model = Connection(0, 0)
    stages = []  # packets with address and port 0, and the sums that their checksums were made from
    for packet in model.open() + model.exchange(request, response) + model.close():
        from_server = packet[26:30] != b"\0\0\0\0"
        ip_sum, tcp_sum = (0xFFFF ^ struct.unpack(">H", packet[at:at + 2])[0] for at in (24, 50))
        stages.append((packet, from_server, ip_sum, tcp_sum))
    time_us = START_US
    with open(path, "wb") as file:
        writer = PcapWriter(file)
        for first in range(0, flows, concurrent):
            for packet, from_server, ip_sum, tcp_sum in stages:
                for flow in range(first, min(first + concurrent, flows)):
                    client, port = 0x0B000000 + flow // 50, 10000 + flow % 50
                    address_sum = (client >> 16) + (client & 0xFFFF)
                    ip_check = 0xFFFF ^ folded(ip_sum + address_sum)
                    tcp_check = 0xFFFF ^ folded(tcp_sum + address_sum + port)
                    changed = bytearray(packet)
                    struct.pack_into(">H", changed, 24, ip_check)
                    struct.pack_into(">I", changed, 30 if from_server else 26, client)
                    struct.pack_into(">H", changed, 36 if from_server else 34, port)
                    struct.pack_into(">H", changed, 50, tcp_check)
                    time_us += 1
                    writer.add(time_us, bytes(changed))
        writer.flush()


def slow_packets():
    """Endless: the packets of one exchange a second; the first with the handshake before it."""
    connection = Connection(SLOW_CLIENT, SLOW_PORT)
    opening = connection.open()
    for number in range(1 << 30):
        request = f"GET /poll?n={number} HTTP/1.1\r\nHost: slow.example.com\r\n\r\n".encode()
        yield opening + connection.exchange(request, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nalive")
        opening = []


def add_slow_connection(source, target):
    """Copies a classic pcap and inserts the slow connection; returns how many packets were inserted."""
    header = source.read(24)
    nanoseconds = header[:4] == b"\x4d\x3c\xb2\xa1"
    if not nanoseconds and header[:4] != b"\xd4\xc3\xb2\xa1":
        raise SystemExit("synthetic.py: not a little-endian classic pcap")
    target.write(header)
    exchanges, inserted, next_second, pending = slow_packets(), 0, 0, b""
    while True:
        block = source.read(1 << 24)
        data = pending + block
        at, copied = 0, 0
        while at + 16 <= len(data):
            seconds, _, length = struct.unpack_from("<III", data, at)
            if at + 16 + length > len(data):
                break
            if seconds >= next_second:
                target.write(data[copied:at])
                copied = at
                for packet in next(exchanges):
                    target.write(data[at:at + 8] + struct.pack("<II", len(packet), len(packet)) + packet)
                    inserted += 1
                next_second = seconds + 1
            at += 16 + length
        target.write(data[copied:at])
        pending = data[at:]
        if not block:
            return inserted


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    http = kinds.add_parser("http")
    http.add_argument("out")
    http.add_argument("--mode", default="repeat", choices=["repeat", "proxy", "unique"])
    http.add_argument("--connections", type=int, default=200)
    http.add_argument("--requests", type=int, default=10)
    flows = kinds.add_parser("flows")
    flows.add_argument("out")
    flows.add_argument("--flows", type=int, required=True)
    flows.add_argument("--concurrent", type=int, required=True)
    slow = kinds.add_parser("slow")
    slow.add_argument("source")
    slow.add_argument("out")
    options = parser.parse_args()
    if options.kind == "http":
        write_http(options.out, options.mode, options.connections, options.requests)
    elif options.kind == "flows":
        write_flows(options.out, options.flows, options.concurrent)
    else:
        with open(options.source, "rb") as source:
            if options.out == "-":
                inserted = add_slow_connection(source, sys.stdout.buffer)
            else:
                with open(options.out, "wb") as target:
                    inserted = add_slow_connection(source, target)
        print(inserted, file=sys.stderr)


if __name__ == "__main__":
    main()
