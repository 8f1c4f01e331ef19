#!/usr/bin/env python3
"""One configuration for all commands, as their user meets it; the example is taken line by line.

usage: config.py GATETAPE [WORD]     only the cases whose names contain WORD
"""
import json
import os
import pathlib
import re

from support import run, run_cases, write_pcap

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "gatetape.conf"
OPTION = re.compile(r"(?:# )?([a-z-]+) = \S")


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write(text)
    return path


def record(folder, *arguments):
    pcap = os.path.join(folder, "a.pcap")
    write_pcap(pcap)
    done = run("capture", "--source", f"pcap:{pcap}", *arguments)
    assert done.returncode == 0, done
    return done


def case_example_line_by_line(folder):
    """Each line, commented out or not, is accepted by itself, and has a value that the option takes or a path of its own."""
    lines = [line for line in EXAMPLE.read_text().splitlines() if OPTION.match(line)]
    assert len(lines) >= 17, lines
    write(folder, "hostile.txt", "198.51.100.0/24\n")
    seen = set()
    for line in lines:
        setting = line.removeprefix("# ").replace("/etc/gatetape/hostile.txt", os.path.join(folder, "hostile.txt")).replace(
            "user = gatetape", "user = nobody")
        name = OPTION.match(line).group(1)
        seen.add(name)
        path = write(folder, "one.conf", setting + "\n")
        store = [] if name == "store" else ["--store", folder + "/none"]
        source = [] if name == "source" else ["--source", "pcap:/nonexistent"]
        done = run("capture", "--config", path, *source, *store, "--rules", "/nonexistent/rules")
        words = "/etc/gatetape/rules" if name == "rules" else "/nonexistent/rules"
        assert done.returncode == 1 and "/nonexistent/rules" in done.stderr, (line, done)  # the next thing that is wrong
        wrong = run("capture", "--config", write(folder, "one.conf", setting.replace(name, name + "x", 1) + "\n"))
        assert wrong.returncode == 2 and f"one.conf:1:1: unknown option '{name}x'; did you mean '{name}'?" in wrong.stderr, wrong
    assert {"source", "ingress", "hostile", "store", "rules", "eve", "workers"} <= seen
    others = EXAMPLE.read_text().replace("# rules =", "rules =")
    path = write(folder, "all.conf", others)
    for command in ("stats", "extract", "search http", "verify --key " + "0" * 64, "pin --list", "rules check", "key show"):
        done = run(*command.split(), "--config", path)
        assert done.returncode in (0, 1), (command, done)  # it is understood; there is no such store here


def case_each_command_reads_what_it_needs(folder):
    store, eve = os.path.join(folder, "the store"), os.path.join(folder, "eve.json")
    rules = write(folder, "a.rules", 'alert udp any any -> any any (msg:"u"; sid:7;)\n')
    path = write(folder, "gatetape.conf", f'store = "{store}"  # one\nworkers = 1\neve = {eve}\nrules = [\n  {rules} # one\n]\n'
                 f"signing-key = '{folder}/key'\n")
    record(folder, "--config", path)
    events = pathlib.Path(eve).read_text()
    assert events.count('"event_type":"alert"') == 100, events[:300]
    assert json.loads(run("stats", "--config", path, "--json").stdout)["store"]["packets"] == 100
    assert len(run("search", "--config", path, "alerts", "--json").stdout.splitlines()) == 100
    assert run("extract", "--config", path, "-w", folder + "/x.pcapng").stderr.count("100 packets") == 1
    fingerprint = run("key", "show", "--config", path).stdout.split()[1]
    assert run("verify", "--config", path, "--key", fingerprint).returncode == 0
    checked = run("rules", "check", "--config", path)
    assert checked.returncode == 0 and checked.stdout.startswith("1 rule: 1 loaded"), checked
    tested = run("rules", "test", "--config", path, os.path.join(folder, "a.pcap"))
    assert tested.stdout.count('"event_type":"alert"') == 100, tested.stdout[:300]
    assert pathlib.Path(eve).read_text() == events, "a test wrote into the sensor's file"
    other = run("stats", "--config", path, "--store", folder)
    assert other.returncode == 1 and f"{folder} is not a Gatetape store" in other.stderr, other


def case_includes(folder):
    os.mkdir(os.path.join(folder, "d"))
    write(folder, "d/common.conf", "workers = 3\nflows-max = 99999999999\ninclude ../last.conf\n")
    write(folder, "last.conf", "checksums = off\n")
    path = write(folder, "a.conf", "include d/common.conf\nflows-max = 1000  # wins over what is included\n")
    record(folder, "--config", path)
    write(folder, "last.conf", "checksums = maybe\n")
    done = run("capture", "--source", "pcap:-", "--config", path)
    assert done.returncode == 2 and f"{folder}/last.conf:1:13: checksums maybe: expected on|off" in done.stderr, done
    write(folder, "last.conf", "\n  include a.conf\n")
    done = run("capture", "--source", "pcap:-", "--config", path)
    assert done.returncode == 2 and f"{folder}/last.conf:2:11: include a.conf: a circle" in done.stderr, done
    done = run("stats", "--config", folder)
    assert done.returncode == 2 and "Is a directory" in done.stderr, done


run_cases(globals())
