#!/usr/bin/env python3
"""Measures Gatetape against the figures that DESIGN.md aims for, and prints them as a table.

Times are run_seconds on one CPU, relative to `zstd -1 --long=27 --single-thread -q -c PCAP >/dev/null` on the same CPU in
the same run: the price of compressing the capture once. Each figure is the median of several runs, made in turn.

Captures are made once, with real nginx and wrk in network namespaces (needs root), and kept in --dir; so are the raw
figures of the last run, as results.json.
"""
import argparse
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from measure import Bench, Failed, directory_bytes, drop_from_page_cache, read_through
from traffic import Missing, Traffic

SLOW_CONNECTION = "host 10.9.7.7 and port 40123"

# name: (what the table calls it, {traffic: (must, aim)}), relative to zstd
WORKS = {
    "decode": ("decode + reassemble + HTTP parse, no rules, nothing stored", {"repeat": (0.5, 0.3), "unique": (0.22, 0.15)}),
    "detect": ("the same, plus ET detection", {"repeat": (1.1, 0.7), "unique": (0.7, 0.4)}),
    "store": ("store + index only", {"repeat": (0.8, 0.35), "unique": (1.0, 0.8)}),
    "everything": ("everything: ET detection, EVE records, compressed and indexed store",
                   {"repeat": (1.7, 0.9), "unique": (1.6, 1.1)}),
}
SIZES = {"repeat": (4.5, 8), "unique": (2.7, 3.3), "proxy": (4, 7)}
LINES = [*WORKS, "size", "tls", "load", "extract", "workers", "flows", "rules"]


class Table:
    def __init__(self, quick):
        self.rows, self.quick = [], quick

    def add(self, work, traffic, measured, unit, must, aim, at_most=True):
        """`unit` is a format with one field for a figure; no figure (None) stands as a dash."""
        met = "yes" if (measured <= must if at_most else measured >= must) else "**no**"
        texts = [unit.format(value) for value in (measured, must, aim)]
        sign = "≤ " if at_most else "≥ "
        self.rows.append([work, traffic, texts[0], sign + texts[1], texts[2], "–" if self.quick else met])

    def missing(self, work, traffic, why):
        self.rows.append([work, traffic, f"not measured: {why}", "", "", ""])

    def markdown(self):
        head = ["work", "traffic", "measured", "must", "aim", "met"]
        return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *self.rows])


def work_arguments(name, capture, bench, rules):
    source = ["--source", f"pcap:{capture}"]
    if name == "decode":
        return ["capture", *source]
    if name == "detect":
        return ["rules", "test", "--rules", rules, capture]
    if name == "store":
        return ["capture", *source, "--store", bench.fresh_store()]
    eve = bench.scratch / "eve.json"
    eve.unlink(missing_ok=True)
    return ["capture", *source, "--store", bench.fresh_store(), "--rules", rules, "--eve", eve]


def measure_works(bench, traffic, table, names, mode):
    """Measures one column of the first table: every work against zstd, in turn, and the size of the last run's store."""
    capture = traffic.capture(mode)
    read_through(capture)
    rules = traffic.rules() if {"detect", "everything"} & set(names) else None
    sizes = {}

    def gatetape(name):
        summary = bench.run_gatetape(f"{name}.{mode}", work_arguments(name, capture, bench, rules))
        if name in ("store", "everything"):
            sizes[name] = directory_bytes(bench.store)
        return summary["run_seconds"]

    works = {name: lambda name=name: gatetape(name) for name in names}
    medians = bench.in_turn({"zstd": lambda: bench.zstd(capture), **works})
    for name in names:
        title, figures = WORKS[name]
        if mode in figures:
            table.add(title, mode, medians[name] / medians["zstd"], "{:.2f}", *figures[mode])
    for name, size in sizes.items():
        title = "stored size, index included" + (", with all records" if name == "everything" else "")
        table.add(title, mode, capture.stat().st_size / size, "1 : {:.1f}", *SIZES[mode], at_most=False)
        bench.raw.append({"what": f"size.{name}.{mode}", "pcap_bytes": capture.stat().st_size, "stored_bytes": size})


def line_works(bench, traffic, table, chosen):
    names = [name for name in WORKS if name in chosen]
    wants_size = "size" in chosen
    for mode in ("repeat", "unique"):
        measured = names if not wants_size or "store" in names else names + ["store"]
        if measured:
            attempt(table, "the first table", mode, lambda m=mode, n=measured: measure_works(bench, traffic, table, n, m))
    if wants_size:
        attempt(table, "stored size", "proxy", lambda: measure_works(bench, traffic, table, ["store"], "proxy"))


def line_tls(bench, traffic, table):
    """Measures traffic that neither repeats nor compresses, against plain zstd, which notices that quickly."""
    capture = traffic.capture("tls")
    read_through(capture)

    def store():
        return bench.run_gatetape("store.tls", work_arguments("store", capture, bench, None))["run_seconds"]

    medians = bench.in_turn({"zstd": lambda: bench.zstd(capture, window=None), "store": store})
    table.add("store + index only, against zstd -1 without a long window", "tls", medians["store"] / medians["zstd"], "{:.2f}",
              1.0, 1.0)
    table.add("stored size, index included", "tls", capture.stat().st_size / directory_bytes(bench.store), "1 : {:.2f}", 1.0, 1.07,
              at_most=False)


