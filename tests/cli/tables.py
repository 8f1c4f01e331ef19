#!/usr/bin/env python3
"""Tables, times and single records as users meet them: search, show, stats and extract run on a store that was recorded
from packets made here, in pipes, on terminals of several widths, in a UTF-8 and a C locale. What tables count is
compared with what `search --json` says.
usage: tables.py GATETAPE"""
import collections
import csv
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios

GATETAPE = os.path.abspath(sys.argv[1])
START = 1795819705  # 2026-11-27T22:48:25Z
RULES = """alert http any any -> any any (msg:"passwd wanted"; http.uri; content:"/etc/PASSWD"; nocase; sid:11; rev:2;)
alert tcp any any -> any any (msg:"only bytes"; content:"opaque"; sid:12;)
"""
wrong = 0


def expect(what, got, wanted):
    global wrong
    if got != wanted:
        wrong += 1
        print(f"WRONG: {what}: {got!r}, expected {wanted!r}"[:1500])


def expect_in(what, part, text):
    global wrong
    if part not in text:
        wrong += 1
        print(f"WRONG: {what}: no {part!r} in {text!r}"[:2500])


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Wire:
    """Packets of TCP connections, each a microsecond after the one before unless told otherwise."""

    def __init__(self):
        self.packets = []
        self.now = START * 1_000_000

    def send(self, source, destination, flags, seq, ack, data=b""):
        tcp = struct.pack("!HHIIBBHHH", source[1], destination[1], seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags,
                          65535, 0, 0) + data
        if ":" in source[0]:
            import ipaddress
            addresses = ipaddress.ip_address(source[0]).packed + ipaddress.ip_address(destination[0]).packed
            pseudo = addresses + struct.pack("!II", len(tcp), 6)
            header = struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + addresses
            kind = 0x86DD
        else:
            addresses = bytes(map(int, source[0].split("."))) + bytes(map(int, destination[0].split(".")))
            pseudo = addresses + struct.pack("!HH", 6, len(tcp))
            header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + addresses
            header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
            kind = 0x800
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
        self.packets.append((self.now, b"\2" * 6 + b"\4" * 6 + struct.pack("!H", kind) + header + tcp))
        self.now += 1

    def talk(self, client, server, exchanges, delay_us=1000):
        """A connection with exchanges of bytes, each a pair of what the client and then the server says."""
        seq, ack = 1000, 9000
        self.send(client, server, 2, seq, 0)
        self.send(server, client, 0x12, ack, seq + 1)
        seq, ack = seq + 1, ack + 1
        self.send(client, server, 0x10, seq, ack)
        for asked, answered in exchanges:
            self.send(client, server, 0x18, seq, ack, asked)
            seq += len(asked)
            self.now += delay_us
            for at in range(0, len(answered), 1400):
                part = answered[at:at + 1400]
                self.send(server, client, 0x18, ack, seq, part)
                ack += len(part)
            self.send(client, server, 0x10, seq, ack)
        self.send(client, server, 0x11, seq, ack)
        self.send(server, client, 0x11, ack, seq + 1)
        self.send(client, server, 0x10, seq + 1, ack + 1)

    def write(self, path):
        with open(path, "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
            for when, packet in self.packets:
                file.write(struct.pack("<IIII", when // 1_000_000, when % 1_000_000, len(packet), len(packet)) + packet)


def request(uri, agent="curl/8", host="shop.example"):
    return f"GET {uri} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n\r\n".encode("latin-1")


def response(status, body):
    return f"HTTP/1.1 {status} X\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def record(work):
    wire = Wire()
    server = ("10.9.0.2", 80)
    for i in range(12):
        uri = "/etc/passwd?x=" if i % 4 == 1 else f"/page/{i}"
        status = 404 if i % 3 == 0 else 200
        # An old connection ends after younger ones: it is written later, and must be listed first.
        wire.talk((f"10.1.0.{i % 3 + 1}", 40000 + i), server,
                  [(request(uri, "agent-%d" % (i % 2)), response(status, b"hello, %d\n" % i)),
                   (request("/second"), response(200, b"y" * (i * 500)))], delay_us=1000 * (12 - i))
        wire.now += 500_000
    wire.talk(("2001:db8:1234:5678:9abc:def0:1234:5678", 41000), ("2001:db8::2", 80),
              [(request("/six\x1b[2J\xff\xc2\x9b31m", "Z\u00fcrich".encode().decode("latin-1")),
                response(200, "grün\n".encode()))])
    wire.talk(("10.1.0.9", 42000), ("10.9.0.2", 9999), [(b"opaque bytes \x00\x01\x02\x1b[31m", b"\xff" * 40)])
    wire.write(f"{work}/in.pcap")
    with open(f"{work}/test.rules", "w") as file:
        file.write(RULES)
    run("capture", "--source", f"pcap:{work}/in.pcap", "--rules", f"{work}/test.rules", "--ring-size", "1G",
        "--eve", f"{work}/eve.json")


class Ran:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


def environment(**more):
    kept = {"PATH": os.environ["PATH"], "HOME": WORK, "XDG_CACHE_HOME": WORK, "XDG_CONFIG_HOME": WORK, "TERM": "xterm",
            "LC_ALL": "C.UTF-8", "TZ": "UTC", "TMPDIR": WORK}
    kept.update(more)
    return kept


def run(command, *arguments, code=0, env=None):
    done = subprocess.run([GATETAPE, command, "--store", f"{WORK}/store", *arguments], capture_output=True,
                          env=environment(**(env or {})), timeout=120)
    err = done.stderr.decode("utf-8", "replace")
    expect(f"exit code of {command} {' '.join(arguments)} ({err[-300:]})", done.returncode, code)
    return Ran(done.returncode, done.stdout.decode("utf-8", "surrogateescape"), err)


def on_terminal(columns, command, *arguments, env=None):
    """The bytes that a terminal of so many columns gets on standard output."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([GATETAPE, command, "--store", f"{WORK}/store", *arguments], stdout=slave,
                               stderr=subprocess.PIPE, env=environment(**(env or {})))
    os.close(slave)
    out = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    os.close(master)
    err = process.stderr.read().decode("utf-8", "replace")
    process.stderr.close()
    expect(f"exit code on a terminal ({err[-300:]})", process.wait(), 0)
    return Ran(0, out.decode("utf-8", "surrogateescape").replace("\r\n", "\n"), err)


def events(kind, *expression):
    return [json.loads(line) for line in run("search", kind, *expression, "--json").out.splitlines()]


def rows(kind, columns, *arguments):
    return list(csv.reader(io.StringIO(run("search", kind, "--columns", columns, "--format", "csv", *arguments).out)))[1:]


def control_bytes(text):
    return re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


def check_order_and_json():
    eve = [json.loads(line) for line in open(f"{WORK}/eve.json")]
    for kind, word in (("http", "http"), ("flows", "flow"), ("alerts", "alert")):
        theirs = sorted(json.dumps(e, sort_keys=True) for e in eve if e["event_type"] == word)
        ours = events(kind)
        expect(f"{kind}: the same events as EVE", sorted(json.dumps(e, sort_keys=True) for e in ours), theirs)
        times = [e["flow"]["start"] if kind == "flows" else e["timestamp"] for e in ours]
        expect(f"{kind}: in order of time", times, sorted(times))
        listed = [row[0] for row in rows(kind, "time")]
        expect(f"{kind}: the table's order", [t[:26] for t in listed], [t[:26] for t in times])
    descending = [row[0] for row in rows("http", "http.response_bytes", "--sort", "http.response_bytes:desc")]
    expect("sorted", descending, [str(n) for n in sorted((e["http"]["length"] for e in events("http")), reverse=True)])


def check_counts():
    http = events("http")
    for field, of in (("http.status", lambda e: str(e["http"]["status"])),
                      ("http.user_agent", lambda e: e["http"]["http_user_agent"]),
                      ("client.ip", lambda e: e["src_ip"])):
        wanted = collections.Counter(of(e) for e in http)
        counted = run("search", "http", "--count-by", field, "--format", "json").out
        got = {str(json.loads(line)[field]): json.loads(line)["count"] for line in counted.splitlines()}
        expect(f"counted by {field}", got, dict(wanted))
        counts = [json.loads(line)["count"] for line in counted.splitlines()]
        expect("most frequent first", counts, sorted(counts, reverse=True))
    top = run("search", "http", "--count-by", "http.status,http.method", "--limit", "1")
    expect("two lines with --limit 1", len(top.out.splitlines()), 2)
    expect_in("the rest is said", "1 value more", top.err)
    expect("--limit", len(run("search", "http", "--limit", "3").out.splitlines()), 4)
    expect_in("and said", "there are more records", run("search", "http", "--limit", "3").err)


def check_fields():
    for expression, of in (
            ('http.user_agent contains "agent-1"', lambda e: "agent-1" in e["http"]["http_user_agent"]),
            ("http.response_bytes > 2K", lambda e: e["http"]["length"] > 2048),
            ("http.status == 404 and http.uri contains passwd",
             lambda e: e["http"]["status"] == 404 and "passwd" in e["http"]["url"]),
            ('http.response_type == "text/plain"', lambda e: e["http"]["http_content_type"] == "text/plain")):
        expect(expression, len(events("http", expression)), len([e for e in events("http") if of(e)]))
    slow = [e for e, row in zip(events("http"), rows("http", "duration")) if float(row[0]) > 0.0085]
    expect("duration > 8.5ms", len(events("http", "http.duration > 0.0085")), len(slow))
    alerts = events("alerts")
    expect("by signature", len(events("alerts", 'alert.signature contains "passwd"')),
           len([a for a in alerts if "passwd" in a["alert"]["signature"]]))
    flows = {a["flow_id"] for a in alerts if a["alert"]["signature_id"] == 11}
    expect("flows by signature", {f["flow_id"] for f in events("flows", 'alert.signature contains "passwd"')}, flows)
    expect("flows by bytes", len(events("flows", "flow.bytes > 5000")),
           len([f for f in events("flows") if f["flow"]["bytes_toserver"] + f["flow"]["bytes_toclient"] > 5000]))
    run("extract", "-w", f"{WORK}/a.pcap", "--format", "pcap", 'alert.signature contains "passwd"')
    run("extract", "-w", f"{WORK}/b.pcap", "--format", "pcap", "sid 11")
    expect("packets by signature as by sid", open(f"{WORK}/a.pcap", "rb").read(), open(f"{WORK}/b.pcap", "rb").read())
    marked = [row for row in rows("http", "alerts,http.uri") if row[0] != "0"]
    expect("marked", len(marked), len([a for a in alerts if a["alert"]["signature_id"] == 11]))
    expect("marks are where the alerts are", {row[1] for row in marked}, {"/etc/passwd?x="})
    for bad in (("http", "--columns", "time,colour"), ("http", "--sort", "time:up"), ("alerts", "--count-by", "flow.end"),
                ("http", "--format", "xml"), ("http", "--color", "blue"),
                ("http", "http.duration > soon"), ("http", "http.colour == 1")):
        said = run("search", *bad, code=2).err
        expect_in("the error names what is wrong", bad[-1].split(",")[-1].split(" ")[0].split(":")[0], said)
    expect_in("counts have their own order", "--sort", run("search", "http", "--count-by", "id", "--sort", "id", code=2).err)


def check_terminals():
    for columns in (40, 80, 132, 200):
        for kind in ("http", "flows", "alerts", "transactions"):
            for locale in ("C.UTF-8", "C"):
                seen = on_terminal(columns, "search", kind, env={"LC_ALL": locale, "NO_COLOR": "1"})
                widest = max(len(line) for line in seen.out.splitlines())
                expect(f"{kind} fits {columns} columns", widest <= columns, True)
                expect(f"{kind}: no control characters", control_bytes(seen.out), [])
                if locale == "C":
                    expect("ASCII in a C locale", seen.out.isascii(), True)
    narrow = on_terminal(80, "search", "http", env={"NO_COLOR": "1"})
    expect_in("columns left out are said", "left out for want of room", narrow.err)
    expect_in("IPv6 addresses fit", "[2001:db8:1234:5678:9abc:def0:1234:5678]:41000",
              on_terminal(200, "search", "http", env={"NO_COLOR": "1"}).out)
    wide = on_terminal(80, "search", "http", "--wide", env={"NO_COLOR": "1"}).out
    expect_in("--wide shows all", "HOST AND URI", wide)
    expect("and cuts nothing", "…" in wide, False)
    expect("colour on a terminal", "\x1b[1m" in on_terminal(80, "search", "http").out, True)
    expect("none with --color never", "\x1b" in on_terminal(80, "search", "http", "--color", "never").out, False)
    expect("none for a dumb one", "\x1b" in on_terminal(80, "search", "http", env={"TERM": "dumb"}).out, False)
    piped = run("search", "http").out
    expect("no colour in a pipe", control_bytes(piped), [])
    expect_in("colour when it is asked for", "\x1b[1m", run("search", "http", "--color", "always").out)
    expect_in("whole texts in a pipe", "/six\\x1b[2J\\xff\\xc2\\x9b31m", piped)
    expect("CSV: no control characters", control_bytes(run("search", "http", "--format", "csv").out), [])
    shown = on_terminal(80, "show", run("search", "flows", "--columns", "id", "--format", "csv").out.split()[-1])
    expect("show: no control characters but colour", control_bytes(re.sub(r"\x1b\[\d*m", "", shown.out)), [])
    expect("stats --watch does not move the cursor of a file", "\x1b" in watched(), False)


def watched():
    path = f"{WORK}/watched"
    with open(path, "w") as file:
        process = subprocess.Popen([GATETAPE, "stats", "--store", f"{WORK}/store", "--watch"], stdout=file,
                                   env=environment())
        while open(path).read().count("Store") < 2:
            if process.poll() is not None:
                break
        process.send_signal(2)
        expect("stats --watch ends", process.wait(), 0)
    return open(path).read()


def check_show():
    alert, flow = rows("alerts", "id,flow", "alert.sid == 11")[0]
    wanted = events("alerts", "sid 11")[0]
    seen = run("show", alert, "--rules", f"{WORK}/test.rules").out
    for part in ("passwd wanted", "GET /etc/passwd?x= HTTP/1.1", "User-Agent: agent-1", "HTTP/1.1 200 X", "hello, 1",
                 'content:"/etc/PASSWD"', "http.uri: [/etc/passwd]?x=", "/second", f"--alert {alert}", "test.rules:1"):
        expect_in("show an alert", part, seen)
    transaction = rows("http", "id", "http.uri contains passwd")[0][0]
    expect_in("its transaction is marked", f"{transaction}  ", seen)
    same = run("show", transaction).out
    for part in ("GET /etc/passwd?x= HTTP/1.1", "hello, 1"):
        expect_in("show a transaction", part, same)
    expect_in("show a flow", "opaque bytes", run("show", rows("flows", "id", "port 9999")[0][0]).out)
    expect_in("show by flow_id", flow, run("show", str(wanted["flow_id"])).out)
    expect("ids stay", rows("alerts", "id,flow", "alert.sid == 11")[0], [alert, flow])
    ids = [row[0] for kind in ("alerts", "http", "flows") for row in rows(kind, "id")]
    expect("ids are each one's own", len(ids), len(set(ids)))
    run("extract", "--alert", alert, "-w", f"{WORK}/a.pcap", "--format", "pcap")
    run("extract", f"flow_id {wanted['flow_id']}", "-w", f"{WORK}/b.pcap", "--format", "pcap")
    expect("packets of one alert", open(f"{WORK}/a.pcap", "rb").read(), open(f"{WORK}/b.pcap", "rb").read())
    expect_in("no such id", "nothing has the ID", run("show", "a000000000", code=1).err)
    expect_in("not an id", "is no ID", run("show", "everything", code=2).err)
    expect_in("extract: no such id", "--alert", run("extract", "--alert", "a000000000", "-w", f"{WORK}/c", code=1).err)
    run("extract", "--alert", "x", "-w", f"{WORK}/c", code=2)


def check_times():
    total = len(events("http"))
    for since, count in (("2026-11-27 22:48:25", total), ("2026-11-27T22:48:25Z", total), ("27/Nov/2026:22:48:25 +0000", total),
                         ("2026-11-27 23:48:25 +01:00", total), ("2026-11-28", 0), ("@%d" % START, total)):
        expect(f"--since {since}", len(run("search", "http", "--json", "--since", since).out.splitlines()), count)
    local = run("search", "http", "--json", "--since", "2026-11-27 17:48:25", env={"TZ": "EST5EDT,M3.2.0,M11.1.0"})
    expect("local times", len(local.out.splitlines()), total)
    expect_in("are said once", "times without a zone are local (EST, UTC-05:00): 2026-11-27T22:48:25", local.err)
    expect("and only once", local.err.count("local"), 1)
    for bad in ("noon", "2026-11-27T22:48:25", "25:00"):
        said = run("search", "http", "--since", bad, code=2).err
        expect_in("the option is named", "--since", said)
    expect_in("with examples", "yesterday", run("search", "http", "--until", "noon", code=2).err)
    for row in rows("http", "time"):
        back = run("search", "http", "--json", "--since", row[0], "--limit", "1").out
        expect("a printed time pastes", json.loads(back)["timestamp"][:26], row[0][:26])
        break


def check_stats():
    state = json.loads(run("stats", "--json").out)["store"]
    expect("the ring's size", state["ring_bytes"], 1 << 30)
    expect("what it reaches back to", round(state["reach_seconds"], 3) > 6, True)
    expect("how much fits", round(state["seconds_that_fit"] * state["stored_bytes_per_second"]), 1 << 30)
    expect("nothing overwritten", state["overwritten"]["packets"], 0)
    expect("clean", state["unclean_runs"], [])
    expect_in("in words", "nothing yet", run("stats").out)


with tempfile.TemporaryDirectory() as WORK:
    record(WORK)
    for check in (check_order_and_json, check_counts, check_fields, check_terminals, check_show, check_times, check_stats):
        check()
sys.exit(1 if wrong else print("tables, times and single records: as expected") or 0)
