#!/usr/bin/env python3
"""A recorder as a service: what it tells systemd, the journal and a log file, what signals do, and a look before the start.

usage: service.py GATETAPE [WORD]     only the cases whose names contain WORD
"""
import json
import os
import re
import signal
import socket
import time

from support import Capture, lines, run, run_cases, until, write_pcap


class Manager:
    """The other end of $NOTIFY_SOCKET."""

    def __init__(self, folder, abstract=False):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        name = f"gatetape-test-{os.getpid()}-{time.monotonic_ns()}"
        self.path = "@" + name if abstract else os.path.join(folder, "notify")
        self.socket.bind("\0" + name if abstract else self.path)
        self.heard = []

    def environment(self, **more):
        return dict(os.environ, NOTIFY_SOCKET=self.path, WATCHDOG_USEC="30000000", **more)

    def listen(self):
        try:
            while True:
                self.heard.extend(self.socket.recv(65536).decode().split("\n"))
        except BlockingIOError:
            return self.heard

    def wait_for(self, word, count=1):
        until(lambda: sum(word in line for line in self.listen()) >= count, f"{word} from the recorder")


def case_ready_watchdog_stopping(folder):
    for abstract in (False, True):
        place = os.path.join(folder, str(abstract))
        os.mkdir(place)
        manager = Manager(place, abstract)
        c = Capture(place, env=manager.environment())
        manager.wait_for("READY=1")
        assert manager.heard[0] == "READY=1", manager.heard
        c.feed(1000)
        manager.wait_for("WATCHDOG=1", 2)
        manager.wait_for("STATUS=Recording: ")
        assert "STOPPING=1" not in manager.heard
        c.finish()
        manager.listen()
        assert manager.heard.count("STOPPING=1") == manager.heard.count("READY=1") == 1, manager.heard
    # A watchdog for another process gets no answer, and a socket that nobody has is a warning.
    manager = Manager(os.path.join(folder, "True"))
    c = Capture(folder, env=manager.environment(WATCHDOG_PID="1"))
    manager.wait_for("STATUS=Recording: ", 2)
    c.finish()
    assert "WATCHDOG=1" not in manager.listen()
    c = Capture(folder, env=dict(os.environ, NOTIFY_SOCKET="/nonexistent/socket"))
    c.feed(10)
    c.finish()
    assert "NOTIFY_SOCKET /nonexistent/socket: No such file" in c.err(), c.err()


def case_reload(folder):
    """SIGUSR2 takes the hostile networks anew, or says why not and goes on with the old ones."""
    manager, hostile, config = Manager(folder), os.path.join(folder, "hostile.txt"), os.path.join(folder, "gatetape.conf")
    eve = os.path.join(folder, "eve.json")

    def write(path, text):
        with open(path, "w") as f:
            f.write(text)

    def reload(count):
        c.process.send_signal(signal.SIGUSR2)
        manager.wait_for("RELOADING=1", count)
        manager.wait_for("READY=1", count + 1)

    def feed(all_received):
        c.feed(500)
        manager.wait_for(f" {all_received:,} in all")

    write(hostile, "10.1.0.0/16\n")
    write(config, "hostile = hostile.txt\n".replace("hostile.txt", hostile))
    c = Capture(folder, "--config", config, eve=eve, env=manager.environment())
    feed(500)
    write(hostile, "# nobody of these\n192.0.2.0/24\n")
    reload(1)
    feed(1000)
    write(hostile, "10.1.0.0/16\nnonsense\n")
    reload(2)
    assert f"the old one goes on: {config}:1:11: hostile {hostile}: {hostile}:2: " in c.err(), c.err()
    feed(1500)
    write(hostile, "10.1.0.0/16\n192.0.2.0/24\n")
    write(config, f"hostil = {hostile}\n")
    reload(3)
    assert "unknown option 'hostil'; did you mean 'hostile'?" in c.err(), c.err()
    feed(2000)
    write(config, f"hostile = {hostile}\nflows-max = 1000\n")
    reload(4)
    assert "from the next start on: flows-max" in c.err(), c.err()
    feed(2500)
    assert re.search(r"MONOTONIC_USEC=\d+", "\n".join(manager.heard))
    summary, _ = c.finish()
    account = summary["account"]
    assert account["stored"] == 1000 and account["filtered"]["not_hostile"] == 1500, account
    events = [e for e in lines(eve) if "hostile_replaced" in json.dumps(e)]
    assert len(events) == 2, events


