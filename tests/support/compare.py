#!/usr/bin/env python3
"""Compares the sensor's output with what others saw. Prints differences and then exits with 1.

usage: compare.py account SUMMARY --offered N [--offered-max N]    nothing missed, dropped or in flight; sums are right
       compare.py http ACCESS_LOG EVE --answers N                  nginx's log, request by request
       compare.py packets WITNESS EXTRACT [--until SECONDS] [--tolerance SECONDS]
           same packets, bytes, order and times; with --until, EXTRACT may end early, but not before that time
"""
import argparse
import collections
import json
import struct
import sys


def read_pcap(path):
    """Returns the packets of a classic pcap as (nanoseconds, wire length, bytes)."""
    with open(path, "rb") as file:
        data = file.read()
    factors = {b"\xd4\xc3\xb2\xa1": ("<", 1000), b"\x4d\x3c\xb2\xa1": ("<", 1)}
    order, factor = factors[data[:4]]
    packets, at = [], 24
    while at + 16 <= len(data):
        seconds, fraction, length, wire = struct.unpack_from(order + "IIII", data, at)
        packets.append((seconds * 10**9 + fraction * factor, wire, data[at + 16:at + 16 + length]))
        at += 16 + length
    return packets


def check_account(options):
    with open(options.summary, encoding="utf-8") as file:
        summary = json.load(file)
    account, ports = summary["account"], summary["account"]["ports"]
    offered_max = options.offered_max or options.offered
    filtered, dropped = sum(account["filtered"].values()), sum(account["dropped"].values())
    yield options.offered <= ports["offered"] <= offered_max, f"offered {ports['offered']}, sent {options.offered} to {offered_max}"
    yield ports["missed"] == 0, f"missed {ports['missed']} at a rate that should be easy"
    yield ports["offered"] == ports["missed"] + ports["received"], "offered is not missed + received"
    yield account["received"] == ports["received"], "the workers did not get what the port received"
    yield dropped == 0, f"dropped {account['dropped']}"
    yield account["in_flight"] == 0, f"{account['in_flight']} still in flight after the end"
    settled = account["stored"] + account["duplicate"] + account["cut"] + filtered
    yield account["received"] == settled, f"received {account['received']}, settled {settled}"
    yield account["stored"] > 0, "nothing was stored"
    yield account["balances"] and account["balances_with_ports"], "the account itself says that it does not balance"
    print(f"account: offered {ports['offered']}, stored {account['stored']}, filtered {filtered}")


def check_http(options):
    with open(options.access_log, encoding="utf-8") as file:
        fields = [line.rstrip("\n").split("\t") for line in file]
    logged = collections.Counter((int(port), method, host, uri, int(status)) for _, port, method, host, uri, status in fields)
    seen = collections.Counter()
    with open(options.eve, encoding="utf-8") as file:
        for line in file:
            event = json.loads(line)
            if event["event_type"] == "http":
                http = event["http"]
                seen[(event["src_port"], http["http_method"], http["hostname"], http["url"], http.get("status", 0))] += 1
    yield options.answers == logged.total(), f"wrk got {options.answers} answers, nginx logged {logged.total()} requests"
    yield options.answers == seen.total(), f"wrk got {options.answers} answers, the HTTP log has {seen.total()} records"
    yield not logged - seen, f"not in the HTTP log: {list((logged - seen).items())[:3]}"
    yield not seen - logged, f"not in nginx's log: {list((seen - logged).items())[:3]}"
    print(f"http: {seen.total()} records equal nginx's log")


def check_packets(options):
    witness, extract = read_pcap(options.witness), read_pcap(options.extract)
    wanted = len(witness) if options.until is None else sum(1 for packet in witness if packet[0] < options.until * 1e9)
    yield wanted > 0, "the witness saw nothing"
    yield wanted <= len(extract) <= len(witness), f"{len(extract)} packets extracted, {wanted} to {len(witness)} expected"
    for index, (theirs, ours) in enumerate(zip(witness, extract)):
        same_bytes = theirs[1:] == ours[1:]
        if not same_bytes or abs(theirs[0] - ours[0]) > options.tolerance * 1e9:
            yield False, f"packet {index + 1} differs: {'time' if same_bytes else 'bytes'} {theirs} {ours}"
            break
    print(f"packets: {len(extract)} equal, of {len(witness)} ({wanted} wanted)")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    kinds = parser.add_subparsers(required=True)
    account = kinds.add_parser("account")
    account.set_defaults(check=check_account)
    account.add_argument("summary")
    account.add_argument("--offered", type=int, required=True)
    account.add_argument("--offered-max", type=int)
    http = kinds.add_parser("http")
    http.set_defaults(check=check_http)
    http.add_argument("access_log")
    http.add_argument("eve")
    http.add_argument("--answers", type=int, required=True)
    packets = kinds.add_parser("packets")
    packets.set_defaults(check=check_packets)
    packets.add_argument("witness")
    packets.add_argument("extract")
    packets.add_argument("--until", type=float)
    packets.add_argument("--tolerance", type=float, default=0, help="two sockets stamp the same packet twice")
    options = parser.parse_args()
    wrong = [text for holds, text in options.check(options) if not holds]
    for text in wrong:
        print(f"WRONG: {text}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
