#!/usr/bin/env python3
"""Kills live captures with SIGKILL at random moments, with pauses between them, and holds what their stores then say
against what was really sent.

usage: kills.py GATETAPE [--kills N] [--sensors N] [--seed N]

Each sensor has a network namespace, a store and a sender of its own, which goes on while the sensor is dead. A series
is some kills (while starting and recovering, in the middle of traffic with segments being sealed, after a pause of the
traffic) and a proper end. After each kill and each series, independent of the program's own arithmetic:

- What the ledger lists as sealed is there, the same bytes as ever, or has a tombstone; no packet that could be read
  after a kill is gone without one. Every packet that comes out is, byte for byte, one that was sent, and comes once.
- The segments never fill more than the ring.
- No range in which the sensor was dead, or in which a packet was sent that is not there, is called complete; ranges
  that nothing disturbed are.
- The account equals what was sent: received + missed = sent while the port was open, received = stored + filtered +
  dropped, and as many packets as it calls stored come out.
- `verify` finds nothing but the tail that the killed run had not signed.

Needs root. Prints the seed, then a line of figures. Exit code 0: all holds, 1: not all, 77: skipped, with the reason.
"""
import argparse
import collections
import datetime
import hashlib
import json
import mmap
import os
import random
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

SECOND = 1_000_000_000
FILTERED_EACH = 16  # every such packet goes to a port that the capture filters out
FILTERED_PORT, PORT = 9, 9999
# The beginning and the end of a run are blurred: accounts come each second, and a kill takes packets along that have
# waited in a frame for a second, and then for a disk or a processor that others use, too.
EDGE_NS, KILLED_EDGE_NS = 1_600_000_000, 3_200_000_000


class Wrong(Exception):
    """Something that must hold does not."""


def expect(holds, what, *details):
    if not holds:
        raise Wrong(what + (": " + ", ".join(str(d) for d in details) if details else ""))


