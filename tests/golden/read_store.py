#!/usr/bin/env python3
"""Reads a store by FORMAT.md alone, with nothing of Gatetape's: every checksum, every packet, every hash.

usage: read_store.py STORE CAPTURE...    the store must hold one run per CAPTURE (classic pcap), each with exactly its
                                         packets in its order, and every root must be what these packets, and
                                         hashlib, give

libzstd and libxxhash are used through ctypes: the program itself needs them, so they are there.
"""
import bisect
import ctypes
import hashlib
import struct
import sys
from pathlib import Path

ZSTD = ctypes.CDLL("libzstd.so.1")
ZSTD.ZSTD_decompress.restype = ctypes.c_size_t
ZSTD.ZSTD_decompress.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
XXHASH = ctypes.CDLL("libxxhash.so.0")
XXHASH.XXH3_64bits.restype = ctypes.c_uint64
XXHASH.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]

PACKETS, RECORDS, INDEX = 1, 2, 3
LANES, COLUMNS_1_0, OPERATIONS, LITERALS, BATCH, COLUMNS, FRAME_TABLE, SUMMARY = 1, 2, 3, 4, 5, 6, 16, 17
REQUIRED = 1  # flag of a section, and of a stream
STREAMS = 18  # known here: 0 to 5, and 6 for each field of a head
NO_SEQUENCE = 2**64 - 1
MAPPED = bytes(10) + b"\xff\xff"  # before an IPv4 address that stands for an IPv6 one (RFC 4291 section 2.5.5.2)


class Wrong(Exception):
    pass


def expect(what, actual, expected):
    if actual != expected:
        raise Wrong(f"{what}: {actual!r}, expected {expected!r}")


def checksum(data):
    return XXHASH.XXH3_64bits(data, len(data))


def checked(what, data):
    """`data` without the checksum at its end."""
    expect(f"{what}: checksum", checksum(data[:-8]), struct.unpack("<Q", data[-8:])[0])
    return data[:-8]


def unpacked(what, stored, raw_bytes):
    out = ctypes.create_string_buffer(max(raw_bytes, 1))
    expect(f"{what}: raw bytes", ZSTD.ZSTD_decompress(out, raw_bytes, stored, len(stored)), raw_bytes)
    return out.raw[:raw_bytes]


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def tree(leaves):
    """MTH of RFC 6962 section 2.1 over hashed leaves."""
    if not leaves:
        return sha256()
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01", tree(leaves[:half]), tree(leaves[half:]))


