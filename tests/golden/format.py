#!/usr/bin/env python3
"""The store's format against a reader of its own (read_store.py): made-up traffic, several runs and workers, and, when
they are there, every kind of packet that the conformance cases have.

usage: format.py GATETAPE       captures in $GATETAPE_SHARED (default: ../shared) are used when present
"""
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from read_bundle import check_bundle
from read_store import Segment, Wrong, check_store, checksum, read_pcap

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
SHARED = Path(os.environ.get("GATETAPE_SHARED", PROJECT.parent / "shared"))


def record(gatetape, store, captures, *options):
    """One run of the recorder; returns what check_store() wants to know of it."""
    sources = [word for capture in captures for word in ("--source", f"pcap:{capture}")]
    done = subprocess.run([gatetape, "capture", *sources, "--store", store, *options], capture_output=True, text=True)
    if done.returncode != 0:
        raise Wrong(f"gatetape capture: {done.stderr}")
    if (Path(store) / "account").exists():
        raise Wrong(f"{store}: a run that ended properly left its account beside the records")
    return ", ".join(map(str, captures[:3])), [packet for capture in captures for packet in read_pcap(capture)]


def made_up(work, mode, connections):
    path = work / f"{mode}.pcap"
    synthetic = PROJECT / "scripts" / "bench" / "synthetic.py"
    subprocess.run([sys.executable, synthetic, "http", path, "--mode", mode, "--connections", str(connections)], check=True)
    return path


def whole_captures(folder):
    """Those that can be read to their end: some of the cases are damaged on purpose."""
    for path in sorted(folder.rglob("*.pcap")):
        try:
            if list(read_pcap(path)):
                yield path
        except Wrong:
            pass


def check_alteration_shows(store):
    """Changes bytes that no packet shows and mends the checksum; the roots must still reveal it."""
    path = sorted(store.glob("*.gtp"))[0]
    whole = path.read_bytes()
    segment = Segment(path)
    frame = segment.frames[0].begin
    frame_header_bytes = int.from_bytes(whole[frame + 8:frame + 12], "little")
    for what, begin, size, at in [("segment: ordinal domain", 0, len(segment.header), 20),
                                  ("segment: run started", 0, len(segment.header), 64),
                                  ("frame: packets dropped before", frame, frame_header_bytes, 96)]:
        changed = bytearray(whole)
        changed[begin + at] ^= 1
        end = begin + size - 8
        changed[end:end + 8] = struct.pack("<Q", checksum(bytes(changed[begin:end])))
        path.write_bytes(changed)
        try:
            Segment(path).check_roots()
        except Wrong as wrong:
            print(f"altered {what}: {str(wrong).split(': b', maxsplit=1)[0]}")
            continue
        raise Wrong(f"altered {what}: nobody noticed")
    path.write_bytes(whole)


def check_bundles(gatetape, work, store):
    """Bundles that `extract --bundle` writes, read by another, and one that was changed."""
    key = ["--signing-key", work / "key"]
    shown = subprocess.run([gatetape, "key", "show", *key], capture_output=True, text=True, check=True).stdout
    fingerprint = shown.split()[1]
    for number, expression in enumerate(["", "src port 80", "host 10.0.0.1 and port 1"]):
        bundle = work / f"bundle-{number}"
        words = [expression] if expression else []
        subprocess.run([gatetape, "extract", "--store", store, "--bundle", bundle, *key, *words], capture_output=True, check=True)
        print(f"bundle of {expression or 'everything'}: {check_bundle(bundle, fingerprint)} packets are proven")
    path = work / "bundle-1" / "packets.pcapng"
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    try:
        check_bundle(work / "bundle-1", fingerprint)
    except Wrong:
        return
    raise Wrong("a changed bundle: nobody noticed")


def main():
    gatetape = sys.argv[1]
    with tempfile.TemporaryDirectory(prefix="gatetape-format.") as name:
        work = Path(name)
        repeat, unique = made_up(work, "repeat", 300), made_up(work, "unique", 200)
        key = ["--signing-key", work / "key"]
        rules = ["--rules", PROJECT / "scripts/lab/demo.rules"]
        runs = [record(gatetape, work / "runs", [repeat], *key),
                record(gatetape, work / "runs", [unique], "--workers", "2", *key),
                record(gatetape, work / "runs", [repeat], "--workers", "2", *key, *rules)]
        check_store(work / "runs", runs)
        check_bundles(gatetape, work, work / "runs")
        check_alteration_shows(work / "runs")
        old = PROJECT / "tests" / "storage" / "format" / "store-1.0"
        check_store(old, [("packets.pcap", list(read_pcap(old / "packets.pcap")))])
        cases = list(whole_captures(SHARED / "conformance"))
        if not cases:
            print(f"skipped: no captures in {SHARED / 'conformance'}")
            return
        check_store(work / "cases", [record(gatetape, work / "cases", cases)])


if __name__ == "__main__":
    try:
        main()
    except Wrong as wrong:
        sys.exit(f"WRONG: {wrong}")
