#!/usr/bin/env python3
"""Wrong command lines and places, as their user meets them: every option of every command, its exit code and its words.

usage: errors.py GATETAPE [WORD]     only the cases whose names contain WORD
"""
import os
import re

from support import run, run_cases, write_pcap

COMMANDS = ["capture", "extract", "search", "show", "stats", "verify", "pin", "unpin", "key show", "key rotate", "rules check", "rules test"]
KEY = "0" * 64
# With these the rest of the command line is right.
NEEDED = {"capture": ["--source", "pcap:-"], "search": ["http"], "show": ["a7k3m9q2xd"], "verify": ["--key", KEY], "rules check": ["x.rules"],
          "rules test": ["x.pcap"], "pin": ["--reason", "x"], "unpin": ["--reason", "x"]}
QUERIES = ["extract", "search", "show", "pin", "unpin"]
# Values that cannot be right, by option: each is exit code 2, and the message names option and value.
WRONG = {
    "source": ["foo", "pcap:", "pcapp:x", "if:"], "filter": ["foo bar", "port 99999"], "ingress": ["10.0.0", "1.2.3.4/33", "host"],
    "hostile": ["/nonexistent"], "workers": ["0", "65", "-1", "x", "2x", ""], "compression": ["0", "20", "fast"],
    "ring-size": ["x", "5Q", "-1"], "anchor-seed": ["x", "-1"], "group": ["nosuchgroup"], "user": ["nosuchuser"],
    "checkpoint-to": ["syslog:x", "syslog:", "unix:", "syslog:1.2.3.4:0"], "checkpoint-interval": ["0", "x", "90000"],
    "checksums": ["maybe", "ON"], "flows-max": ["0", "x", "100000000"], "set": ["FOO", "FOO=1", "vars.address-groups.X=["],
    "since": ["x", "2026-13-01", "-2y"], "until": ["x"], "format": ["pcapx"], "sid": ["x", "-1"], "community-id": ['a"b'],
    "limit": ["x", "-1"], "columns": ["colour"], "sort": ["colour", "time:up"], "count-by": ["colour"], "color": ["blue"],
    "alert": ["x", "a00000000o"], "body": ["x", "70000"], "around": ["x", "-1"],
    "key": ["12", "g" * 64], "threads": ["0", "x"], "reason": ["x" * 1001],
}
# Every text may be right: a name, a place, a switch.
ANY = {"help", "config", "store", "verbose", "signing-key", "rules", "strict", "eve", "rules-cache", "summary", "write", "statement",
       "require-complete", "explain", "bundle", "json", "watch", "checkpoint", "list", "midstream", "check", "follow",
       "wide"}


def options_of(command):
    done = run(*command.split(), "--help")
    assert done.returncode == 0 and done.stderr == "", done
    names = re.findall(r"^  (?:-., )?--([a-z-]+)", done.stdout, re.M)
    assert len(names) >= 3, done.stdout
    return names


def refused(arguments, *words):
    done = run(*arguments)
    assert done.returncode == 2, f"{arguments}: exit code {done.returncode}: {done.stderr}"
    assert done.stdout == "", f"{arguments}: {done.stdout}"
    for word in words:
        assert word in done.stderr, f"{arguments}: no '{word}' in: {done.stderr}"
    assert len(done.stderr.splitlines()) <= 2, done.stderr


def case_every_wrong_value(folder):
    seen = set()
    for command in COMMANDS:
        needed = [word for word in NEEDED.get(command, [])]
        for option in options_of(command):
            seen.add(option)
            assert (option in WRONG) != (option in ANY), f"{command} --{option}: add it to WRONG or to ANY"
            store = ["--store", folder] if "store" in options_of(command) and option != "store" else []
            for value in WRONG.get(option, []):
                others = [] if option in ("key", "source", "reason") else needed
                others = ["http"] if command == "search" else others
                refused([*command.split(), *store, *others, f"--{option}={value}"], f"--{option} {value[:20]}", f"gatetape {command}:")
    assert seen == set(WRONG) | ANY, seen ^ (set(WRONG) | ANY)