# ---------------------------------------------------------------- packets


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(seed, number):
    """The packet of that number: Ethernet, IPv4, UDP, its number, and bytes that no compression shortens."""
    size = 64 + number * 2654435761 % 1199
    payload = struct.pack(">Q", number) + hashlib.shake_128(struct.pack(">QQ", seed, number)).digest(size)
    port = FILTERED_PORT if number % FILTERED_EACH == 0 else PORT
    udp = struct.pack(">HHHH", 20000 + number % 50, port, 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + b"\x0a\x4d\0\x01\x0a\x4d\0\x02"
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    return b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + head + udp


NUMBER_AT = 14 + 20 + 8


def is_filtered(number):
    return number % FILTERED_EACH == 0


def unfiltered(first, end):
    """How many of the packets from first to before end pass the filter."""
    return end - first - ((end + FILTERED_EACH - 1) // FILTERED_EACH - (first + FILTERED_EACH - 1) // FILTERED_EACH)


def send(interface, seed, shared_path, log_path):
    """The sender's process. A line of its input is a rate in packets per second, 0 pauses; it answers when it obeys."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((interface, 0))
    with open(shared_path, "r+b") as file:
        shared = mmap.mmap(file.fileno(), 16)
    number, rate, due, before = 0, 0, 0.0, time.monotonic()
    with open(log_path, "ab", buffering=0) as log:
        while True:
            if select.select([sys.stdin], [], [], 0.004 if rate else None)[0]:
                line = sys.stdin.readline()
                if not line:
                    return
                rate, due, before = int(line), 0.0, time.monotonic()
                print("obeyed", flush=True)
                continue
            now = time.monotonic()
            due = min(due + rate * (now - before), rate * 0.1)  # a sender that could not run does not catch up
            count, before = int(due), now
            due -= count
            burst = [packet(seed, n) for n in range(number, number + count)]
            struct.pack_into("<Q", shared, 0, number + count)
            began_ns = time.time_ns()
            for data in burst:
                while True:
                    try:
                        wire.send(data)
                        break
                    except OSError:  # no room in the kernel's queue
                        time.sleep(0.0005)
            if count:
                log.write(struct.pack("<QQQQ", number, count, began_ns, time.time_ns()))
            number += count
            struct.pack_into("<Q", shared, 8, number)


class Sender:
    """Packets 0, 1, 2 ... Each has been sent when its number is below done(), and none whose is not below begun()."""

    def __init__(self, namespace, interface, seed, directory):
        self.shared_path, self.log_path = os.path.join(directory, "sent"), os.path.join(directory, "sent.log")
        with open(self.shared_path, "wb") as file:
            file.write(bytes(16))
        with open(self.shared_path, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), 16)
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, __file__, "--send", interface, str(seed), self.shared_path,
             self.log_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def rate(self, per_second):
        self.process.stdin.write(f"{per_second}\n")
        self.process.stdin.flush()
        expect(self.process.stdout.readline() == "obeyed\n", "the sender ended")

    def begun(self):
        return struct.unpack_from("<Q", self.shared, 0)[0]

    def done(self):
        return struct.unpack_from("<Q", self.shared, 8)[0]

    def bursts(self):
        """(first number, count, begun, done) of all so far."""
        with open(self.log_path, "rb") as file:
            data = file.read()
        return list(struct.iter_unpack("<QQQQ", data[:len(data) // 32 * 32]))

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)


# ---------------------------------------------------------------- what a store holds


def read_pcap(path, seed):
    """Times by number. Every packet must be one that was sent, byte for byte, and be there once."""
    times = {}
    with open(path, "rb") as file:
        data = file.read()
    unit = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}[struct.unpack_from("<I", data)[0]]
    at = 24
    while at < len(data):
        seconds, fraction, captured, wire = struct.unpack_from("<IIII", data, at)
        body = data[at + 16:at + 16 + captured]
        at += 16 + captured
        expect(captured == wire and len(body) == captured and captured > NUMBER_AT + 8, "a packet was cut")
        number = struct.unpack_from(">Q", body, NUMBER_AT)[0]
        expect(body == packet(seed, number), "a packet came out changed", number)
        expect(number not in times, "a packet came out twice", number)
        times[number] = seconds * SECOND + fraction * unit
    return times


Sealed = collections.namedtuple("Sealed", "records sequence run file_bytes packets first_ns last_ns directory")


class Ledger:
    """Segments that a ledger lists as sealed, and uuids of those that it lists as evicted. By storage/FORMAT.md; its
    checksums and signatures are verify's."""

    def __init__(self, directory):
        self.sealed, self.evicted, self.whole_bytes = {}, set(), 0
        try:
            with open(os.path.join(directory, "ledger"), "rb") as file:
                self.data = file.read()
        except FileNotFoundError:
            self.data = b""
        at = self.whole_bytes = min(48, len(self.data))
        while at + 24 <= len(self.data) and self.data[at:at + 4] == b"GTLE":
            kind, _, body_bytes = struct.unpack_from("<HHI", self.data, at + 4)
            end = at + 24 + body_bytes + 8
            if end > len(self.data):
                break
            if kind in (1, 2):
                self.add(kind, self.data[at + 24:end - 8])
            at = self.whole_bytes = end

    def add(self, kind, body):
        (records, _, _, _, sequence, uuid, run, _, file_bytes, packets, _, _, _, first_ns, last_ns,
         _) = struct.unpack_from("<BBHIQ16s16sqQQQQQqqQ", body)
        at = struct.calcsize("<BBHIQ16s16sqQQQQQqqQ") + 32
        length = struct.unpack_from("<H", body, at)[0]
        directory = body[at + 2:at + 2 + length].decode()
        if kind == 1:
            self.sealed[uuid] = Sealed(records == 2, sequence, run, file_bytes, packets, first_ns, last_ns, directory)
        else:
            self.evicted.add(uuid)


def sha256_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).digest()


def text_of(ns):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // SECOND)) + ".%09dZ" % (ns % SECOND)


def time_of(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = datetime.datetime.fromisoformat(whole + "+00:00").timestamp()
    return int(seconds) * SECOND + int(fraction.ljust(9, "0") or 0)


# ---------------------------------------------------------------- a sensor


class Run:
    """One start of the sensor. Numbers bound what was sent while its port was open, times when it lived."""

    def __init__(self, kind, first):
        self.kind, self.first = kind, first
        self.spawned_ns, self.recording_ns, self.dying_ns, self.dead_ns = time.time_ns(), None, None, None
        self.end = None          # packets from this number on came after its death
        self.properly = False
        self.account = None      # what stats says of it
        self.seen = None         # what could be read after it: times by number


class Sensor(threading.Thread):
    def __init__(self, number, seed, kills, work, gatetape):
        super().__init__(name=f"sensor {number}")
        self.random = random.Random(f"{seed}/{number}")
        self.seed, self.kills_left, self.gatetape = seed * 1000 + number, kills, gatetape
        self.namespace = f"gt-k{number}-{os.getpid()}"
        self.directory = os.path.join(work, str(number))
        self.store = os.path.join(self.directory, "store")
        self.key = os.path.join(self.directory, "key")
        os.mkdir(self.directory)
        self.ring_bytes = self.random.choice([16, 16, 48, 160]) << 20
        self.workers = self.random.choice([1, 1, 2])
        self.start_seconds = 0.6  # how long a start took lately
        self.runs, self.hashes, self.ledger, self.fingerprint = [], {}, Ledger(self.store), None
        self.figures = collections.Counter()
        self.failure = self.sender = self.process = None

    # ---- life

    def run(self):
        try:
            self.set_up()
            self.sender = Sender(self.namespace, "gt-a", self.seed, self.directory)
            while self.kills_left > 0:
                self.series(min(self.kills_left, self.random.randint(5, 10)))
        except (Wrong, OSError, subprocess.SubprocessError, ValueError, KeyError, struct.error) as error:
            self.failure = f"ring {self.ring_bytes >> 20}M, {self.workers} workers: {type(error).__name__}: {error}"
            print(f"FAIL: {self.name}, {self.failure[:2000]}", flush=True)
        finally:
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            if self.sender is not None:
                self.sender.end()
            subprocess.run(["ip", "netns", "del", self.namespace], check=False, capture_output=True)

    def set_up(self):
        ip = lambda *words: subprocess.run(["ip", *words], check=True, capture_output=True)
        ip("netns", "add", self.namespace)
        ip("netns", "exec", self.namespace, "sysctl", "-q", "-w", "net.ipv6.conf.default.disable_ipv6=1")
        ip("link", "add", "gt-a", "netns", self.namespace, "type", "veth", "peer", "name", "gt-b", "netns", self.namespace)
        for interface in ("gt-a", "gt-b"):
            ip("-n", self.namespace, "link", "set", interface, "up")

    def series(self, kills):
        kinds = ["long", "quiet"] + [self.random.choice(["start", "start", "motion", "motion", "quiet"])
                                     for _ in range(kills - 2)]
        kinds = kinds[:kills]
        self.random.shuffle(kinds)
        for kind in kinds:
            self.one_run(kind)
            self.kills_left -= 1
            self.figures[kind] += 1
            time.sleep(self.random.choice([0, self.random.expovariate(3), self.random.uniform(0, 3)]))
        self.one_run("stop")
        self.check_series()

    def start_capture(self, kind):
        run = Run(kind, self.sender.done())
        self.err_path = os.path.join(self.directory, "err")
        with open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, self.gatetape, "capture", "--source", "if:gt-b", "--store",
                 self.store, "--signing-key", self.key, "--ring-size", str(self.ring_bytes), "--workers",
                 str(self.workers), "--filter", f"not udp dst port {FILTERED_PORT}"], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=err)
        self.runs.append(run)
        return run

    def err(self):
        with open(self.err_path, "rb") as file:
            return file.read().decode("utf-8", "replace")

    def until_recording(self, run):
        began = time.monotonic()
        while "recording if:" not in self.err():
            expect(self.process.poll() is None, "the sensor does not start", self.err())
            expect(time.monotonic() - began < 60, "the sensor does not record", self.err())
            time.sleep(0.002)
        run.recording_ns = time.time_ns()
        self.start_seconds += (time.monotonic() - began - self.start_seconds) / 4

    def one_run(self, kind):
        exactly = kind in ("quiet", "stop")  # nothing is under way while the port opens
        self.sender.rate(0 if exactly else self.random.choice([300, 2000, 6000]))
        run = self.start_capture(kind)
        if kind == "start":
            # Recovery is at the end of a start.
            near_end = self.start_seconds - self.random.uniform(0, 0.08)
            time.sleep(max(0, self.random.choice([near_end, self.random.uniform(0, 1.3 * self.start_seconds)])))
        else:
            self.until_recording(run)
        if exactly:
            run.first = self.sender.done()
            self.sender.rate(self.random.choice([300, 1000, 4000]) if kind == "quiet" else 800)
        if kind == "motion":
            time.sleep(self.random.uniform(0, 2.5))
        if kind in ("long", "stop"):
            time.sleep(self.random.uniform(5.5, 7))
        if kind == "quiet":
            time.sleep(self.random.uniform(0.1, 1.5))
            self.sender.rate(0)
            self.until_accounted(run)
            time.sleep(self.random.uniform(0, 1.3))  # some frames are closed meanwhile, some are not
        self.finish(run)
        self.check_run(run)

    def finish(self, run):
        expect(self.process.poll() is None, "the sensor ended by itself", self.err())
        run.dying_ns = time.time_ns()
        if run.kind == "stop":
            self.sender.rate(0)
            self.until_accounted(run)
            self.process.send_signal(signal.SIGTERM)
            code = self.process.wait(60)
            expect(code == 0, "a proper end failed", code, self.err())
            run.properly = True
        else:
            self.process.kill()
            self.process.wait(60)
        run.end, run.dead_ns = self.sender.begun(), time.time_ns()
        if run.recording_ns is None and "recording if:" in self.err():
            run.recording_ns = run.dying_ns  # it had begun, nobody knows when
        self.figures["before it recorded"] += run.recording_ns is None

    def until_accounted(self, run):
        """Until the account of the living sensor has all that was sent: at rest it is exact."""
        deadline = time.monotonic() + 20
        while True:
            last = self.stats().get("last_run")
            got = last["port"]["offered"] if last else 0
            if got == self.sender.done() - run.first:
                return
            expect(time.monotonic() < deadline, "the account is not what was sent", got, self.sender.done() - run.first)
            time.sleep(0.02)

    # ---- asking

    def ask(self, *words, codes=(0,)):
        done = subprocess.run([self.gatetape, *words], capture_output=True, text=True, timeout=300)
        expect(done.returncode in codes, "'" + " ".join(words) + f"' ended with {done.returncode}", done.stderr, done.stdout)
        return done

    def stats(self):
        if not os.path.exists(os.path.join(self.store, "lock")):
            return {}
        return json.loads(self.ask("stats", "--store", self.store, "--json").stdout)

    def extract(self, first_ns=None, last_ns=None):
        """Times by number, and the statement."""
        out, statement = os.path.join(self.directory, "out.pcap"), os.path.join(self.directory, "statement.json")
        words = ["extract", "--store", self.store, "--format", "pcap", "-w", out, "--statement", statement]
        if first_ns is not None:
            words += ["--since", text_of(first_ns), "--until", text_of(last_ns)]
        done = self.ask(*words, "--require-complete", codes=(0, 3))
        with open(statement) as file:
            said = json.load(file)
        complete = said["completeness"] == "complete"
        expect(complete == (done.returncode == 0) == bool(re.search(r"(?m)^(gatetape: )?Complete: ", done.stderr)),
               "the statement contradicts itself", done.returncode, said, done.stderr)
        self.figures["extracts"] += 1
        return read_pcap(out, self.seed), said

    # ---- checks

    def check_run(self, run):
        files = [os.path.join(self.store, name) for name in os.listdir(self.store)] if os.path.isdir(self.store) else []
        used = sum(os.stat(f).st_size for f in files if re.search(r"\.gt[pr](\.new)?$", f))
        expect(used <= self.ring_bytes, "the store is larger than its ring", used, self.ring_bytes)
        self.check_ledger()
        self.read_account(run)
        if run.kind in ("quiet", "stop") or self.random.random() < 0.3:
            if self.ledger.sealed:
                run.seen = self.extract()[0]
                self.check_stored(run)
        if self.ledger.sealed and self.random.random() < 0.2:
            self.verify((0, 3))

    def check_ledger(self):
        """It only grows, and what it lists as sealed is there as it was."""
        before, self.ledger = self.ledger, Ledger(self.store)
        expect(self.ledger.data.startswith(before.data[:before.whole_bytes]), "the ledger lost entries")
        for uuid, segment in self.ledger.sealed.items():
            if uuid in self.ledger.evicted:
                self.hashes.pop(uuid, None)
                continue
            path = self.path_of(segment)
            expect(os.path.exists(path), "a sealed segment is gone without a tombstone", path)
            if uuid not in self.hashes:
                expect(os.stat(path).st_size == segment.file_bytes, "a sealed segment has another size", path)
                self.hashes[uuid] = sha256_of(path)

    @staticmethod
    def path_of(segment):
        names = [n for n in os.listdir(segment.directory) if re.match(rf"0*{segment.sequence}-.*\.gt[pr]$", n)]
        return os.path.join(segment.directory, names[0] if names else f"segment {segment.sequence}")

    def evicted(self):
        return [s for uuid, s in self.ledger.sealed.items() if uuid in self.ledger.evicted
                and not os.path.exists(self.path_of(s))]

    def read_account(self, run):
        exactly = run.kind in ("quiet", "stop")
        deadline = time.monotonic() + 20
        while True:
            last = self.stats().get("last_run")
            if last is None or time_of(last["until"]) < run.spawned_ns:
                # One that never recorded may have left none.
                expect(run.recording_ns is None, "a run that recorded has no account", last)
                return
            # A reader takes a run for dead when it has been silent for some seconds.
            if last["account"]["in_flight"] == 0 and last["port"]["received"] >= last["account"]["received"]:
                break
            if not exactly:
                break
            expect(time.monotonic() < deadline, "the account of a dead run is not settled", last)
            time.sleep(0.1)
        port = last["port"]
        names = ("received", "stored", "in_flight", "filtered", "dropped")
        run.account = account = dict({n: last["account"][n] for n in names}, missed=port["missed"], offered=port["offered"])
        filtered, dropped = sum(account["filtered"].values()), sum(account["dropped"].values())
        expect(account["received"] == account["stored"] + account["in_flight"] + filtered + dropped,
               "the account does not balance", account)
        expect(account["offered"] == port["received"] + account["missed"], "the port does not balance", account)
        sent = run.end - run.first
        expect(account["received"] <= sent and account["offered"] <= sent, "more was received than sent", account, sent)
        if exactly:
            expect(account["received"] + account["missed"] == sent, "the account is not what was sent", account, sent)
            if account["missed"] == 0:
                expect(filtered == sent - unfiltered(run.first, run.end), "not all were filtered", account, sent)
        self.figures["sent"] += sent
        for word in ("received", "missed", "stored", "in_flight"):
            self.figures[word] += account[word]
        self.figures["filtered"] += filtered
        for cause, count in account["dropped"].items():
            self.figures["dropped." + cause] += count

    def check_stored(self, run):
        """As many packets as the account calls stored come out, and without a loss there is no hole among them."""
        of_run = sorted(n for n in run.seen if run.first <= n < run.end)
        evicted = sum(s.packets for s in self.evicted() if not s.records and s.first_ns >= run.spawned_ns)
        came_out, stored = len(of_run) + evicted, run.account["stored"] if run.account else 0
        if run.kind in ("quiet", "stop"):
            expect(came_out == stored, "what comes out is not what is stored", came_out, run.kind, run.account)
        else:  # an account is some milliseconds old
            expect(came_out >= stored, "what is stored does not come out", came_out, run.kind, run.account)
        if not of_run or self.workers != 1 or run.account["missed"]:
            return
        if sum(run.account["dropped"].values()) == run.account["dropped"]["killed"]:
            expect(len(of_run) == unfiltered(of_run[0], of_run[-1] + 1), "there is a hole in a run", run.kind)

    def verify(self, codes):
        if self.fingerprint is None:
            self.fingerprint = self.ask("key", "show", "--signing-key", self.key).stdout.split()[1]
        self.ask("verify", "--store", self.store, "--key", self.fingerprint, codes=codes)
        self.figures["verified"] += 1

    def check_series(self):
        last = self.runs[-1]
        left = [n for n in os.listdir(self.store) if n.endswith(".new") or n == "account"]
        expect(not left, "a proper end leaves files behind", left)
        for uuid, segment in self.ledger.sealed.items():
            if uuid in self.hashes:
                expect(sha256_of(self.path_of(segment)) == self.hashes[uuid], "a sealed segment was written to", segment)
        self.check_packets(last.seen)
        self.check_totals()
        self.verify((0,))
        series = self.runs[-12:]
        bursts = [b for b in self.sender.bursts() if b[2] >= series[0].spawned_ns - 2 * EDGE_NS]
        for first_ns, last_ns in self.ranges(series):
            self.check_range(first_ns, last_ns, last.seen, bursts)
        for run in self.runs:  # what was there last has been compared
            run.seen = None

    def check_packets(self, there):
        present = [s for uuid, s in self.ledger.sealed.items() if not s.records and os.path.exists(self.path_of(s))]
        expect(sum(s.packets for s in present) == len(there), "sealed segments have other packets", len(there))
        if self.workers == 1:
            for segment in present:
                inside = sum(segment.first_ns <= t <= segment.last_ns for t in there.values())
                expect(inside >= segment.packets, "a sealed segment lacks packets", inside, segment)
        gone = [s for s in self.evicted() if not s.records]
        for run in self.runs:
            for number, at_ns in (run.seen or {}).items():
                if number in there:
                    expect(there[number] == at_ns, "a packet changed its time", number)
                else:
                    expect(any(s.first_ns <= at_ns <= s.last_ns for s in gone), "a packet is gone without a tombstone",
                           number, at_ns, run.kind)
        self.figures["sealed"] = len(self.ledger.sealed)
        self.figures["evicted"] = len(self.ledger.evicted)

    def check_totals(self):
        """The store still says of all runs what each one's account said after its death, as long as it has all accounts."""
        if any(s.records for s in self.evicted()):
            return
        now = self.stats()["all_runs"]
        known = [run.account for run in self.runs if run.account]
        on_the_way = sum(a["in_flight"] for a in known)  # stored, or lost: known since the start after the kill
        stored, killed = now["account"]["stored"], now["account"]["dropped"]["killed"]
        for what, said, then in (
                ("received", now["account"]["received"], sum(a["received"] for a in known)),
                ("missed", now["port"]["missed"], sum(a["missed"] for a in known)),
                ("stored or lost", stored + killed, sum(a["stored"] + a["dropped"]["killed"] for a in known) + on_the_way)):
            expect(said == then, "accounts of runs changed", what, said, then)
        self.figures["totals compared"] += 1

    def ranges(self, series):
        """Around each death of these runs, in outages, inside of runs, and anywhere."""
        out = []
        for run in series:
            if run.recording_ns is None:
                continue
            first_ns, last_ns = self.undisturbed(run)
            if last_ns > first_ns:
                out.append((first_ns, last_ns))
            for _ in range(2):
                first_ns = run.dying_ns - int(self.random.uniform(0.05, 3) * SECOND)
                out.append((first_ns, first_ns + int(self.random.uniform(0.02, 1.5) * SECOND)))
        for before, after in zip(series, series[1:]):
            middle = (before.dead_ns + after.spawned_ns) // 2
            out.append((middle - SECOND // 1000, middle + SECOND // 1000))
        for _ in range(6):
            first_ns = self.random.randrange(series[0].spawned_ns, series[-1].dead_ns)
            out.append((first_ns, min(first_ns + int(self.random.expovariate(0.5) * SECOND) + 1, series[-1].dead_ns)))
        return out

    def check_range(self, first_ns, last_ns, there, bursts):
        sent = lambda since, until: [n for first, count, began, done in bursts if began >= since and done < until
                                     for n in range(first, first + count) if not is_filtered(n)]
        lacking = [n for n in sent(first_ns, last_ns) if n not in there]
        dead = any(before.dead_ns < last_ns and first_ns < after.spawned_ns
                   for before, after in zip(self.runs, self.runs[1:]))
        packets, said = self.extract(first_ns, last_ns)
        where = f"{text_of(first_ns)} to {text_of(last_ns)}"
        expect(all(first_ns <= at < last_ns and there.get(n) == at for n, at in packets.items()), "other packets", where)
        expect(len(packets) == sum(first_ns <= at < last_ns for at in there.values()), "packets are missing", where)
        if said["completeness"] == "complete":
            expect(not dead, "a range with an outage is called complete", where)
            expect(not lacking, "a range that lacks packets is called complete", where, len(lacking), lacking[:5])
            self.figures["complete"] += 1
            return
        self.figures["not complete"] += 1
        wide = sent(first_ns - EDGE_NS, last_ns + EDGE_NS)
        stretches = [self.undisturbed(run) for run in self.runs if run.recording_ns is not None]
        if any(since <= first_ns and last_ns <= until for since, until in stretches) and all(n in there for n in wide):
            raise Wrong(f"an undisturbed range is not called complete: {where}, {said['reasons']}")

    @staticmethod
    def undisturbed(run):
        return run.recording_ns + EDGE_NS, run.dying_ns - (EDGE_NS if run.properly else KILLED_EDGE_NS)


# ---------------------------------------------------------------- main


def reason_to_skip(gatetape):
    if os.geteuid() != 0:
        return "needs root (network namespaces)"
    for tool in ("ip", "sysctl", gatetape):
        if shutil.which(tool) is None:
            return f"needs {tool}"
    name = f"gt-k-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    linked = made and subprocess.run(["ip", "link", "add", "gt-a", "netns", name, "type", "veth", "peer", "name", "gt-b",
                                      "netns", name], capture_output=True, check=False).returncode == 0
    if made:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    return None if linked else "needs network namespaces and veth interfaces"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("gatetape")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--sensors", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    options.gatetape = os.path.abspath(options.gatetape)
    if reason := reason_to_skip(options.gatetape):
        print("skipped: " + reason)
        return 77
    print(f"seed {options.seed}", flush=True)
    began = time.monotonic()
    work = tempfile.mkdtemp(prefix="gatetape-kills.")
    share, more = divmod(options.kills, options.sensors)
    sensors = [Sensor(i, options.seed, share + (i < more), work, options.gatetape) for i in range(options.sensors)]
    for sensor in sensors:
        sensor.start()
    for sensor in sensors:
        sensor.join()
    figures = sum((sensor.figures for sensor in sensors), collections.Counter())
    kills = sum(figures[kind] for kind in ("start", "motion", "quiet", "long"))
    print(json.dumps({"kills": kills, "seconds": round(time.monotonic() - began), **figures}, sort_keys=True))
    if any(sensor.failure for sensor in sensors):
        print(f"files are in {work}")
        return 1
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send"]:
        send(sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])
    else:
        sys.exit(main())
