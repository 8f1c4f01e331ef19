// TCP states and reassembly, case by case. Random ones against a naive reassembler: tcp_random_test.cc.
#include "reassembly/tcp_stream.h"

#include <catch2/catch.hpp>

#include "tests/reassembly/tcp_connection_fixture.h"

using namespace gatetape;
using gatetape::test::TcpFixture;

namespace {

constexpr Direction kClient = Direction::kToServer, kServer = Direction::kToClient;

struct Piece {
  int64_t offset;
  std::string_view bytes;
};

TcpOptions impatient() {
  TcpOptions options;
  options.reorder_patience_ns = 0;
  return options;
}

}  // namespace

TEST_CASE("a connection from SYN to FIN", "[tcp]") {
  TcpFixture t;
  t.send(kClient, kTcpSyn, -1, "");
  REQUIRE(t.connection.state() == TcpState::kSynSent);
  t.send(kServer, kTcpSyn | kTcpAck, -1, "");
  REQUIRE(t.connection.state() == TcpState::kSynReceived);
  REQUIRE_FALSE(t.connection.established());
  t.send(kClient, kTcpAck, 0, "");
  REQUIRE(t.connection.state() == TcpState::kEstablished);
  REQUIRE(t.connection.established());
  t.data(kClient, 0, "request");
  t.send(kServer, kTcpAck, 0, "response", 7);
  t.send(kClient, kTcpAck | kTcpFin, 7, "", 8);
  REQUIRE(t.log(kClient) == "request$");
  REQUIRE(t.connection.state() == TcpState::kClosing);
  t.send(kServer, kTcpAck, 8, " goes on", 8);
  t.send(kServer, kTcpAck | kTcpFin, 16, "", 8);
  REQUIRE(t.log(kServer) == "response goes on$");
  REQUIRE(t.connection.state() == TcpState::kClosed);
  t.finish();
  REQUIRE(t.reassembler.counters().gaps == 0);
  REQUIRE(t.reassembler.counters().midstream == 0);
}

TEST_CASE("segments in every kind of order and overlap", "[tcp]") {
  struct Case {
    const char* name;
    std::vector<Piece> pieces;
    const char* first;  // delivered under OverlapPolicy::kFirst
    const char* last;   // and kLast
  };
  const Case cases[] = {
      {"in order", {{0, "abc"}, {3, "def"}}, "abcdef", "abcdef"},
      {"swapped", {{3, "def"}, {0, "abc"}}, "abcdef", "abcdef"},
      {"three reversed", {{6, "ghi"}, {3, "def"}, {0, "abc"}}, "abcdefghi", "abcdefghi"},
      {"retransmitted", {{0, "abc"}, {0, "ABC"}, {3, "def"}}, "abcdef", "abcdef"},
      {"retransmitted with more", {{0, "abc"}, {0, "ABCDE"}, {5, "f"}}, "abcDEf", "abcDEf"},
      {"keep-alive probe", {{0, "abc"}, {2, "X"}, {3, "def"}}, "abcdef", "abcdef"},
      {"waiting twice", {{3, "def"}, {3, "DEF"}, {0, "abc"}}, "abcdef", "abcDEF"},
      {"overlaps its front", {{3, "def"}, {2, "CDE"}, {0, "ab"}}, "abCdef", "abCDEf"},
      {"overlaps its end", {{3, "def"}, {5, "FGH"}, {0, "abc"}}, "abcdefGH", "abcdeFGH"},
      {"covers it", {{3, "def"}, {2, "CDEFG"}, {0, "ab"}}, "abCdefG", "abCDEFG"},
      {"lies inside", {{2, "cdefg"}, {3, "DEF"}, {0, "ab"}}, "abcdefg", "abcDEFg"},
      {"bridges two", {{2, "c"}, {5, "f"}, {1, "BCDEFG"}, {0, "a"}}, "aBcDEfG", "aBCDEFG"},
      {"fills the hole and more", {{3, "def"}, {0, "ABCDEFGH"}}, "ABCdefGH", "ABCDEFGH"},
      {"fills the hole in part", {{4, "e"}, {0, "ab"}, {2, "cd"}}, "abcde", "abcde"},
      {"fills over two", {{1, "b"}, {3, "d"}, {0, "ABCDE"}}, "AbCdE", "ABCDE"},
      {"before the beginning", {{-2, "XYabc"}, {3, "def"}}, "abcdef", "abcdef"},
  };
  for (const Case& c : cases) {
    for (const OverlapPolicy policy : {OverlapPolicy::kFirst, OverlapPolicy::kLast}) {
      for (const uint32_t isn : {1000u, 0xffffffffu, 0xfffffffdu, 0x7ffffffdu}) {
        INFO(c.name << ", policy " << static_cast<int>(policy) << ", initial sequence number " << isn);
        TcpOptions options;
        options.overlap_policy = policy;
        TcpFixture t(options, isn, isn);
        t.handshake();
        for (const Piece& piece : c.pieces) t.data(kClient, piece.offset, piece.bytes);
        REQUIRE(t.log(kClient) == (policy == OverlapPolicy::kFirst ? c.first : c.last));
        REQUIRE(t.reassembler.pool().bytes_in_use() == 0);
      }
    }
  }
}

