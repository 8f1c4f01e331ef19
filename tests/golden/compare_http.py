#!/usr/bin/env python3
"""Holds the HTTP log (EVE JSON) against what tshark reads from the same capture: method, host, URI and status of every
completed transaction.

usage: compare_http.py REQUESTS RESPONSES EVE      tab-separated fields of tshark, see sample.sh
"""
import collections
import json
import sys


def from_tshark(requests, responses):
    status = {}
    with open(responses, encoding="utf-8") as file:
        for line in file:
            request_frame, code = line.rstrip("\n").split("\t")
            status[request_frame] = int(code)
    seen = collections.Counter()
    with open(requests, encoding="utf-8") as file:
        for line in file:
            frame, port, method, host, uri = line.rstrip("\n").split("\t")
            if frame in status:
                seen[(int(port), method, host, uri, status[frame])] += 1
    return seen


def from_eve(path):
    seen = collections.Counter()
    with open(path, encoding="utf-8") as file:
        for line in file:
            event = json.loads(line)
            if event["event_type"] != "http" or not event["gatetape"]["complete"]:
                continue
            http = event["http"]
            seen[(event["src_port"], http["http_method"], http["hostname"], http["url"], http["status"])] += 1
    return seen


def main(requests, responses, eve):
    theirs, ours = from_tshark(requests, responses), from_eve(eve)
    print(f"completed transactions: tshark {theirs.total()}, ours {ours.total()}")
    for who, only in (("tshark", theirs - ours), ("we", ours - theirs)):
        if only:
            print(f"WRONG: only {who} saw {only.total()} of them: {list(only)[:3]}")
    return 0 if theirs and theirs == ours else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
