#!/usr/bin/env python3
"""Proves that `if:NAME` shows what tcpdump shows, and that its account is what was really sent.

usage: interface_proof.py DUMP_SOURCE SEND_PACKETS     (tools from the build's tests/live; root)

Two network namespaces with a veth between them. One side is captured by tcpdump and by Gatetape's source at the same time
while real traffic crosses it; then both captures are compared, and the account with the interfaces' own counters.
Prints PASS or FAIL for each check. Exit code 0: all passed, 1: not all, 77: skipped, with the reason.
"""
import json
import os
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import time

NAME = f"gtp{os.getpid() % 100000}"
A, B = NAME + "a", NAME + "b"  # namespaces, and the interface in each
ADDRESS = {A: "10.78.0.1", B: "10.78.0.2"}
failures = 0


def check(what, passed, detail=""):
    global failures
    failures += not passed
    print(f"{'PASS' if passed else 'FAIL'}: {what}{' (' + str(detail) + ')' if detail != '' else ''}", flush=True)


def run(*command, **keywords):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, **keywords).stdout


def inside(side, *command):
    return ["ip", "netns", "exec", side, *command]


def skip(reason):
    print("skipped: " + reason)
    sys.exit(77)


def sent_packets():
    """Packets that crossed the veth, counted by who sent them."""
    return sum(int(run(*inside(side, "cat", f"/sys/class/net/{side}/statistics/tx_packets"))) for side in (A, B))


class Background:
    """A program that says on stderr when it is ready, and ends on SIGINT."""

    def __init__(self, command, ready):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.stderr = b""
        self.read_stderr_until(ready.encode())

    def read_stderr_until(self, text, seconds=30):
        deadline = time.monotonic() + seconds
        while text not in self.stderr:
            if not select.select([self.process.stderr], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"no {text!r} from {self.process.args}: {self.stderr!r}")
            piece = os.read(self.process.stderr.fileno(), 65536)
            if not piece:
                raise ChildProcessError(f"{self.process.args}: {self.stderr!r}")
            self.stderr += piece

    def finish(self, signal=2):
        if signal:
            self.process.send_signal(signal)
        out, err = self.process.communicate(timeout=60)
        self.stderr += err
        return out.decode()


class Capture(Background):
    def __init__(self, *arguments, interface=B):
        super().__init__(inside(B, DUMP, "if:" + interface, *arguments), "ready\n")

    def account(self, signal=2):
        return json.loads(self.finish(signal))


def tcpdump(path):
    return Background(inside(B, "tcpdump", "-i", B, "-B", "65536", "-s", "262144", "-U", "-w", path), "listening on")


def read_pcap(path):
    """(seconds, nanoseconds, wire length, bytes) of each packet; as tcpdump or dump_source write them on this machine."""
    packets = []
    with open(path, "rb") as file:
        magic = struct.unpack("<I20x", file.read(24))[0]
        unit = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}[magic]
        while len(header := file.read(16)) == 16:
            seconds, fraction, captured, wire = struct.unpack("<IIII", header)
            packets.append((seconds * 10**9 + fraction * unit, wire, file.read(captured)))
    return packets


def wait_for_packets(path, count):
    """Until a file that is being written has so many packets, or has not grown for a while."""
    size, since = -1, time.monotonic()
    while len(read_pcap(path)) < count and time.monotonic() - since < 5:
        now = os.path.getsize(path)
        if now != size:
            size, since = now, time.monotonic()
        time.sleep(0.02)


def udp(side, size, to=None, count=1):
    """Datagrams of a known size; the kernel cuts them to the MTU of the way."""
    program = (
        "import socket,sys\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.setsockopt(socket.IPPROTO_IP, 10, 0)\n"  # IP_MTU_DISCOVER, IP_PMTUDISC_DONT: fragments are wanted
        "for i in range(int(sys.argv[3])): s.sendto(bytes([i % 251]) * int(sys.argv[2]), (sys.argv[1], 9))\n"
    )
    run(*inside(side, "python3", "-c", program, to or ADDRESS[B if side == A else A], str(size), str(count)))


SERVER = """
import socket, sys
listener = socket.create_server(("", 8080))
print("ready", file=sys.stderr, flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(100)
    connection.sendall(bytes(range(256)) * 4096)
    connection.close()
"""
CLIENT = """
import socket, sys
connection = socket.create_connection((sys.argv[1], 8080))
connection.sendall(b"please")
total = 0
while piece := connection.recv(1 << 20): total += len(piece)
assert total == 1 << 20, total
"""


def tcp(count):
    """Whole connections with a real server, a megabyte each."""
    server = Background(inside(B, "python3", "-c", SERVER), "ready")
    for _ in range(count):
        run(*inside(A, "python3", "-c", CLIENT, ADDRESS[B]))
    server.finish(15)