TEST_CASE("a hole that the receiver acknowledged is a gap", "[tcp]") {
  TcpFixture t(impatient());
  t.handshake();
  t.data(kClient, 0, "abc");
  t.data(kClient, 10, "klm");
  REQUIRE(t.log(kClient) == "abc");
  t.acknowledge(kServer, 9);  // not all of it yet
  REQUIRE(t.log(kClient) == "abc");
  t.acknowledge(kServer, 13);
  REQUIRE(t.log(kClient) == "abc[7]klm");
  REQUIRE(t.reassembler.counters().acknowledged_unseen_bytes == 7);
  REQUIRE(t.connection.stream(kClient).gap_bytes == 7);
  t.data(kClient, 3, "defghij");  // too late
  t.data(kClient, 13, "n");
  REQUIRE(t.log(kClient) == "abc[7]klmn");
}

TEST_CASE("a mirror may show the acknowledgment before the data", "[tcp]") {
  TcpFixture t;
  t.handshake();
  t.data(kClient, 3, "def");
  t.acknowledge(kServer, 6);
  t.data(kClient, 0, "abc");
  REQUIRE(t.log(kClient) == "abcdef");
  t.data(kClient, 9, "jkl");
  t.acknowledge(kServer, 12);
  t.now_ns += 10'000'000;
  t.acknowledge(kServer, 12);
  REQUIRE(t.log(kClient) == "abcdef[3]jkl");
}