def case_lines_of_a_log(folder):
    """Times in a file, priorities in the journal, neither for commands that end soon."""
    c = Capture(folder, eve="/dev/full")
    c.feed(100)
    c.finish()
    log = c.err().splitlines()
    assert len(log) > 5 and all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line) for line in log), log
    path = os.path.join(folder, "journal")
    with open(path, "w") as journal:
        status = os.fstat(journal.fileno())
        stream = dict(os.environ, JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino}")
        c = Capture(folder, eve="/dev/full", stderr=journal, env=stream)
        c.feed(100)
        c.finish()
    with open(path) as journal:
        log = journal.read().splitlines()
    assert all(re.match(r"<[346]>(?!\d{4}-)", line) for line in log), log
    assert any(line.startswith("<4>gatetape: warning: ") for line in log), log
    done = run("stats", "--store", folder + "/none")
    assert done.stderr.startswith("gatetape stats: "), done


def case_check(folder):
    """--check says what would run, writes nothing, and ends with 0 or with what is wrong."""
    pcap, store, rules = (os.path.join(folder, name) for name in ("a.pcap", "store", "a.rules"))
    write_pcap(pcap)
    with open(rules, "w") as f:
        f.write('alert udp any any -> any any (msg:"u"; sid:7;)\nalert udp any any -> any any (nonsense; sid:8;)\n')
    before = sorted(os.listdir(folder))
    check = ["capture", "--check", "--source", f"pcap:{pcap}", "--store", store, "--ring-size", "100M", "--rules", rules,
             "--ingress", "10.9.0.0/16", "--filter", "udp", "--eve", folder + "/eve.json"]
    done = run(*check)
    assert done.returncode == 0 and done.stderr == "", done
    for words in (f"pcap:{pcap}", "1 network", "udp", "2 rules, 0 unsupported, 1 broken", "will be made", "ring of 100.0 MiB",
                  "none yet", "eve.json", "1 thread"):
        assert words in done.stdout, (words, done.stdout)
    assert sorted(os.listdir(folder)) == before, "something was written"
    assert run("capture", "--source", f"pcap:{pcap}", "--store", store).returncode == 0
    done = run(*check)
    assert "100 packets since 2026-" in done.stdout and "days at that rate" in done.stdout, done.stdout
    for wrong, code, words in (
            (["--source", "if:nosuch0"], 1, "if:nosuch0: there is no such interface; there are "),
            (["--source", "pcap:/nonexistent"], 1, "pcap:/nonexistent: No such file or directory"),
            (["--rules", "/nonexistent"], 1, "/nonexistent: No such file or directory"),
            (["--strict"], 1, "not every rule loads"), (["--workers", "0"], 2, "--workers 0: expected")):
        done = run(*check, *wrong)
        assert done.returncode == code and words in done.stderr, (wrong, done)
    done = run(*check, "--source", "if:nosuch0", "--rules", "/nonexistent")
    assert len(done.stderr.splitlines()) == 2, done  # all that is wrong
    config = os.path.join(folder, "gatetape.conf")
    with open(config, "w") as f:
        f.write(f"source = pcap:{pcap}\ncheck = yes\n")
    done = run("capture", "--config", config)
    assert done.returncode == 2 and "unknown option 'check'" in done.stderr, done


def case_ingress_and_hostile(folder):
    """A hostile filter that matches nothing does not make the mirror look blind."""
    pcap, hostile = os.path.join(folder, "a.pcap"), os.path.join(folder, "hostile.txt")
    write_pcap(pcap, 1000)
    with open(hostile, "w") as f:
        f.write("192.0.2.0/24\n")
    summary = os.path.join(folder, "summary.json")
    done = run("capture", "--source", f"pcap:{pcap}", "--ingress", "10.9.0.0/16", "--hostile", hostile, "--summary", summary)
    assert done.returncode == 0 and "no packet to or from the ingress" not in done.stderr, done
    with open(summary) as f:
        account = json.load(f)["account"]
    assert account["filtered"]["not_hostile"] == 1000 and account["stored"] == 0, account


run_cases(globals())