def line_load(bench, traffic, table):
    """Loads the rules twice, over a tiny capture: without a cache, and with the cache that the first run left."""
    rules, capture = traffic.rules(), Traffic(traffic.directory, 1, quick=True).capture("repeat")
    cache = bench.scratch / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    seconds = []
    for _ in range(2):
        os.environ["XDG_CACHE_HOME"] = str(cache)
        summary = bench.run_gatetape("load", ["rules", "test", "--rules", rules, capture])
        seconds.append(summary["load_seconds"])
    table.add("ET loaded, cold", "–", seconds[0], "{:.1f} s", 4, 2)
    table.add("ET loaded, cached", "–", seconds[1], "{:.1f} s", 1, 0.3)


def line_extract(bench, traffic, table, large):
    """Adds a connection with one request per second to a capture and extracts that connection alone, from a cold cache."""
    if large:
        capture = traffic.capture("repeat", seconds=130)
        reader = subprocess.Popen([sys.executable, Path(__file__).with_name("synthetic.py"), "slow", capture, "-"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        bench.run_gatetape("extract.store", ["capture", "--source", "pcap:-", "--store", bench.fresh_store()],
                           stdin=reader.stdout)
        inserted = int(reader.communicate()[1])
    else:
        capture = traffic.with_slow_connection(traffic.capture("repeat"))
        bench.run_gatetape("extract.store", ["capture", "--source", f"pcap:{capture}", "--store", bench.fresh_store()])
        inserted = None
    out = bench.scratch / "slow.pcap"
    seconds = []
    for _ in range(max(bench.runs, 3)):
        drop_from_page_cache(bench.store)
        seconds.append(bench.run([bench.gatetape, "extract", "--store", bench.store, SLOW_CONNECTION, "-w", out,
                                  "--format", "pcap"], cpus=len(bench.cpus)))
    bench.raw.append({"what": "extract", "seconds": seconds, "capture_bytes": capture.stat().st_size})
    extracted = count_packets(out)
    if extracted == 0 or inserted not in (None, extracted):
        raise Failed(f"extract: {extracted} packets instead of {inserted or 'some'}")
    size = f"{capture.stat().st_size / 1e9:.2g} GB"
    title = f"extract one connection that spans a {size} capture, cold" + ("" if large else " (scaled; --large: 10 GB)")
    table.add(title, "repeat", statistics.median(seconds), "{:.2f} s", 0.5, 0.1)


def count_packets(path):
    with open(path, "rb") as file:
        data = file.read()
    at, packets = 24, 0
    while at + 16 <= len(data):
        at += 16 + int.from_bytes(data[at + 8:at + 12], "little")
        packets += 1
    return packets


def line_workers(bench, traffic, table):
    if len(bench.cpus) < 2:
        raise Missing("this machine gives us one CPU")
    capture, rules = traffic.capture("repeat"), traffic.rules()
    read_through(capture)

    def with_workers(count):
        arguments = [*work_arguments("everything", capture, bench, rules), "--workers", count]
        return bench.run_gatetape(f"workers.{count}", arguments, cpus=count)["run_seconds"]

    medians = bench.in_turn({1: lambda: with_workers(1), 2: lambda: with_workers(2)})
    table.add("work of two workers on two CPUs against one on one", "repeat", medians[1] / medians[2], "{:.2f}", 1.9, 2.0,
              at_most=False)


def line_flows(bench, traffic, table):
    few, many = 1000, 1_000_000

    def with_flows(capture):
        read_through(capture)
        return bench.run_gatetape("flows", ["capture", "--source", f"pcap:{capture}"])["run_seconds"]

    medians = bench.in_turn({count: lambda c=traffic.flows(count): with_flows(c) for count in (few, many)})
    table.add("cost per packet, a million concurrent flows against a thousand", "short flows", medians[many] / medians[few],
              "{:.2f}", 1.3, 1.0)


def line_rules(bench, traffic, table):
    capture, rules = traffic.capture("repeat"), traffic.rules()
    read_through(capture)
    some = bench.scratch / "hundred.rules"
    with open(rules, encoding="utf-8", errors="replace") as lines:
        active = [line for line in lines if line.startswith("alert http ")]
    # The rules are spread over the whole set, so that all kinds are among them.
    some.write_text("".join(active[::max(1, len(active) // 100)][:100]))

    def with_rules(path):
        return bench.run_gatetape(f"rules.{path.name}", ["rules", "test", "--rules", path, capture])["run_seconds"]

    medians = bench.in_turn({"some": lambda: with_rules(some), "all": lambda: with_rules(rules)})
    table.add("cost per packet, all of ET against a hundred rules", "repeat", medians["all"] / medians["some"], "{:.2f}", 2.0, 1.0)


def attempt(table, line, traffic, work):
    """Measures a line. One that cannot be measured, or fails, stands in the table with its reason; the others go on."""
    print(f"bench: {line} ({traffic})", file=sys.stderr)
    try:
        work()
        return
    except Missing as missing:
        table.missing(line, traffic, str(missing))
    except (Failed, subprocess.SubprocessError, OSError, KeyError, ValueError) as error:
        table.missing(line, traffic, f"FAILED: {error}")


def profile(bench, traffic, line):
    """Prints where one work spends its time: perf's top symbols."""
    name, _, mode = line.partition(".")
    if name not in WORKS:
        raise SystemExit(f"bench: --profile {line}: expected one of {', '.join(WORKS)}, with .repeat or .unique")
    capture = traffic.capture(mode or "repeat")
    data = bench.scratch / "perf.data"
    arguments = work_arguments(name, capture, bench, traffic.rules() if name in ("detect", "everything") else None)
    record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "997", "-g", "-o", data, "--", bench.gatetape, *arguments]
    try:
        bench.run(record)
        report = ["perf", "report", "-i", data, "--stdio", "--no-children", "-g", "none", "--percent-limit", "0.5"]
        print(subprocess.run(report, check=True, capture_output=True, text=True).stdout)
    except (FileNotFoundError, Failed, subprocess.SubprocessError) as error:
        raise SystemExit(f"bench: perf cannot be used here ({error}); scripts/setup.sh --all installs it, and "
                         f"'valgrind --tool=callgrind gatetape {' '.join(map(str, arguments))}' needs no kernel support")


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "unknown")
    revision = subprocess.run(["git", "-C", Path(__file__).parent, "describe", "--always", "--dirty"], check=False,
                              capture_output=True, text=True).stdout.strip()
    return {"cpu": model, "cpus": len(os.sched_getaffinity(0)), "kernel": platform.release(), "revision": revision,
            "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "load_average": os.getloadavg()[0]}


def parse_options():
    parser = argparse.ArgumentParser(prog="bench.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "gatetape-bench"
    parser.add_argument("--gatetape", required=True, help="the program (bench.sh builds and adds it)")
    parser.add_argument("--dir", type=Path, default=Path(os.environ.get("BENCH_DIR", cache)),
                        help="captures and results (default: $BENCH_DIR or %(default)s)")
    parser.add_argument("--seconds", type=int, default=int(os.environ.get("BENCH_SECONDS", "10")),
                        help="of traffic per capture (default: $BENCH_SECONDS or 10)")
    parser.add_argument("--runs", type=int, default=3, help="of each work (default: 3)")
    parser.add_argument("--timeout", type=int, default=1800, help="seconds for one run (default: 1800)")
    parser.add_argument("--large", action="store_true", help="extract from 10 GB instead of the usual capture")
    parser.add_argument("--quick", action="store_true",
                        help="tiny synthetic traffic, one run: shows that everything works; the figures mean nothing")
    parser.add_argument("--profile", metavar="WORK[.TRAFFIC]", help="show where the time goes instead, e.g. store.unique")
    parser.add_argument("lines", nargs="*", metavar="LINE", help=f"of {', '.join(LINES)} (default: all)")
    options = parser.parse_args()
    unknown = set(options.lines) - set(LINES)
    if unknown:
        parser.error(f"no such line: {', '.join(sorted(unknown))}")
    return options


def main():
    options = parse_options()
    chosen = options.lines or LINES
    bench = Bench(options.gatetape, options.dir / "scratch", 1 if options.quick else options.runs, options.timeout)
    traffic = Traffic(options.dir, options.seconds, options.quick)
    if options.profile:
        profile(bench, traffic, options.profile)
        return 0
    about, table = machine(), Table(options.quick)
    line_works(bench, traffic, table, chosen)
    rest = {
        "tls": ("store", "tls", lambda: line_tls(bench, traffic, table)),
        "load": ("ET loaded", "–", lambda: line_load(bench, traffic, table)),
        "extract": ("extract one connection", "repeat", lambda: line_extract(bench, traffic, table, options.large)),
        "workers": ("two workers", "repeat", lambda: line_workers(bench, traffic, table)),
        "flows": ("a million flows", "short flows", lambda: line_flows(bench, traffic, table)),
        "rules": ("all of ET against a hundred rules", "repeat", lambda: line_rules(bench, traffic, table)),
    }
    for name, (title, mode, work) in rest.items():
        if name in chosen:
            attempt(table, title, mode, work)
    bench.fresh_store()
    results = options.dir / ("quick-results.json" if options.quick else "results.json")
    results.write_text(json.dumps({"machine": about, "seconds": options.seconds, "runs": bench.runs, "rows": table.rows,
                                   "raw": bench.raw}, indent=1))
    print(f"{about['cpu']}, {about['cpus']} CPUs, Linux {about['kernel']}, {about['revision']}, {about['time']}")
    if options.quick:
        print("--quick: this shows that the benchmark works; its figures mean nothing")
    print(f"\n{table.markdown()}\n\nraw figures: {results}")
    return 1 if any("FAILED" in row[2] for row in table.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