class Bytes:
    """A cursor."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        if count > self.left():
            raise Wrong(f"{count} bytes wanted, {self.left()} left")
        self.at += count
        return self.data[self.at - count:self.at]

    def fields(self, layout):
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def zigzag(self):
        value = self.varint()
        return value >> 1 ^ -(value & 1)


class Segment:
    def __init__(self, path):
        self.path, self.data = path, path.read_bytes()
        magic, major, _, header_bytes = struct.unpack_from("<8sHHI", self.data)
        expect(f"{path}: magic", (magic, major), (b"GTSEGMNT", 1))
        self.header = self.data[:header_bytes]
        fields = Bytes(checked(f"{path}: header", self.header))
        fields.take(16)
        (self.kind, self.retention, self.worker, self.domain, self.sequence, self.uuid, self.run, _, _, self.previous_sequence,
         self.previous_root, self.literal_block, _, _) = fields.fields("BBHIQ16s16sqqQ32sIHH")
        self.frames, self.index = [], None
        at = header_bytes
        while at < len(self.data) - 32:
            frame = Frame(self, at)
            at = frame.end
            if frame.kind == INDEX:
                self.index = frame
                break
            self.frames.append(frame)
        if self.index is None:
            raise Wrong(f"{path}: not sealed")
        trailer = Bytes(checked(f"{path}: trailer", self.data[at:]))
        expect(f"{path}: trailer", trailer.fields("8sQQ"), (b"GTSEALED", self.index.begin, len(self.data)))
        self.literals = {}  # position of a block's first byte -> its bytes
        for frame in self.frames:
            position = frame.literal_position
            for block in frame.all_of(LITERALS):
                self.literals[position] = block
                position += len(block)
        self.block_at = sorted(self.literals)

    def stream(self):
        return (self.kind, self.worker, self.retention)

    def literal_bytes(self, position, count):
        out = b""
        while count:
            begin = self.block_at[bisect.bisect_right(self.block_at, position) - 1]
            piece = self.literals[begin][position - begin:position - begin + count]
            if not piece:
                raise Wrong(f"{self.path}: no literal at {position}")
            out += piece
            position += len(piece)
            count -= len(piece)
        return out

    def root(self):
        return sha256(b"\x03", sha256(self.header), struct.pack("<I", len(self.frames)), tree([f.root for f in self.frames]))

    def check_roots(self):
        for number, frame in enumerate(self.frames):
            expect(f"{frame.name}: number", frame.number, number)
            expect(f"{frame.name}: root", frame.root, frame.computed_root())
        summary = Bytes(self.index.one(SUMMARY))
        root, packets = summary.fields("32sQ")
        expect(f"{self.path}: segment root", root, self.root())
        expect(f"{self.path}: packets in the summary", packets, sum(f.packets for f in self.frames))
        table = Bytes(self.index.one(FRAME_TABLE))
        row_bytes = table.left() // max(self.index.number, 1)  # 128, or more in a newer minor version
        for frame in self.frames:
            entry = table.take(row_bytes)
            expect(f"{frame.name}: offset in the frame table", struct.unpack_from("<Q", entry)[0], frame.begin)
            expect(f"{frame.name}: root in the frame table", entry[96:128], frame.root)
        expect(f"{self.path}: bytes left in the frame table", table.left(), 0)


class Lane:
    def __init__(self, data, earlier):
        (flags,) = data.fields("B")
        self.reverse, self.long = None, bool(flags & 2)
        if flags & 1:
            other = earlier[len(earlier) - data.varint()]
            self.flow_id, self.interface, self.link_type, self.long = other.flow_id, other.interface, other.link_type, other.long
            self.source, self.destination, self.ports = other.destination, other.source, other.ports[2:] + other.ports[:2]
            self.reverse, other.reverse = other, self
        else:
            (self.flow_id,) = data.fields("Q")
            self.interface, self.link_type = data.varint(), data.varint()
            size = (16 if self.long else 4) if flags & 4 else 0
            data.take(1 if flags & 4 else 0)
            self.source, self.destination = data.take(size), data.take(size)
            self.ports = data.take(4 if flags & 8 else 0)
        self.last = None  # the packet before, and what it makes the other side's next one likely to say
        self.next_sequence = self.timestamp = None


class Packet:
    pass


def ones_sum(data):
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


class Frame:
    FIELD = {1: ("tcp", 8, 4), 4: ("tcp", 14, 2), 6: ("ip", 4, 2), 7: ("tcp", 4, 4), 11: ("udp", 4, 2)}

    def __init__(self, segment, at):
        self.segment, self.begin, self.name = segment, at, f"{segment.path.name}: frame at {at}"
        magic, header_bytes = struct.unpack_from("<8sI", segment.data, at)
        expect(f"{self.name}: magic", magic, b"GTFRAME1")
        fields = Bytes(checked(f"{self.name}: header", segment.data[at:at + header_bytes]))
        fields.take(12)
        self.kind, sections = fields.fields("HH")
        (uuid, self.number, self.packets, self.ordinal_min, self.ordinal_max, self.time_min, self.time_max, self.captured,
         self.literal_position, self.literal_bytes, self.payload_bytes, self.added, self.dropped,
         self.root) = fields.fields("8sIIQQqqQQIIQQ32s")
        expect(f"{self.name}: segment", uuid, segment.uuid[:8])
        self.sections, at = [], at + header_bytes
        for _ in range(sections):
            kind, codec, flags, stored, raw, _, stated = fields.fields("HBBIIIQ")
            if flags & REQUIRED and kind > COLUMNS:
                raise Wrong(f"{self.name}: section {kind} is required: written by a newer version")
            data = segment.data[at:at + stored]
            expect(f"{self.name}: checksum of section {kind}", checksum(data), stated)
            self.sections.append((kind, unpacked(f"{self.name}: section {kind}", data, raw) if codec else data))
            at += stored
        self.end = at

    def all_of(self, kind):
        return [data for section, data in self.sections if section == kind]

    def one(self, kind):
        (data,) = self.all_of(kind)
        return data

    def lanes(self):
        data, lanes = Bytes(self.one(LANES)), []
        for _ in range(data.varint()):
            lanes.append(Lane(data, lanes))
        expect(f"{self.name}: bytes left in the lanes", data.left(), 0)
        return lanes

    def payload(self):
        data, out, expected = Bytes(self.one(OPERATIONS)), bytearray(), 0
        position = self.literal_position
        while len(out) < self.payload_bytes:
            run = data.varint()
            out += self.segment.literal_bytes(position, run)
            position += run
            if len(out) < self.payload_bytes:
                count = data.varint()
                begin = expected + data.zigzag()
                out += self.segment.literal_bytes(begin, count)
                expected = begin + count
        expect(f"{self.name}: payload bytes", len(out), self.payload_bytes)
        expect(f"{self.name}: literal bytes", position - self.literal_position, self.literal_bytes)
        return bytes(out)

    def columns(self):
        """The known streams by id; one that is not there is empty."""
        by_position = bool(self.all_of(COLUMNS_1_0))
        data, found, position = Bytes(self.one(COLUMNS_1_0 if by_position else COLUMNS)), {}, 0
        while data.left():
            tag = position << 1 | REQUIRED if by_position else data.varint()
            raw, stored = data.varint(), data.varint()
            stream, number = data.take(stored or raw), tag >> 1
            position += 1
            if number in found:
                raise Wrong(f"{self.name}: stream {number} twice")
            if number < STREAMS:
                found[number] = unpacked(f"{self.name}: stream {number}", stream, raw) if stored else stream
            elif tag & REQUIRED:
                raise Wrong(f"{self.name}: stream {number} is required: written by a newer version")
        if by_position:
            expect(f"{self.name}: streams", position, STREAMS)
        return [Bytes(found.get(number, b"")) for number in range(STREAMS)]

    def read(self):
        """The frame's packets, in order of arrival."""
        lanes = self.lanes()
        stream = self.columns()
        lane_of = struct.Struct("<B" if len(lanes) <= 256 else "<H")
        ordinal, time = self.ordinal_min, self.time_min
        unit = stream[2].varint()
        packets = []
        for i in range(self.packets):
            packet = Packet()
            packet.lane = lanes[lane_of.unpack(stream[0].take(lane_of.size))[0]]
            ordinal += stream[1].zigzag() + (1 if i else 0)
            time += stream[2].zigzag() * unit
            packet.ordinal, packet.time = ordinal, time
            length = stream[3].varint()
            packet.captured = length - 1 if length else packet.lane.last.captured
            packet.wire = packet.captured + (stream[4].varint() if stream[4].data else 0)
            self.read_head(packet, stream)
            packet.lane.last = packet
            packets.append(packet)
        for number, one in enumerate(stream):
            expect(f"{self.name}: bytes left in stream {number}", one.left(), 0)
        payload, at = self.payload(), 0
        for lane in lanes:
            for packet in packets:
                if packet.lane is lane:
                    size = packet.captured - len(packet.head)
                    packet.payload = payload[at:at + size]
                    at += size
        for packet in packets:
            self.finish_head(packet)
        return packets

    def read_head(self, packet, stream):
        lane, before = packet.lane, packet.lane.last
        bits = stream[5].varint()
        packet.stored = {bit: None for bit in (9, 10) if bits >> bit & 1}
        if bits & 1:
            self.read_new_head(packet, stream[6])
        else:
            packet.at, packet.kind, head = before.at, before.kind, bytearray(before.head)

            def change(bit, offset, size, predicted):
                if bits >> bit & 1:
                    predicted += stream[6 + bit].zigzag()
                head[offset:offset + size] = (predicted % (1 << 8 * size)).to_bytes(size, "big")

            def old(offset, size):
                return int.from_bytes(before.head[offset:offset + size], "big")

            tcp, ip = packet.at.get("tcp"), packet.at.get("ip")
            longer = packet.captured - before.captured
            other = lane.reverse
            if packet.kind & 4:
                sequence = other.next_sequence if other is not None else None
                change(1, tcp + 8, 4, old(tcp + 8, 4) if sequence is None else sequence)
                if packet.kind & 16:
                    value = packet.at["timestamps"]
                    echo = other.timestamp if other is not None else None
                    change(2, value, 4, old(value, 4))
                    change(3, value + 4, 4, old(value + 4, 4) if echo is None else echo)
                change(4, tcp + 14, 2, old(tcp + 14, 2))
                if bits >> 5 & 1:
                    head[tcp + 13] = stream[11].fields("B")[0]
                flags = before.head[tcp + 13]
                grown = before.captured - len(before.head) + (flags >> 1 & 1) + (flags & 1)
                change(7, tcp + 4, 4, old(tcp + 4, 4) + grown)
            if packet.kind & 1:
                change(6, ip + 4, 2, old(ip + 4, 2) + 1)
                change(8, ip + 2, 2, old(ip + 2, 2) + longer)
            elif packet.kind & 2:
                change(8, ip + 4, 2, old(ip + 4, 2) + longer)
            if packet.kind & 8:
                udp = packet.at["udp"]
                change(11, udp + 4, 2, old(udp + 4, 2) + longer)
            packet.head = bytes(head)
        for bit in packet.stored:
            packet.stored[bit] = stream[6 + bit].take(2)
        lane.next_sequence = lane.timestamp = None
        if packet.kind & 4:
            tcp, flags = packet.at["tcp"], packet.head[packet.at["tcp"] + 13]
            size = packet.captured - len(packet.head) + (flags >> 1 & 1) + (flags & 1)
            lane.next_sequence = (int.from_bytes(packet.head[tcp + 4:tcp + 8], "big") + size) % 2**32
            if packet.kind & 16:
                value = packet.at["timestamps"]
                lane.timestamp = int.from_bytes(packet.head[value:value + 4], "big")

    def read_new_head(self, packet, data):
        lane, size = packet.lane, data.varint()
        (packet.kind,) = data.fields("B")
        packet.at = {}
        if packet.kind & 3:
            packet.at["ip"] = data.varint()
        if packet.kind & 12:
            packet.at["tcp" if packet.kind & 4 else "udp"] = data.varint()
        if packet.kind & 16:
            packet.at["timestamps"] = data.varint()
        head = bytearray(data.take(size))
        if packet.kind & 32:
            address = packet.at["ip"] + (12 if packet.kind & 1 else 8)
            addresses = lane.source + lane.destination
            if packet.kind & 2 and not lane.long:
                addresses = MAPPED + lane.source + MAPPED + lane.destination
            head[address:address + len(addresses)] = addresses
            if packet.kind & 12:
                ports = packet.at.get("tcp", packet.at.get("udp"))
                head[ports:ports + 4] = lane.ports
        packet.head = bytes(head)

    def finish_head(self, packet):
        head, ip = bytearray(packet.head), packet.at.get("ip")
        if packet.kind & 1:
            size = (head[ip] & 15) * 4
            head[ip + 10:ip + 12] = b"\0\0"
            head[ip + 10:ip + 12] = packet.stored.get(9) or struct.pack(">H", 0xFFFF ^ ones_sum(bytes(head[ip:ip + size])))
        transport = packet.at.get("tcp", packet.at.get("udp"))
        if transport is not None:
            field = transport + (16 if packet.kind & 4 else 6)
            head[field:field + 2] = b"\0\0"
            stored = packet.stored.get(10)
            head[field:field + 2] = stored or self.transport_checksum(packet, head, transport)
        packet.head = bytes(head)
        packet.data = packet.head + packet.payload

    def transport_checksum(self, packet, head, transport):
        ip, udp = packet.at["ip"], packet.kind & 8
        if packet.kind & 1:
            addresses = bytes(head[ip + 12:ip + 20])
        else:
            addresses = bytes(head[ip + 8:ip + 40])
        segment = bytes(head[transport:]) + packet.payload
        total = ones_sum(addresses) + (17 if udp else 6) + len(segment) + ones_sum(segment)
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        return struct.pack(">H", (0xFFFF ^ total) or (0xFFFF if udp else 0))

    def computed_root(self):
        lanes = b""
        if self.kind == RECORDS:
            leaves = [sha256(b"\0", self.one(BATCH))]
            self.check_record_types()
        else:
            lanes = self.one(LANES)
            leaves = [leaf(packet) for packet in self.read()]
        head = struct.pack("<IQQ", self.number, self.added, self.dropped)
        return sha256(b"\x02", self.segment.uuid, head, sha256(lanes), struct.pack("<I", len(leaves)), tree(leaves))


    def check_record_types(self):
        batch, types, count = Bytes(self.one(BATCH)), 0, 0
        while batch.left():
            size, kind = batch.fields("IB")
            batch.take(size - 1)
            types |= 1 << kind
            count += 1
        expect(f"{self.name}: types of records", self.literal_position, types)
        expect(f"{self.name}: records", self.packets, count)