def offloads(state):
    for side in (A, B):
        run(*inside(side, "ethtool", "-K", side, *(word for name in ("tso", "gso", "gro") for word in (name, state))))


def set_mtu(mtu):
    for side in (A, B):
        run("ip", "-n", side, "link", "set", side, "mtu", str(mtu))


def set_up():
    for side in (A, B):
        run("ip", "netns", "add", side)
        run(*inside(side, "sysctl", "-q", "-w", "net.ipv6.conf.default.disable_ipv6=1"))  # no packets but the test's
    run("ip", "link", "add", A, "netns", A, "type", "veth", "peer", "name", B, "netns", B)
    for side in (A, B):
        run("ip", "-n", side, "addr", "add", ADDRESS[side] + "/24", "dev", side)
        run("ip", "-n", side, "link", "set", side, "up")
    offloads("off")


def tear_down():
    for side in (A, B):
        subprocess.run(["ip", "netns", "del", side], capture_output=True, check=False)


def tagged(side, count):
    """Packets with a service tag (802.1ad) and a customer tag (802.1Q), which the kernel takes apart on their way."""
    program = (
        "import socket,sys\n"
        "s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n"
        "s.bind((sys.argv[1], 0))\n"
        "for i in range(int(sys.argv[2])):\n"
        "  s.send(bytes(11) + bytes([i]) + bytes.fromhex('88a8a064 8100e0c8 88b5') + bytes([i]) * (46 + i * 10))\n"
    )
    run(*inside(side, "python3", "-c", program, side, str(count)))


def tagged_by_kernel():
    """The same from interfaces of the kernel, whose tags travel beside the packet. False where it has none such."""
    for side, address in ((A, "10.79.0.1/24"), (B, "10.79.0.2/24")):
        try:
            run("ip", "-n", side, "link", "add", "link", side, "name", "outer", "type", "vlan", "proto", "802.1ad", "id", "100")
        except subprocess.CalledProcessError:
            return False
        run("ip", "-n", side, "link", "add", "link", "outer", "name", "inner", "type", "vlan", "id", "200")
        run("ip", "-n", side, "link", "set", "outer", "up")
        run("ip", "-n", side, "link", "set", "inner", "up")
        run("ip", "-n", side, "addr", "add", address, "dev", "inner")
    udp(A, 1000, to="10.79.0.2", count=5)
    udp(B, 3000, to="10.79.0.1", count=5)
    return True


def by_sender(packets):
    """Each direction's packets in their order. Between the directions two captures may differ: when both send at the same
    moment, on two CPUs, each capture takes the two packets in an order of its own."""
    senders = {}
    for packet in packets:
        senders.setdefault(packet[2][6:12], []).append(packet)
    return [packet for sender in sorted(senders) for packet in senders[sender]]


def compare(ours, theirs):
    check("as many packets as tcpdump", len(ours) == len(theirs), f"{len(ours)} and {len(theirs)}")
    places = sum(left[1:] == right[1:] for left, right in zip(ours, theirs))
    ours, theirs = by_sender(ours), by_sender(theirs)
    check("the same bytes and lengths in the same order",
          [packet[1:] for packet in ours] == [packet[1:] for packet in theirs], f"{places} in the same place overall")
    differences = [abs(left[0] - right[0]) for left, right in zip(ours, theirs)] or [10**9]
    equal = sum(difference == 0 for difference in differences)
    # The kernel reads its clock once for each of the two captures unless the packet has a time already.
    check("times as tcpdump's, within 5 ms", max(differences) <= 5 * 10**6,
          f"{equal} of {len(differences)} equal, largest difference {max(differences) / 1000:.0f} us")