TEST_CASE("an acknowledgment of what was never sent moves nothing", "[tcp]") {
  TcpFixture t(impatient());
  t.handshake();
  t.data(kServer, 0, "abc");
  t.acknowledge(kClient, 500'000);
  t.data(kServer, 3, "def");
  REQUIRE(t.log(kServer) == "abcdef");
  t.send(kServer, kTcpAck | kTcpFin, 6, "");
  REQUIRE(t.log(kServer) == "abcdef$");
  t.finish();
  REQUIRE(t.reassembler.counters().gap_bytes == 0);
}

TEST_CASE("what was lost at the end of a stream is a gap when its FIN shows it", "[tcp]") {
  TcpFixture t(impatient());
  t.handshake();
  t.data(kServer, 0, "abc");
  t.send(kServer, kTcpAck | kTcpFin, 10, "");
  REQUIRE(t.log(kServer) == "abc");
  t.acknowledge(kClient, 11);
  REQUIRE(t.log(kServer) == "abc[7]$");
  REQUIRE(t.reassembler.counters().acknowledged_unseen_bytes == 7);
}

TEST_CASE("finish delivers what waits, with its gaps", "[tcp]") {
  TcpFixture t;
  t.handshake();
  t.data(kClient, 3, "def");
  t.data(kClient, 8, "ij");
  t.acknowledge(kServer, 15);
  t.finish();
  REQUIRE(t.log(kClient) == "[3]def[2]ij[5]$");
  REQUIRE(t.log(kServer) == "$");
  REQUIRE(t.reassembler.pool().bytes_in_use() == 0);
  REQUIRE(t.reassembler.pool().buffers_in_use() == 0);
}

TEST_CASE("a one-sided mirror does not stall", "[tcp]") {
  TcpFixture t;
  t.send(kClient, kTcpSyn, -1, "");
  t.send(kClient, kTcpAck, 0, "abc", 0);
  REQUIRE(t.connection.established());
  t.data(kClient, 6, "ghi");
  REQUIRE(t.log(kClient) == "abc");
  SECTION("after a second") {
    t.now_ns += 1'100'000'000;
    t.data(kClient, 9, "jkl");
  }
  SECTION("when the stream's budget is used up") {
    const std::string block(100'000, 'x');
    for (int64_t offset = 9; t.log(kClient).size() == 3 && offset < 3'000'000; offset += 100'000) {
      t.data(kClient, offset, block);
      REQUIRE(t.reassembler.pool().bytes_in_use() <= 1u << 20);
    }
    REQUIRE(t.reassembler.counters().over_limit == 1);
  }
  REQUIRE(t.log(kClient).substr(0, 9) == "abc[3]ghi");
}

TEST_CASE("a hole left open on purpose does not blind the sensor", "[tcp]") {
  TcpFixture t;
  t.handshake();
  const std::string block(10'000, 'x');
  for (int64_t offset = 3; offset < 3'000'000; offset += 10'000) {
    t.data(kClient, offset, block);
    REQUIRE(t.reassembler.pool().bytes_in_use() <= 1u << 20);
  }
  REQUIRE(t.log(kClient).empty());
  REQUIRE(t.reassembler.counters().over_limit > 0);
  t.data(kClient, 0, "abc");
  REQUIRE(t.log(kClient).substr(0, 5) == "abcxx");
}

TEST_CASE("memory for waiting segments is bounded per worker", "[tcp]") {
  TcpOptions options;
  options.reorder.worker_bytes_max = 1u << 20;
  TcpReassembler reassembler(options);
  test::RecordingSink sink;
  std::vector<TcpConnection> connections(10'000);
  const std::string byte = "x";
  for (int round = 0; round < 3; ++round) {
    for (TcpConnection& connection : connections) {
      Packet packet;
      packet.data = reinterpret_cast<const uint8_t*>(byte.data());
      DecodedPacket decoded;
      decoded.tcp_flags = kTcpAck;
      decoded.payload_length = decoded.payload_wire_length = round > 0 ? 1 : 0;
      decoded.sequence_number = static_cast<uint32_t>(round * 10);
      reassembler.segment(connection, kClient, packet, decoded, sink);
      sink = {};
      // The other side is alive, so that holes are not given up.
      decoded.payload_length = decoded.payload_wire_length = 0;
      reassembler.segment(connection, kServer, packet, decoded, sink);
      sink = {};
      REQUIRE(reassembler.pool().bytes_in_use() <= 1u << 20);
    }
  }
  REQUIRE(reassembler.counters().over_limit > 10'000);
  for (TcpConnection& connection : connections) {
    sink = {};
    reassembler.finish(connection, sink);
  }
  REQUIRE(reassembler.pool().bytes_in_use() == 0);
}

TEST_CASE("a reset counts only where the receiver would obey it", "[tcp]") {
  TcpFixture t;
  t.handshake();
  t.data(kClient, 0, "abc");
  t.send(kClient, kTcpRst, 100, "");  // in window, but not next: RFC 5961 asks for a challenge
  t.send(kClient, kTcpRst, -500, "");
  REQUIRE(t.connection.state() == TcpState::kEstablished);
  REQUIRE(t.reassembler.counters().verdict(SegmentVerdict::kResetMisplaced) == 2);
  t.data(kClient, 3, "def");
  t.send(kClient, kTcpRst, 6, "");
  REQUIRE(t.connection.state() == TcpState::kReset);
  REQUIRE(t.log(kClient) == "abcdef$");
  REQUIRE(t.log(kServer) == "$");
  t.data(kServer, 0, "ignored");
  REQUIRE(t.log(kServer) == "$");
}

TEST_CASE("a refused connection is reset", "[tcp]") {
  TcpFixture t;
  t.send(kClient, kTcpSyn, -1, "");
  t.send_raw(kServer, kTcpRst | kTcpAck, 0, "", 1001);
  REQUIRE(t.connection.state() == TcpState::kReset);
  REQUIRE_FALSE(t.connection.established());
  REQUIRE(t.log(kServer).empty());
}

TEST_CASE("data in a SYN counts when the server acknowledges it", "[tcp]") {
  TcpFixture t;
  t.send(kClient, kTcpSyn, -1, "early");
  REQUIRE(t.log(kClient).empty());
  SECTION("accepted") {
    t.send(kServer, kTcpSyn | kTcpAck, -1, "", 5);
    REQUIRE(t.log(kClient) == "early");
    t.data(kClient, 5, " late");
    REQUIRE(t.log(kClient) == "early late");
  }
  SECTION("refused, and other data sent in its place") {
    t.send(kServer, kTcpSyn | kTcpAck, -1, "", 0);
    t.data(kClient, 0, "other late");
    REQUIRE(t.log(kClient) == "other late");
  }
  SECTION("the server is not seen") {
    t.data(kClient, 5, " late");
    REQUIRE(t.log(kClient) == "early late");
  }
}

TEST_CASE("a connection begun before the capture", "[tcp]") {
  SECTION("is picked up") {
    TcpFixture t;
    t.data(kServer, 100, "abc");
    REQUIRE(t.connection.midstream());
    REQUIRE(t.connection.established());
    t.send(kClient, kTcpAck, 50, "xyz", 103);
    t.data(kServer, 103, "def");
    REQUIRE(t.log(kServer) == "abcdef");
    REQUIRE(t.log(kClient) == "xyz");
  }
  SECTION("at a keep-alive probe") {
    TcpFixture t;
    t.data(kClient, 99, "");
    t.data(kClient, 100, "abc");
    REQUIRE(t.log(kClient) == "abc");
  }
  SECTION("is left alone when so asked") {
    TcpOptions options;
    options.midstream = false;
    TcpFixture t(options);
    t.data(kServer, 100, "abc");
    t.data(kClient, 100, "abc");
    REQUIRE_FALSE(t.connection.established());
    t.finish();
    REQUIRE(t.log(kServer).find("abc") == std::string::npos);
  }
  SECTION("at its SYN+ACK") {
    TcpFixture t;
    t.send(kServer, kTcpSyn | kTcpAck, -1, "");
    t.data(kClient, 0, "abc");
    REQUIRE(t.connection.established());
    REQUIRE(t.log(kClient) == "abc");
  }
}

TEST_CASE("another connection between the same ports", "[tcp]") {
  TcpFixture t;
  t.handshake();
  t.data(kClient, 0, "abc");
  DecodedPacket syn;
  syn.tcp_flags = kTcpSyn;
  syn.sequence_number = 900'000;
  DecodedPacket syn_ack;
  syn_ack.tcp_flags = kTcpSyn | kTcpAck;
  syn_ack.acknowledgment_number = 900'001;
  SECTION("a SYN alone proves nothing while the old one is open") {
    REQUIRE_FALSE(t.connection.is_replaced_by(kClient, syn));
    REQUIRE_FALSE(t.connection.is_replaced_by(kServer, syn_ack));
    t.send_raw(kClient, kTcpSyn, 900'000, "", 0);
    t.data(kClient, 3, "def");
    REQUIRE(t.log(kClient) == "abcdef");
    REQUIRE(t.connection.is_replaced_by(kServer, syn_ack));
  }
  SECTION("after a reset it does") {
    t.send(kClient, kTcpRst, 3, "");
    REQUIRE(t.connection.is_replaced_by(kClient, syn));
    syn.sequence_number = 1000;  // a late duplicate of the first one
    REQUIRE_FALSE(t.connection.is_replaced_by(kClient, syn));
  }
}

TEST_CASE("segments out of any window are ignored until the stream has gone there", "[tcp]") {
  TcpFixture t;
  t.handshake();
  t.data(kClient, 0, "abc");
  t.data(kClient, 100'000'000, "far");
  REQUIRE(t.reassembler.counters().verdict(SegmentVerdict::kBeyondWindow) == 1);
  t.data(kClient, 3, "def");
  REQUIRE(t.log(kClient) == "abcdef");
  t.acknowledge(kServer, 100'000'000);  // so much was lost, says the receiver
  t.now_ns += 10'000'000;
  t.data(kClient, 100'000'000, "far");
  t.now_ns += 10'000'000;
  t.data(kClient, 100'000'003, "ther");
  REQUIRE(t.log(kClient) == "abcdef[99999994]farther");
}

TEST_CASE("a packet that was not captured whole leaves a gap", "[tcp]") {
  TcpFixture t;
  t.handshake();
  Packet packet;
  packet.data = reinterpret_cast<const uint8_t*>("abc");
  packet.captured_length = 3;
  DecodedPacket decoded;
  decoded.tcp_flags = kTcpAck;
  decoded.sequence_number = 1001;
  decoded.payload_length = 3;
  decoded.payload_wire_length = 8;
  t.reassembler.segment(t.connection, kClient, packet, decoded, t.sink);
  t.data(kClient, 8, "ijk");
  REQUIRE(t.log(kClient) == "abc[5]ijk");
}

TEST_CASE("nothing is delivered behind a FIN", "[tcp]") {
  TcpFixture t;
  t.handshake();
  t.data(kClient, 3, "def");
  t.send(kClient, kTcpAck | kTcpFin, 6, "");
  t.data(kClient, 6, "ghi");
  t.data(kClient, 0, "abcdefghi");
  REQUIRE(t.log(kClient) == "abcdef$");
}

TEST_CASE("which side of a first segment is the client", "[tcp]") {
  DecodedPacket decoded;
  decoded.source_port = 40000;
  decoded.destination_port = 80;
  decoded.tcp_flags = kTcpSyn;
  REQUIRE(source_is_client(decoded));
  decoded.tcp_flags = kTcpSyn | kTcpAck;
  REQUIRE_FALSE(source_is_client(decoded));
  decoded.tcp_flags = kTcpAck;
  REQUIRE(source_is_client(decoded));
  std::swap(decoded.source_port, decoded.destination_port);
  REQUIRE_FALSE(source_is_client(decoded));
}