def leaf(packet):
    facts = struct.pack("<QqIIHHH", packet.ordinal, packet.time, packet.captured, packet.wire, packet.lane.link_type,
                        packet.lane.interface, len(packet.head))
    tail = packet.payload if len(packet.payload) < 192 else sha256(packet.payload)
    return sha256(b"\0", facts, packet.head, tail)


def read_pcap(path):
    """(time in ns, wire length, bytes) of each packet of a little-endian classic pcap that is whole."""
    data = path.read_bytes()
    unit = {b"\xd4\xc3\xb2\xa1": 1000, b"\x4d\x3c\xb2\xa1": 1}.get(data[:4])
    if unit is None:
        raise Wrong(f"{path}: not a little-endian classic pcap")
    rest = Bytes(data[24:])
    while rest.left():
        seconds, fraction, captured, wire = rest.fields("IIII")
        yield seconds * 10**9 + fraction * unit, max(wire, captured), rest.take(captured)


def check_chain(segments):
    newest = {}
    for segment in segments:
        before = newest.get(segment.stream())
        expected = (before.sequence, before.root()) if before else (NO_SEQUENCE, bytes(32))
        expect(f"{segment.path}: previous segment", (segment.previous_sequence, segment.previous_root), expected)
        newest[segment.stream()] = segment