def faithful(directory):
    print("- beside tcpdump: fragments, tags, jumbo packets, super-frames")
    ours, theirs = f"{directory}/ours.pcap", f"{directory}/theirs.pcap"
    before = sent_packets()
    reference = tcpdump(theirs)
    capture = Capture("-w", ours)
    for side in (A, B):
        udp(side, 4000, count=20)
        udp(side, 65000)
    tcp(2)
    for side in (A, B):
        tagged(side, 20)
    if not tagged_by_kernel():
        print("note: this kernel has no VLAN interfaces; tagged packets were sent as they are")
    set_mtu(9000)
    for side in (A, B):
        udp(side, 8900, count=5)
    tcp(2)
    offloads("on")
    tcp(4)
    account = capture.account()
    sent = sent_packets() - before
    wait_for_packets(theirs, sent)  # an interrupted tcpdump forgets what waits in its buffer
    reference.finish()
    offloads("off")
    set_mtu(1500)

    packets = read_pcap(ours)
    compare(packets, read_pcap(theirs))
    received = [data for _, _, data in packets]
    ip = [data for data in received if data[12:14] == b"\x08\x00"]
    check("IP fragments were seen", sum((data[20] << 8 | data[21]) & 0x3FFF != 0 for data in ip) > 100)
    tags = [data for data in received if data[12:20] == bytes.fromhex("88a8a0648100e0c8")]
    check("service and customer tags kept whole, both ways", len(tags) >= 40, len(tags))
    check("jumbo packets whole", sum(len(data) == 8942 for data in received) == 10)
    check("super-frames whole", max(len(data) for data in received) > 16128, f"longest {max(len(data) for data in received)}")
    check("account = what both sides sent", account["offered"] == sent, f"{account['offered']} and {sent}")
    check("account balances, nothing missed", account["balances"] and account["missed"] == 0 == account["errors"])
    check("received = handed out, in order",
          account["received"] == len(packets) and account["ordinals_in_order"]
          and account["received_bytes"] == sum(wire for _, wire, _ in packets))


def flood(what, packets, size, *arguments, rate=0):
    before = sent_packets()
    capture = Capture(*arguments)
    sender = json.loads(run(*inside(A, SEND, A, "--packets", str(packets), "--size", str(size), "--rate", str(rate))))
    account = capture.account()
    sent = sent_packets() - before
    rate = f"{packets / sender['seconds'] / 1000:.0f} thousand/s, {sender['bytes'] * 8 / sender['seconds'] / 1e9:.2f} Gbit/s"
    check(f"{what}: offered = sent", account["offered"] == sent >= packets,
          f"{account['offered']} = {account['missed']} missed + {account['received']} received; {rate}")
    check(f"{what}: balances, in order", account["balances"] and account["ordinals_in_order"])
    return account


def floods():
    print("- floods of known size")
    flood("large packets", 300000, 1400)
    flood("small packets", 300000, 60)
    flood("released by another thread", 300000, 500, "--release-elsewhere")
    account = flood("overload (reader too slow)", 400000, 1400, "--delay-us", "20000")
    check("overload: some were missed", account["missed"] > 0)


def two_at_once():
    print("- two instances at once")
    before = sent_packets()
    captures = [Capture(), Capture()]
    run(*inside(A, SEND, A, "--packets", "50000", "--size", "300"))
    accounts = [capture.account() for capture in captures]
    sent = sent_packets() - before
    check("both saw everything", all(account["received"] == sent for account in accounts), sent)


def ends():
    print("- interfaces that go")
    capture = Capture()
    run("ip", "-n", B, "link", "set", B, "down")
    capture.read_stderr_until(b"the link is down")
    run("ip", "-n", B, "link", "set", B, "up")
    capture.read_stderr_until(b"the link is up")
    before = sent_packets()
    run(*inside(A, SEND, A, "--packets", "1000"))
    account = capture.account()
    check("goes on after down and up", account["received"] >= 1000 == sent_packets() - before, account["received"])

    for kind in ("down", "missing"):
        if kind == "down":
            run("ip", "-n", B, "link", "set", B, "down")
        interface = B if kind == "down" else "nonesuch"
        failed = subprocess.run(inside(B, DUMP, "if:" + interface), capture_output=True, text=True, timeout=60, check=False)
        words = "the interface is down" if kind == "down" else "there is no such interface"
        check(f"an interface that is {kind} is refused", failed.returncode == 1 and words in failed.stderr)
    run("ip", "-n", B, "link", "set", B, "up")

    capture = Capture()
    run(*inside(A, SEND, A, "--packets", "1000"))
    run("ip", "-n", A, "link", "del", A)
    account = capture.account(signal=0)
    check("ends with an error when the interface vanishes",
          capture.process.returncode == 1 and b"the interface is gone" in capture.stderr)
    check("what came before that was handed out", account["received"] >= 1000, account["received"])


def main():
    if os.geteuid() != 0:
        skip("needs root for network namespaces")
    for tool in ("ip", "tcpdump", "ethtool"):
        if shutil.which(tool) is None:
            skip(f"{tool} is not installed")
    try:
        set_up()
    except subprocess.CalledProcessError as error:
        tear_down()
        skip(f"no network namespaces here: {error.stderr.strip()}")
    try:
        with tempfile.TemporaryDirectory(prefix="gatetape-proof-") as directory:
            faithful(directory)
        floods()
        two_at_once()
        ends()
    finally:
        tear_down()
    print(f"{failures} failed" if failures else "all passed")
    sys.exit(1 if failures else 0)


if len(sys.argv) != 3:
    sys.exit(__doc__)
DUMP, SEND = (os.path.abspath(path) for path in sys.argv[1:])
main()
