// Protocol detection, whole and byte by byte.
#include "reassembly/app_protocol.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace gatetape;

namespace {

constexpr Direction kClient = Direction::kToServer, kServer = Direction::kToClient;

std::span<const uint8_t> span_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

TEST_CASE("protocols by their first bytes", "[protocol]") {
  struct Case {
    Direction direction;
    std::string bytes;
    AppProtocol protocol;
  };
  const Case cases[] = {
      {kClient, "GET / HTTP/1.1\r\n", AppProtocol::kHttp1},
      {kClient, "PROPPATCH http://a/ HTTP/1.1\r\n", AppProtocol::kHttp1},
      {kClient, "M-SEARCH * HTTP/1.1\r\n", AppProtocol::kHttp1},
      {kClient, "CONNECT a:1 HTTP/1.1\r\n", AppProtocol::kHttp1},
      {kServer, "HTTP/1.1 200 OK\r\n", AppProtocol::kHttp1},
      {kClient, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", AppProtocol::kHttp2},
      {kClient, std::string("\x16\x03\x01\x02\x00\x01\x00", 7), AppProtocol::kTls},
      {kServer, std::string("\x16\x03\x03\x00\x7a\x02\x00", 7), AppProtocol::kTls},
      {kServer, "SSH-2.0-OpenSSH_9.2\r\n", AppProtocol::kSsh},
      {kClient, "GE", AppProtocol::kUnknown},
      {kClient, "get / HTTP/1.1\r\n", AppProtocol::kUnknown},
      {kClient, "HELLO", AppProtocol::kUnknown},
      {kClient, "HELLO world", AppProtocol::kUnknown},
      {kServer, "HTTP/2.0 200 OK", AppProtocol::kUnknown},
      {kClient, "ABCDEFGHIJKLMNOPQRSTUVWXYZ / HTTP/1.1", AppProtocol::kUnknown},
      {kClient, std::string("\x16\x03\x01\x02\x00\x07\x00", 7), AppProtocol::kUnknown},
  };
  for (const Case& c : cases) {
    INFO(c.bytes);
    AppProtocolDetector whole;
    whole.look(c.direction, span_of(c.bytes));
    REQUIRE(whole.protocol() == c.protocol);
    REQUIRE_FALSE(whole.reversed());

    AppProtocolDetector pieces;
    size_t looked_at = 0;
    while (looked_at < c.bytes.size() && !pieces.look(c.direction, span_of(c.bytes).subspan(looked_at, 1))) ++looked_at;
    REQUIRE(pieces.protocol() == c.protocol);
    if (pieces.decided()) {
      // The bytes that a parser gets first and the piece that decided are the stream's beginning.
      const auto held = pieces.held(c.direction);
      REQUIRE(std::string(held.begin(), held.end()) == c.bytes.substr(0, looked_at));
    }
  }
}

TEST_CASE("what nobody knows is decided when both directions have begun so", "[protocol]") {
  AppProtocolDetector detector;
  REQUIRE_FALSE(detector.look(kServer, span_of("220 mail")));
  REQUIRE(detector.look(kClient, span_of("EHLO x")));
  REQUIRE(detector.protocol() == AppProtocol::kOther);
  REQUIRE(detector.held(kServer).empty());
}

TEST_CASE("a client taken for the server is noticed", "[protocol]") {
  AppProtocolDetector detector;
  REQUIRE(detector.look(kServer, span_of("GET / HTTP/1.1\r\n")));
  REQUIRE(detector.reversed());
}

TEST_CASE("in the middle of a stream any piece may begin a message", "[protocol]") {
  AppProtocolDetector detector;
  detector.set_midstream();
  REQUIRE_FALSE(detector.look(kServer, span_of("rest of a body")));
  REQUIRE_FALSE(detector.look(kServer, span_of("and more")));
  REQUIRE(detector.look(kServer, span_of("HTTP/1.1 200 OK\r\n")));
  REQUIRE(detector.protocol() == AppProtocol::kHttp1);
}
