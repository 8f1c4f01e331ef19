#!/usr/bin/env python3
"""Runs the public conformance cases through `gatetape rules test` and compares what it alerts with what Suricata did.

A case passes when the alerts per signature id equal the reference's and every expected alert and HTTP event is there
as often as it should be. A case whose rules are not all supported is not applicable, and listed with the reason.
The number of passes per group may not fall below floor.json; --update-floor raises it.
"""

import argparse
import collections
import concurrent.futures
import ipaddress
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FLOOR = HERE / "floor.json"

# Fields of Suricata's EVE that depend on how it is built or configured, and that Gatetape does not write.
NOT_COMPARED = re.compile(r"^(pcap_cnt|payload|payload_printable|packet|packet_info|stream|verdict|pkt_src|direction|"
                          r"files|tx_id|traffic|alert\.xff|metadata|alert$|http$|has-key|not-has-key|capture_file|ether|ip_v|app_proto|flow\b)")
COMPARED_EVENTS = ("alert", "http")


def find_shared(argument):
    for candidate in (argument, os.environ.get("GATETAPE_SHARED"), ROOT.parent / "shared"):
        if candidate and (pathlib.Path(candidate) / "conformance" / "index.json").is_file():
            return pathlib.Path(candidate)
    return None


def field_of(event, path):
    """The value at "alert.signature_id" or "dns.queries[0].rrname"; None when it is not there."""
    value = event
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, list):
            value = value[int(step)] if step.isdigit() and int(step) < len(value) else None
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value


def same(wanted, got):
    if isinstance(wanted, str) and isinstance(got, str) and ":" in wanted:
        try:  # the same address may be written in several ways
            return ipaddress.ip_address(wanted) == ipaddress.ip_address(got)
        except ValueError:
            pass
    return wanted == got or str(wanted) == str(got)


def matches(event, expectation):
    return all(same(wanted, field_of(event, path))
               for path, wanted in expectation["match"].items() if not NOT_COMPARED.match(path))


def often_enough(count, expectation):
    """Where a field cannot be compared, events may match that the expectation does not mean."""
    if any(NOT_COMPARED.match(path) for path in expectation["match"]):
        return count >= expectation["count"]
    return count == expectation["count"]


class Case:
    def __init__(self, path):
        self.path = path
        self.facts = json.loads((path / "case.json").read_text())
        self.group = self.facts["group"]
        self.name = f"{self.group}/{path.name}"
        self.rules = path / "test.rules"
        if self.rules.is_file() and not self.rules.read_text(errors="replace").strip():
            self.rules = None
        elif not self.rules.is_file():
            self.rules = None


def unsupported(gatetape, rules):
    """Returns the reasons why rules of this file do not load; empty when all load."""
    done = subprocess.run([gatetape, "rules", "check", "--json", str(rules)], capture_output=True, text=True, timeout=60)
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        return [f"rules check failed: {done.stderr.strip()[:100]}"]
    return sorted({problem.get("keyword") or problem["message"][:60] for problem in report["problems"]
                   if problem["kind"] != "duplicate"})


def run_case(gatetape, case):
    """(verdict, detail): verdict is "passed", "failed" or "not applicable"."""
    if "reference_error" in case.facts:
        return "not applicable", "Suricata refuses it"
    if case.rules is not None:
        reasons = unsupported(gatetape, case.rules)
        if reasons:
            return "not applicable", "unsupported: " + ", ".join(reasons)
    wanted_events = [e for e in case.facts["expect"] if e["event_type"] in COMPARED_EVENTS]
    if case.rules is None and not wanted_events:
        return "not applicable", "nothing to compare"
    with tempfile.TemporaryDirectory(prefix="gatetape-conformance-") as scratch:
        eve = pathlib.Path(scratch) / "eve.json"
        command = [gatetape, "rules", "test", "--eve", str(eve), "--checksums", case.facts["checksum"]]
        if case.rules is not None:
            command += ["--rules", str(case.rules)]
        if case.facts["midstream"]:
            command.append("--midstream")
        command.append(str(case.path / "input.pcap"))
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        except subprocess.TimeoutExpired:
            return "failed", "timed out"
        if done.returncode != 0:
            return "failed", f"exit code {done.returncode}: {done.stderr.strip()[-200:]}"
        events = [json.loads(line) for line in eve.read_text(errors="replace").splitlines()] if eve.exists() else []

    problems = []
    if "reference_alerts" in case.facts:
        got = collections.Counter(str(e["alert"]["signature_id"]) for e in events if e["event_type"] == "alert")
        wanted = case.facts["reference_alerts"]
        problems += [f"sid {sid}: {got.get(sid, 0)} alerts instead of {wanted.get(sid, 0)}"
                     for sid in sorted(set(got) | set(wanted)) if got.get(sid, 0) != wanted.get(sid, 0)]
    for expectation in wanted_events:
        count = sum(1 for e in events if e["event_type"] == expectation["event_type"] and matches(e, expectation))
        if not often_enough(count, expectation) and not problems:
            problems.append(f"{count} {expectation['event_type']} events instead of {expectation['count']} with "
                            f"{json.dumps(expectation['match'])[:160]}")
    return ("failed", "; ".join(problems)) if problems else ("passed", "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gatetape", default=str(ROOT / "build" / "gatetape"))
    parser.add_argument("--shared", help="the folder that holds conformance/ (else $GATETAPE_SHARED, else ../shared)")
    parser.add_argument("--group", action="append", help="only these groups, as in --group G1 --group G2")
    parser.add_argument("--case", help="only cases whose name contains this")
    parser.add_argument("--verbose", action="store_true", help="list every case that did not pass, with the reason")
    parser.add_argument("--update-floor", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()

    shared = find_shared(options.shared)
    if shared is None:
        print("skipped: no conformance cases (looked for ../shared/conformance and $GATETAPE_SHARED)")
        return 77  # what meson takes for "skipped"
    cases = [Case(path.parent) for path in sorted((shared / "conformance").glob("G*/*/case.json"))]
    if options.group:
        cases = [c for c in cases if c.group in options.group]
    if options.case:
        cases = [c for c in cases if options.case in c.name]

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        verdicts = list(pool.map(lambda c: run_case(options.gatetape, c), cases))

    table = collections.defaultdict(collections.Counter)
    reasons = collections.Counter()
    for case, (verdict, detail) in zip(cases, verdicts):
        table[case.group][verdict] += 1
        if verdict == "not applicable":
            reasons.update(detail.removeprefix("unsupported: ").split(", "))
        if options.verbose and verdict != "passed":
            print(f"{verdict:15} {case.name}: {detail}")
    print(f"{'group':6} {'passed':>7} {'failed':>7} {'not applicable':>15}")
    for group, counts in sorted(table.items()):
        print(f"{group:6} {counts['passed']:7} {counts['failed']:7} {counts['not applicable']:15}")
    if reasons:
        print("not applicable because of: " + ", ".join(f"{reason} ({n})" for reason, n in reasons.most_common(25)))

    if options.case:
        return 0 if all(verdict != "failed" for verdict, _ in verdicts) else 1
    floor = json.loads(FLOOR.read_text()) if FLOOR.exists() else {}
    if options.update_floor:
        for group, counts in table.items():
            floor[group] = max(floor.get(group, 0), counts["passed"])
        FLOOR.write_text(json.dumps(dict(sorted(floor.items())), indent=2) + "\n")
    below = [f"{group}: {counts['passed']} passed, the floor is {floor[group]}"
             for group, counts in sorted(table.items()) if counts["passed"] < floor.get(group, 0)]
    for line in below:
        print("below the floor: " + line)
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
