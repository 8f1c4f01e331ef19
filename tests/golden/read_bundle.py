#!/usr/bin/env python3
"""Checks a bundle by FORMAT.md alone, with nothing of Gatetape's: hashlib, and openssl for the signatures.

usage: read_bundle.py BUNDLE FINGERPRINT
"""
import base64
import hashlib
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from read_store import Bytes, Wrong, expect, sha256

FILES = ["checkpoint", "key.pem", "packets.pcapng", "proofs", "records.jsonl", "statement.json"]
SECTION, INTERFACE, PACKET, STATISTICS = 0x0A0D0D0A, 1, 6, 5


def signed_text(bundle, note):
    """The text of a note whose signature openssl finds right."""
    text, signatures = note.split(b"\n\n")
    signature = base64.b64decode(signatures.split()[-1])[-64:]
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "text").write_bytes(text + b"\n")
        (Path(name) / "signature").write_bytes(signature)
        done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", bundle / "key.pem", "-rawin", "-in",
                               Path(name) / "text", "-sigfile", Path(name) / "signature"], capture_output=True, text=True)
    if done.returncode != 0:
        raise Wrong(f"a signature is false: {done.stdout}{done.stderr}")
    return (text + b"\n").decode()


def packets_of(path):
    """(interface, time, captured, wire, link type) of each packet."""
    data, at, interfaces = path.read_bytes(), 0, []
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        body = data[at + 8:at + size - 4]
        if kind == INTERFACE:
            interfaces.append(struct.unpack_from("<H", body)[0])
        elif kind == PACKET:
            interface, high, low, captured, wire = struct.unpack_from("<IIIII", body)
            time = struct.unpack("<q", struct.pack("<Q", high << 32 | low))[0]
            yield time, body[20:20 + captured], wire, interfaces[interface]
        elif kind not in (SECTION, STATISTICS):
            raise Wrong(f"{path}: a block of type {kind}")
        at += size


def root(size, begin, known, proof):
    """The root of the subtree of `size` leaves from `begin` on; takes what it needs from the front of `proof`."""
    inside = [at for at in known if begin <= at < begin + size]
    if not inside:
        return proof.pop(0)
    if size == 1:
        return known[begin]
    half = 1 << (size - 1).bit_length() - 1
    left = root(half, begin, known, proof)
    return sha256(b"\x01", left, root(size - half, begin + half, known, proof))


def root_of(what, size, known, proof):
    proof = list(proof)
    found = root(size, 0, known, proof)
    expect(f"{what}: digests left over", len(proof), 0)
    return found


class Proofs:
    def __init__(self, data):
        source = Bytes(data)
        expect("proofs: magic", source.fields("8sHH")[:2], (b"GTPROOFS", 1))
        self.segments = [self.segment(source) for _ in range(source.varint())]
        self.proof = self.digests(source)
        self.reasons = [source.take(source.varint()).decode() for _ in range(source.varint())]
        self.packets = [self.packet(source) for _ in range(source.varint())]
        expect("proofs: bytes left", source.left(), 0)

    @staticmethod
    def digests(source):
        return [source.take(32) for _ in range(source.varint())]

    def segment(self, source):
        number, flags = source.varint(), source.fields("H")[0]
        body, header = source.take(source.varint()), source.take(source.varint())
        frames = {}
        for _ in range(source.varint()):
            frame = (source.varint(), source.varint(), source.varint(), source.take(32), source.varint(), self.digests(source))
            frames[frame[0]] = frame
        return number, flags, body, header, frames, self.digests(source)

    @staticmethod
    def packet(source):
        place = source.varint()
        if place == 0:
            source.varint()
            return None
        return (place - 1, *(source.varint() for _ in range(5)), source.take(32))


def check_packets(path, proofs):
    count = 0
    for packet, proof in zip(packets_of(path), proofs.packets, strict=True):
        if proof is None:
            continue
        time, data, wire, link = packet
        _, _, _, interface, head, ordinal, leaf = proof
        tail = data[head:] if len(data) - head < 192 else sha256(data[head:])
        message = struct.pack("<BQqIIHHH", 0, ordinal, time, len(data), wire, link, interface, head)
        expect(f"packet {count}: leaf", sha256(message, data[:head], tail), leaf)
        count += 1
    return count


def check_ways(proofs, size, tree):
    leaves = {}
    for place, (number, flags, body, header, frames, proof) in enumerate(proofs.segments):
        facts = Bytes(body)
        _, _, _, frame_count, _, uuid = facts.fields("BBHIQ16s")
        facts.take(16 + 9 * 8)
        segment_root = facts.take(32)
        roots = {}
        for frame, added, dropped, lanes, leaf_count, frame_proof in frames.values():
            known = {packet[2]: packet[6] for packet in proofs.packets if packet and packet[:2] == (place, frame)}
            packets = root_of(f"frame {frame}", leaf_count, known, frame_proof)
            roots[frame] = sha256(b"\x02", uuid, struct.pack("<IQQ", frame, added, dropped), lanes,
                                  struct.pack("<I", leaf_count), packets)
        whole = root_of(f"segment {number}", frame_count, roots, proof)
        expect(f"segment {number}: root", sha256(b"\x03", sha256(header), struct.pack("<I", frame_count), whole), segment_root)
        leaves[number] = sha256(b"\x00", struct.pack("<HHIQ", 1, flags, len(body), number), body)
    if leaves:
        expect("the tree's root", root_of("the ledger", size, leaves, proofs.proof), tree)


def check_bundle(bundle, fingerprint):
    """Returns how many packets are proven."""
    expect("files", sorted(path.name for path in bundle.iterdir()), sorted([*FILES, "manifest"]))
    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", bundle / "key.pem", "-outform", "DER"], capture_output=True,
                         check=True).stdout
    expect("fingerprint", hashlib.sha256(der).hexdigest(), fingerprint)
    lines = signed_text(bundle, (bundle / "manifest").read_bytes()).splitlines()
    hashes = [f"{hashlib.sha256((bundle / name).read_bytes()).hexdigest()}  {name}" for name in FILES]
    expect("manifest", lines[3:], hashes)
    origin, size, tree = signed_text(bundle, (bundle / "checkpoint").read_bytes()).splitlines()[:3]
    expect("origin", lines[1], f"# {origin}")
    proofs = Proofs((bundle / "proofs").read_bytes())
    proven = check_packets(bundle / "packets.pcapng", proofs)
    check_ways(proofs, int(size), base64.b64decode(tree))
    expect("numbers of packets", lines[2], f"# {len(proofs.packets)} packets, {proven} proven")
    return proven


if __name__ == "__main__":
    try:
        print(f"{check_bundle(Path(sys.argv[1]), sys.argv[2])} packets are proven")
    except Wrong as wrong:
        sys.exit(f"WRONG: {wrong}")
