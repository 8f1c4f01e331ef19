"""The cases of the tests in this folder run the program as its user does. A test is a file with functions case_NAME(folder), each
given a directory of its own, and ends with run_cases(globals()).

usage of such a file: FILE GATETAPE [WORD]     only the cases whose names contain WORD

Packets are made here and fed through standard input (pcap:-), so that each case decides when the input ends.
"""
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time

GATETAPE = os.path.abspath(sys.argv[1])
START = 1_795_000_000


def full_pipe():
    """A pipe that takes nothing more: its two ends. Whoever writes to it waits."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, b"x" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(write, True)
    return read, write


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(number):
    """A UDP packet of a flow of its own: each makes one flow record."""
    payload = b"%08d" % number
    source, target = bytes([10, 1, number >> 16 & 255, number >> 8 & 255]), bytes([10, 9, 0, number & 255])
    udp = struct.pack(">HHHH", 20000, 9999, 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), number & 0xFFFF, 0, 64, 17, 0) + source + target
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    frame = b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + head + udp
    return struct.pack("<IIII", START + number // 1000, number % 1000 * 1000, len(frame), len(frame)) + frame


PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)


class Capture:
    def __init__(self, folder, *args, eve=None, store=True, stdout=subprocess.DEVNULL, stderr=None, preexec=None, **options):
        self.folder, self.store, self.summary_path = folder, os.path.join(folder, "store"), os.path.join(folder, "summary.json")
        command = [GATETAPE, "capture", "--source", "pcap:-", "--summary", self.summary_path]
        command += (["--store", self.store] if store else []) + (["--eve", eve] if eve else []) + list(args)
        self.err_path = os.path.join(folder, "err")
        with open(self.err_path, "ab") as err:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr or err,
                                            preexec_fn=preexec, **options)
        self.write(PCAP_HEADER)
        self.sent = 0

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def feed(self, count):
        self.write(b"".join(packet(i) for i in range(self.sent, self.sent + count)))
        self.sent += count

    def finish(self, seconds_max=20, stop=None):
        """Ends the input, or sends a signal; returns the summary and how long it took."""
        began = time.monotonic()
        if stop is not None:
            self.process.send_signal(stop)
        else:
            self.process.stdin.close()
        try:
            self.process.wait(seconds_max)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it did not end within {seconds_max} s")
        seconds = time.monotonic() - began
        assert self.process.returncode == 0, f"exit code {self.process.returncode}: {self.err()}"
        with open(self.summary_path) as f:
            return json.load(f), seconds

    def err(self):
        with open(self.err_path) as f:
            return f.read()

    def extracted(self):
        out = os.path.join(self.folder, "out.pcap")
        done = subprocess.run([GATETAPE, "extract", "--store", self.store, "--format", "pcap", "-w", out],
                              stderr=subprocess.PIPE)
        assert done.returncode == 0, done.stderr
        with open(out, "rb") as f:
            data = f.read()
        at = count = 0
        at = 24
        while at < len(data):
            at += 16 + struct.unpack_from("<I", data, at + 8)[0]
            count += 1
        return count


def until(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


def lines(path):
    """The events of an EVE file; each line has to be whole."""
    with open(path) as f:
        return [json.loads(line) for line in f]


def run(*arguments, **options):
    """Runs the program to its end; stdout and stderr are text."""
    return subprocess.run([GATETAPE, *arguments], capture_output=True, text=True, errors="replace", timeout=120, **options)


def write_pcap(path, count=100):
    with open(path, "wb") as f:
        f.write(PCAP_HEADER + b"".join(packet(i) for i in range(count)))


class Skip(Exception):
    pass


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def run_cases(cases):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # children inherit what started us ignores
    word = sys.argv[2] if len(sys.argv) > 2 else ""
    failed = 0
    for name, case in sorted(cases.items()):
        if not name.startswith("case_") or word not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            try:
                case(folder)
                print(f"ok {name[5:]} ({time.monotonic() - began:.1f} s)", flush=True)
            except Skip as e:
                print(f"skipped: {name[5:]}: {e}", flush=True)
            except (AssertionError, OSError, ValueError, KeyError, subprocess.TimeoutExpired) as e:
                failed += 1
                print(f"FAILED {name[5:]}: {type(e).__name__}: {e}", flush=True)
    sys.exit(failed != 0)
