#!/usr/bin/env python3
"""Sums up 'meson test' logs: what was skipped and why, what failed, and the counts on a line of their own.

usage: test_summary.py TESTLOG.json...    exits with 1 when a test failed or none ran
"""
import json
import sys

PASSED = {"OK", "EXPECTEDFAIL"}


def read_log(path):
    """Reads a log, one JSON object per line. A missing log counts as no tests, which fails below."""
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            return [json.loads(line) for line in log if line.strip()]
    except FileNotFoundError:
        print(f"failed: no test log {path}")
        return []


def skip_lines(test):
    """Lines in which a test says what it left out: 'skipped: REASON'."""
    lines = (test.get("stdout") or "").splitlines() + (test.get("stderr") or "").splitlines()
    return list(dict.fromkeys(line.strip() for line in lines if line.strip().lower().startswith("skipped")))


def main(paths):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    complete = True
    for path in paths:
        tests = read_log(path)
        complete = complete and bool(tests)
        for test in tests:
            name = test["name"].rsplit(" / ", 1)[-1]
            if test["result"] in PASSED:
                counts["passed"] += 1
                for line in skip_lines(test):
                    print(f"{name}: in part {line}")
            elif test["result"] == "SKIP":
                counts["skipped"] += 1
                print(f"{name}: {'; '.join(skip_lines(test)) or 'skipped, without a reason given'}")
            else:
                counts["failed"] += 1
                print(f"{name}: failed ({test['result'].lower()}, {test['duration']:.1f} s)")
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
    return 1 if counts["failed"] or not complete else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
