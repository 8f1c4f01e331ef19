#!/usr/bin/env python3
"""Checks `dpdk:DEVARGS` on DPDK's virtual devices: nothing is lost or changed on the way through mbufs, and what goes wrong
is said in plain words.

usage: port_proof.py DUMP_SOURCE     (the tool from the build's tests/live)

Prints PASS or FAIL for each check. Exit code 0: all passed, 1: not all.
"""
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

failures = 0


def check(what, passed, detail=""):
    global failures
    failures += not passed
    print(f"{'PASS' if passed else 'FAIL'}: {what}{f' ({detail})' if detail else ''}", flush=True)


def write_pcap(path, packets):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for microseconds, data in packets:
            file.write(struct.pack("<IIII", *divmod(microseconds, 10**6), len(data), len(data)) + data)


def read_pcap(path):
    packets = []
    with open(path, "rb") as file:
        file.read(24)
        while header := file.read(16):
            seconds, nanoseconds, captured, _ = struct.unpack("<IIII", header)
            packets.append((seconds * 10**6 + nanoseconds // 1000, file.read(captured)))
    return packets


def deliver(spec, packets, output, *arguments):
    """A port does not end by itself: it is stopped when as many packets have come as there are."""
    done = subprocess.run([DUMP, spec, "-w", output, "--packets", str(len(packets)), *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, timeout=60, check=False)
    return json.loads(done.stdout)


def whole(directory, what, sizes, *arguments):
    generator = random.Random(1)
    given, got = f"{directory}/given.pcap", f"{directory}/got.pcap"
    # Times in any order, as in real captures.
    packets = [(10**15 + generator.randrange(10**12), generator.randbytes(size)) for size in sizes]
    write_pcap(given, packets)
    account = deliver(f"dpdk:net_pcap0,rx_pcap={given}", packets, got, *arguments)
    check(f"{what}: every packet, unchanged, with its time", read_pcap(got) == packets, f"{len(packets)} packets")
    check(f"{what}: the account",
          account["received"] == account["offered"] == len(packets) and account["missed"] == account["errors"] == 0
          and account["received_bytes"] == sum(sizes) and account["ordinals_in_order"])
    os.remove(got)


def refusals():
    for spec, words in {
        "dpdk:net_nonsense0": "no driver net_nonsense; is Debian's package librte-net-nonsense23 installed?",
        "dpdk:0000:ff:1f.7": "no PCI device 0000:ff:1f.7",
        "dpdk:net_pcap0,rx_iface=nonesuch": "nonesuch: No such device exists",
        "dpdk:net_pcap0,rx_pcap=/nonesuch": "/nonesuch: No such file or directory",
        "if:nonesuch": "there is no such interface; there are lo",
    }.items():
        done = subprocess.run([DUMP, spec], capture_output=True, text=True, timeout=60, check=False)
        check(f"{spec} is refused", done.returncode == 1 and words in done.stderr)
    if os.geteuid() == 0:
        with tempfile.TemporaryDirectory() as directory:  # the build may lie where nobody may look
            os.chmod(directory, 0o755)
            copy = os.path.join(directory, "dump_source")
            with open(DUMP, "rb") as source, open(copy, "wb") as target:
                target.write(source.read())
            os.chmod(copy, 0o755)
            done = subprocess.run([copy, "if:lo"], capture_output=True, text=True, timeout=60, check=False, user=65534)
            check("if:lo is refused without root", done.returncode == 1 and "live capture needs root" in done.stderr)


def main():
    generator = random.Random(2)
    with tempfile.TemporaryDirectory(prefix="gatetape-proof-") as directory:
        whole(directory, "ordinary packets", [generator.randrange(14, 1515) for _ in range(30000)])
        # 2,048 bytes fit into one buffer; longer packets come in several.
        whole(directory, "around the size of a buffer", [2048 + generator.randrange(-3, 4) for _ in range(3000)])
        whole(directory, "up to 64 KB", [generator.randrange(14, 65536) for _ in range(3000)])
        whole(directory, "64 KB, released by another thread", [65535] * 2000, "--release-elsewhere")
    refusals()
    print(f"{failures} failed" if failures else "all passed")
    sys.exit(1 if failures else 0)


if len(sys.argv) != 2:
    sys.exit(__doc__)
DUMP = os.path.abspath(sys.argv[1])
main()
