#!/usr/bin/env python3
"""Compares two builds of Gatetape on the same captures, in turn: what a change costs, and what it saves.

Times are medians of run_seconds on one CPU; before and after alternate, so that a busy neighbour meets both. Where
repeats are looked for is the same in both (--anchor-seed), so sizes differ only by what the change does. With
--instructions a short capture is run under callgrind instead: slow, and exact to a few per mille on a busy machine.

usage: compare.py [options] BEFORE AFTER        BEFORE and AFTER are two gatetape programs
"""
import argparse
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from bench import WORKS, work_arguments
from measure import Bench, directory_bytes, read_through
from traffic import Missing, Traffic

SEED = "1"


class Build:
    """One of the two programs, and what was measured of it."""

    def __init__(self, program, scratch, timeout):
        self.bench = Bench(program, scratch, 1, timeout)
        said = subprocess.run([program, "capture", "--help"], stdout=subprocess.PIPE, check=True, text=True).stdout
        self.seeded = ["--anchor-seed", SEED] if "--anchor-seed" in said else []

    def arguments(self, work, capture, rules):
        arguments = [str(word) for word in work_arguments(work, capture, self.bench, rules)]
        return arguments + (self.seeded if "--store" in arguments else [])

    def seconds(self, work, capture, rules):
        return self.bench.run_gatetape(work, self.arguments(work, capture, rules))["run_seconds"]

    def instructions(self, work, capture, rules):
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", self.bench.gatetape,
                   *self.arguments(work, capture, rules)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
        return int(re.search(r"Collected : (\d+)", done.stderr)[1])

    def stored_bytes(self, work, capture):
        stored = directory_bytes(self.bench.store) if work in ("store", "everything") else 0
        return capture.stat().st_size / stored if stored else None


def row(work, mode, before, after, unit):
    ratio = after / before
    return f"| {work} | {mode} | {unit.format(before)} | {unit.format(after)} | {100 * (ratio - 1):+.1f} % |"


def compare(builds, work, mode, capture, rules, options):
    read_through(capture)
    if options.instructions:
        counts = [build.instructions(work, capture, rules) / 1e6 for build in builds]
        yield row(work, mode, *counts, "{:.0f} M instructions")
    else:
        seconds = ([], [])
        for _ in range(options.runs):
            for times, build in zip(seconds, builds):
                times.append(build.seconds(work, capture, rules))
        yield row(work, mode, *map(statistics.median, seconds), "{:.3f} s")
    ratios = [build.stored_bytes(work, capture) for build in builds]
    if all(ratios):
        yield row(f"{work}: size", mode, *ratios, "1 : {:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--dir", default="/tmp/gatetape-bench", help="where captures and stores are kept (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=10, help="of traffic (default %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="of each build and work (default %(default)s)")
    parser.add_argument("--works", default=",".join(WORKS), help="default %(default)s")
    parser.add_argument("--modes", default="repeat,unique", help="of traffic: repeat, unique, proxy, tls (default %(default)s)")
    parser.add_argument("--instructions", action="store_true", help="count instructions with callgrind, on small made-up captures")
    options = parser.parse_args()
    if options.instructions and shutil.which("valgrind") is None:
        sys.exit("compare: --instructions needs valgrind")
    traffic = Traffic(options.dir, options.seconds, options.instructions)
    builds = [Build(program, Path(options.dir) / name, 3600)
              for program, name in ((options.before, "before"), (options.after, "after"))]
    print("| work | traffic | before | after | change |\n| --- | --- | --- | --- | --- |")
    for work in options.works.split(","):
        for mode in options.modes.split(","):
            try:
                rules = traffic.rules() if work in ("detect", "everything") else None
                for line in compare(builds, work, mode, traffic.capture(mode), rules, options):
                    print(line, flush=True)
            except Missing as why:
                print(f"| {work} | {mode} | not measured: {why} | | |")


if __name__ == "__main__":
    main()