def check_packets(capture, stored, expected):
    stored.sort(key=lambda packet: packet.ordinal)
    expect(f"{capture}: packets", len(stored), len(expected))
    for number, (packet, (time, wire, data)) in enumerate(zip(stored, expected)):
        expect(f"{capture}: packet {number}", (packet.ordinal, packet.time, packet.wire, packet.data),
               (number, time, wire, data))


def check_store(store, runs):
    """`runs`: for each run of the recorder, what it recorded and its packets, as read_pcap() gives them."""
    segments = [Segment(path) for path in sorted(Path(store).glob("*.gt[pr]"))]
    check_chain(segments)
    packets = {}  # by run, in the order in which the runs began
    for segment in segments:
        segment.check_roots()
        for frame in segment.frames if segment.kind == PACKETS else []:
            packets.setdefault(segment.run, []).extend(frame.read())
    expect(f"{store}: runs", len(packets), len(runs))
    for stored, (name, expected) in zip(packets.values(), runs):
        check_packets(name, stored, expected)
    count = sum(len(stored) for stored in packets.values())
    frames = sum(len(segment.frames) for segment in segments)
    print(f"{count} packets, {frames} frames, {len(segments)} segments: as FORMAT.md says, roots included")


if __name__ == "__main__":
    try:
        check_store(sys.argv[1], [(path, list(read_pcap(Path(path)))) for path in sys.argv[2:]])
    except Wrong as wrong:
        sys.exit(f"WRONG: {wrong}")
