"""Runs gatetape and zstd on chosen CPUs, several times in turn, and keeps every figure."""
import json
import os
import resource
import shutil
import statistics
import subprocess
import time
from pathlib import Path


class Failed(Exception):
    """A run that did not do its work: its time means nothing."""


def drop_from_page_cache(directory):
    """Makes the next read of these files come from the disk."""
    for path in Path(directory).rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def read_through(path):
    """Brings a file into the page cache, so that every run starts from the same."""
    with open(path, "rb") as file:
        while file.read(1 << 24):
            pass


def children_cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def directory_bytes(directory):
    return sum(path.stat().st_size for path in Path(directory).rglob("*") if path.is_file())


class Bench:
    def __init__(self, gatetape, scratch, runs, timeout):
        self.gatetape, self.scratch, self.runs, self.timeout = str(gatetape), Path(scratch), runs, timeout
        self.cpus = sorted(os.sched_getaffinity(0))
        self.raw = []  # one entry per run, in the order they were made
        self.cpu_seconds = 0.0  # of the last run: much less than its wall time means that the machine was busy otherwise
        self.scratch.mkdir(parents=True, exist_ok=True)

    @property
    def store(self):
        return self.scratch / "store"

    def fresh_store(self):
        shutil.rmtree(self.store, ignore_errors=True)
        return self.store

    def run(self, command, cpus=1, stdin=None, expect=(0,)):
        """Runs a command on the first `cpus` CPUs; returns wall seconds."""
        pinned = ["taskset", "-c", ",".join(map(str, self.cpus[:cpus])), *map(str, command)]
        start, cpu_before = time.monotonic(), children_cpu_seconds()
        done = subprocess.run(pinned, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              timeout=self.timeout, check=False)
        seconds = time.monotonic() - start
        self.cpu_seconds = children_cpu_seconds() - cpu_before
        if done.returncode not in expect:
            raise Failed(f"{' '.join(map(str, command))}: exit code {done.returncode}: "
                         f"{done.stderr.decode(errors='replace').strip()[-500:]}")
        return seconds

    def zstd(self, capture, window=27):
        """Seconds to compress it once; `window`: with a sliding one of 2 to that power bytes, None: zstd's own."""
        long = [] if window is None else [f"--long={window}"]
        seconds = self.run(["zstd", "-1", *long, "--single-thread", "-q", "-c", capture])
        self.raw.append({"what": "zstd", "input": str(capture), "window": window, "seconds": seconds,
                         "cpu_seconds": self.cpu_seconds})
        return seconds

    def run_gatetape(self, what, arguments, cpus=1, stdin=None):
        """Runs gatetape with --summary and returns the summary, checked: a run that lost packets is no measurement."""
        summary_file = self.scratch / "summary.json"
        summary_file.unlink(missing_ok=True)
        command = [self.gatetape, *arguments, "--summary", summary_file]
        wall = self.run(command, cpus, stdin)
        summary = json.loads(summary_file.read_text())
        self.raw.append({"what": what, "arguments": [str(word) for word in arguments], "cpus": cpus, "wall_seconds": wall,
                         "cpu_seconds": self.cpu_seconds, "summary": summary})
        dropped = sum(summary["account"]["dropped"].values())
        if dropped or not summary["account"]["balances"]:
            raise Failed(f"{what}: {dropped} packets dropped, balances: {summary['account']['balances']}")
        return summary

    def in_turn(self, works):
        """Runs each of `works` ({name: function -> seconds}) in turn, `runs` times; returns the median of each."""
        seconds = {name: [] for name in works}
        for _ in range(self.runs):
            for name, work in works.items():
                seconds[name].append(work())
        return {name: statistics.median(values) for name, values in seconds.items()}