def case_unknown_and_missing(folder):
    for command in COMMANDS:
        words = command.split()
        for option in options_of(command):
            typo = option[:-2] + option[-1] + option[-2] + ("x" if len(option) > 5 else "")
            refused([*words, f"--{typo}"], f"unknown option '--{typo}'; did you mean '--{option}'?")
        refused([*words, "--zzzzzz"], "unknown option '--zzzzzz'\n", f"Try 'gatetape {command} --help'.")
    refused(["captrue"], "no such command: 'captrue'; did you mean 'capture'?")
    refused(["zzz"], "no such command: 'zzz'\n")
    refused(["rules", "tset"], "gatetape rules: no such command: 'tset'; did you mean 'test'?")
    refused(["search", "--store", folder, "flow"], "did you mean 'flows'?")
    refused(["capture"], "--source is missing")
    for command in ("extract", "stats", "search"):
        refused([command], "--store is missing")
    refused(["verify"], "--key is missing")
    refused(["verify", "--key", KEY], "--store DIR or --bundle DIR")
    refused(["stats", "--store"], "--store needs a value: DIR")
    refused(["stats", "--store", folder, "more"], "unexpected argument 'more'")
    refused(["extract", "--store", folder, "--since", "now", "--until", "-1h"], "--since", "is not before --until")
    source = ["capture", "--source", "pcap:-"]
    refused([*source, "--ring-size", "1G"], "--ring-size", "no --store")
    refused([*source, "--store", folder, "--ring-size", "5"], "--ring-size 5 B: expected at least 8.0 MiB")
    refused([*source, "--store", folder, "--ring-size", ""], "--ring-size: SIZE[,SIZE...] is missing")
    refused([*source, "--store", folder, "--ring-size", "1G,1G"], "--ring-size: 2 sizes for 1 directory")
    refused([*source, "--store", folder, "--signing-key", folder + "/key"], "must not lie in the store")
    assert os.listdir(folder) == []


def case_no_store(folder):
    """Directories that are no store are said to be none, by every command that reads one."""
    some = os.path.join(folder, "some")
    os.mkdir(some)
    write_pcap(os.path.join(some, "a.pcap"))
    for place, words in ((folder, "is not a Gatetape store"), (some, "is not a Gatetape store"),
                         (folder + "/none", "No such file or directory")):
        for command in ("stats", "extract", "search http", "show a7k3m9q2xd", "pin --list", "pin --reason x tcp", "unpin --reason x", f"verify --key {KEY}"):
            done = run(*command.split(), "--store", place)
            assert done.returncode == 1 and f"{place}" in done.stderr and words in done.stderr, (command, done)
            assert done.stdout == "" and len(done.stderr.splitlines()) == 1, (command, done)


def case_places_are_named_as_given(folder):
    """Files that cannot be written, by the name that their user gave; and one packet is not 'packets'."""
    pcap, store = os.path.join(folder, "a.pcap"), os.path.join(folder, "store")
    write_pcap(pcap, 1)
    done = run("capture", "--source", f"pcap:{pcap}", "--store", store)
    assert done.returncode == 0, done
    for arguments in (["-w", "/nonexistent/x"], ["-w", os.path.join(folder, "y"), "--statement", "/nonexistent/x"]):
        done = run("extract", "--store", store, *arguments)
        assert done.returncode == 1 and "/nonexistent/x: No such file or directory" in done.stderr, done
    assert "1 packet, " in done.stderr, done
    for arguments in (["--eve", "/nonexistent/x"], ["--summary", "/nonexistent/x"], ["--rules", "/nonexistent/x"],
                      ["--signing-key", "/dev/null/nonexistent/x/key"]):
        done = run("capture", "--source", f"pcap:{pcap}", "--store", os.path.join(folder, "other"), *arguments)
        assert done.returncode == 1 and "/nonexistent/x" in done.stderr, (arguments, done)
    closed = os.path.join(folder, "closed")  # a place that cannot be looked at is not where the key lies
    os.mkdir(closed, 0o000)
    os.chmod(folder, 0o755)
    become_nobody = (lambda: (os.setgroups([]), os.setgid(65534), os.setuid(65534))) if os.geteuid() == 0 else None
    done = run("capture", "--source", f"pcap:{pcap}", "--store", closed + "/x", "--signing-key", closed + "/key",
               preexec_fn=become_nobody)
    assert done.returncode == 1 and f"{closed}/key" in done.stderr and "Permission denied" in done.stderr, done
    fingerprint = run("key", "show").stdout.split()[1]
    done = run("verify", "--store", store, "--key", fingerprint)
    assert done.returncode == 0 and "1 packet (" in done.stdout and "1 entries" not in done.stdout, done
    words = run("stats", "--store", store)
    assert words.returncode == 0 and not re.search(r"\b1 (packets|alerts|rules|frames|segments|records)\b", words.stdout), words


def case_help(folder):
    """Help fits 80 columns, but for examples, says 'usage:' and has no character beyond ASCII."""
    for command in ["", "rules", "key", *COMMANDS]:
        done = run(*command.split(), "--help")
        assert done.returncode == 0 and done.stdout.startswith(f"usage: gatetape {command}".rstrip() + " "), done
        assert done.stdout.isascii(), [c for c in done.stdout if ord(c) > 127]
        wide = [line for line in done.stdout.split("\nExamples:")[0].splitlines() if len(line) > 80 and " " in line.strip()]
        assert not wide, wide
        assert run(*command.split(), "-h").stdout == done.stdout
    assert run("extract", "--store", "--nonsense", "--help").returncode == 0
    assert "socket" in run("capture", "--help").stdout


run_cases(globals())
