// HTTP/1, case by case; each case also in other pieces than it came in.
#include "reassembly/http/http1.h"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "tests/reassembly/http/http_log.h"

using namespace gatetape;
using gatetape::test::HttpLog;

namespace {

constexpr Direction kClient = Direction::kToServer, kServer = Direction::kToClient;

// One thing that happens: bytes of a direction, a gap, or its end.
struct Step {
  char kind;  // '>' and '<': bytes of the client and the server; '(' and ')': a gap there; '[' and ']': its end
  std::string bytes;
  uint64_t gap = 0;
};
Step request(std::string bytes) {
  return {'>', std::move(bytes)};
}
Step response(std::string bytes) {
  return {'<', std::move(bytes)};
}
Step request_gap(uint64_t length) {
  return {'(', "", length};
}
Step response_gap(uint64_t length) {
  return {')', "", length};
}
Step request_end() {
  return {'[', ""};
}
Step response_end() {
  return {']', ""};
}

// Runs the steps with their bytes in pieces of `piece()` bytes.
template <class Piece>
std::string run(const std::vector<Step>& steps, const Http1Options& options, bool midstream, Piece&& piece) {
  HttpPool pool;
  Http1Parser parser(pool, options);
  HttpLog log;
  {
    Http1Connection connection;
    if (midstream) connection.set_midstream();
    const Packet packet;
    for (const Step& step : steps) {
      const Direction direction = std::string_view(">([").find(step.kind) != std::string_view::npos ? kClient : kServer;
      if (step.gap > 0) parser.gap(connection, direction, step.gap, packet, log);
      if (step.kind == '[' || step.kind == ']') parser.end_stream(connection, direction, log);
      for (size_t at = 0; at < step.bytes.size();) {
        const size_t length = std::min(piece(), step.bytes.size() - at);
        // A copy of its own, so that reading past the piece shows under AddressSanitizer.
        const std::vector<uint8_t> bytes(step.bytes.begin() + static_cast<ptrdiff_t>(at),
                                         step.bytes.begin() + static_cast<ptrdiff_t>(at + length));
        parser.consume(connection, direction, bytes, packet, log);
        at += length;
      }
    }
    parser.finish(connection, log);
    parser.finish(connection, log);
    REQUIRE(connection.outstanding() == 0);
  }
  REQUIRE(log.all_ended());
  REQUIRE(pool.in_use() == 0);
  REQUIRE(pool.head_bytes() == 0);
  REQUIRE(parser.counters().transactions == log.ended);
  return log.text();
}

void check(const char* name, const std::vector<Step>& steps, const std::string& expected,
           const Http1Options& options = {}, bool midstream = false) {
  INFO(name);
  REQUIRE(run(steps, options, midstream, [] { return SIZE_MAX; }) == expected);
  for (size_t length = 1; length <= 7; ++length) {
    INFO("pieces of " << length);
    REQUIRE(run(steps, options, midstream, [length] { return length; }) == expected);
  }
  const uint32_t seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int round = 0; round < 20; ++round) {
    INFO("pieces of random length, seed " << seed << " round " << round);
    REQUIRE(run(steps, options, midstream, [&random] { return 1 + static_cast<size_t>(random() % 50); }) == expected);
  }
}

const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const std::string kExchange = "> GET / a\n> end\n< 200\n< \"hi\"\n< end\n";

}  // namespace

TEST_CASE("HTTP/1 messages and their bodies", "[http]") {
  check("a request and its response", {request(kGet), response(kOk)}, kExchange + "= 0 ok\n");
  check("two on one connection", {request(kGet), response(kOk), request(kGet), response(kOk)},
        kExchange + "= 0 ok\n" + kExchange + "= 1 ok\n");
  check("pipelined", {request(kGet + "GET /2 HTTP/1.1\r\n\r\n"), response(kOk + kOk)},
        "> GET / a\n> end\n> GET /2 \n> end\n< 200\n< \"hi\"\n< end\n= 0 ok\n< 200\n< \"hi\"\n< end\n= 1 ok\n");
  check("bare LF ends lines",
        {request("GET / HTTP/1.0\nHost: a\n\n"), response("HTTP/1.0 200 OK\nContent-Length: 2\n\nhi")},
        kExchange + "= 0 ok\n");
  check("empty lines before a start line", {request("\r\n\n" + kGet), response("\r\n" + kOk + "\r\n")},
        kExchange + "= 0 ok\n");
  check("a request body", {request("POST /p HTTP/1.1\r\nHost: B\r\nContent-Length: 5\r\n\r\nabcde"), response(kOk)},
        "> POST /p b\n> \"abcde\"\n> end\n< 200\n< \"hi\"\n< end\n= 0 ok\n");
  check("a body until the stream ends",
        {request(kGet), response("HTTP/1.0 200 OK\r\n\r\nall\r\n\r\nof it"), response_end()},
        "> GET / a\n> end\n< 200\n< \"all\r\n\r\nof it\"\n< end\n= 0 ok\n");
  check("no reason, no fields", {request(kGet), response("HTTP/1.1 204\r\n\r\n")},
        "> GET / a\n> end\n< 204\n< end\n= 0 ok\n");
}

TEST_CASE("HTTP/1 responses without a body", "[http]") {
  check("HEAD",
        {request("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), response("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
         request(kGet), response(kOk)},
        "> HEAD / a\n> end\n< 200\n< end\n= 0 ok\n" + kExchange + "= 1 ok\n");
  check("304 with a length", {request(kGet), response("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n" + kOk)},
        "> GET / a\n> end\n< 304\n< end\n= 0 ok\n< 200\n< \"hi\"\n< end\n= 1 cut 80\n");
  check("an interim response",
        {request("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
         response("HTTP/1.1 100 Continue\r\n\r\n"), request("xy"), response(kOk)},
        "> POST / a\n> \"xy\"\n> end\n< 200\n< \"hi\"\n< end\n= 0 ok\n");
}

TEST_CASE("HTTP/1 chunked bodies", "[http]") {
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n";
  const auto body = [&](const char* name, const std::string& chunks, const std::string& expected) {
    check(name, {request(kGet), response(head + chunks), request(kGet), response(kOk)},
          "> GET / a\n> end\n< 200\n" + expected);
  };
  const std::string next = kExchange + "= 1 ok\n";
  body("two chunks", "5\r\nabcde\r\n1;x=\"y\"\r\nf\r\n0\r\n\r\n", "< \"abcdef\"\n< end\n= 0 ok\n" + next);
  body("hex digits, leading zeros, bare LF", "00a \n0123456789\n0\n\n", "< \"0123456789\"\n< end\n= 0 ok\n" + next);
  body("trailers", "1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", "< \"x\"\n< end\n= 0 ok\n" + next);
  body("no line end behind a chunk", "1\r\nx1\r\ny\r\n0\r\n\r\n", "< \"xy\"\n< end\n= 0 ok 8\n" + next);
  body("not a size", "1\r\nx\r\nzz\r\nlost\r\n", "< \"x\"\n= 0 cut 8\n" + next);
  body("a size beyond all measure", "fffffffffffffffffffffff\r\n", "= 0 cut 8\n" + next);
}

TEST_CASE("HTTP/1 lengths that contradict", "[http]") {
  const auto answer = [&](const char* name, const std::string& fields, const std::string& body,
                          const std::string& expected) {
    check(name, {request(kGet), response("HTTP/1.1 200 OK\r\n" + fields + "\r\n" + body)},
          "> GET / a\n> end\n< 200\n" + expected);
  };
  answer("the same twice", "Content-Length: 2\r\nContent-Length: 2, 2\r\n", "hi", "< \"hi\"\n< end\n= 0 ok\n");
  answer("two that differ", "Content-Length: 2\r\nContent-Length: 7\r\n", "hi", "< \"hi\"\n< end\n= 0 ok 10\n");
  answer("not a number", "Content-Length: x\r\n", "hi", "< \"hi\"\n< end\n= 0 ok 10\n");
  answer("a number and more", "Content-Length: 2x\r\n", "hi", "< \"hi\"\n< end\n= 0 ok 10\n");
  answer("beside chunked", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n",
         "< \"abc\"\n< end\n= 0 ok 20\n");
  answer("folded", "Content-Length:\r\n 2\r\n", "hi", "< \"hi\"\n< end\n= 0 ok\n");
  answer("space before the colon", "Content-Length : 2\r\n", "hi", "< \"hi\"\n< end\n= 0 ok 4\n");
}

TEST_CASE("HTTP/1 connections that end early", "[http]") {
  check("inside a head", {request("GET /cu"), request_end()}, "> GET /cu  cut\n= 0 cut 102\n");
  check("inside a body", {request(kGet), response("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"), response_end()},
        "> GET / a\n> end\n< 200\n< \"hi\"\n= 0 cut 100\n");
  check("without a response", {request(kGet), request_end(), response_end()}, "> GET / a\n> end\n= 0 cut\n");
  check("a request behind the response stream's end", {response_end(), request(kGet)}, "> GET / a\n> end\n= 0 cut\n");
  check("without a request", {response(kOk)}, "< 200\n< \"hi\"\n< end\n= 0 cut 80\n");
  check("a response before the request is complete",
        {request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab"),
         response("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n"), request("cd" + kGet), response(kOk)},
        "> POST / a\n> \"ab\"\n< 413\n< end\n> \"cd\"\n> end\n= 0 ok\n" + kExchange + "= 1 ok\n");
}

TEST_CASE("HTTP/1 tunnels", "[http]") {
  check("CONNECT",
        {request("CONNECT db:5432 HTTP/1.1\r\nHost: db\r\n\r\n"), response("HTTP/1.1 200 Go\r\n\r\nGET bytes"),
         request("GET / HTTP/1.1\r\n\r\n")},
        "> CONNECT db:5432 db\n> end\n< 200\n< end\n= 0 ok\n");
  check("CONNECT refused",
        {request("CONNECT db:5432 HTTP/1.1\r\nHost: db\r\n\r\n"),
         response("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), request(kGet), response(kOk)},
        "> CONNECT db:5432 db\n> end\n< 403\n< end\n= 0 ok\n" + kExchange + "= 1 ok\n");
  check("upgrade",
        {request(kGet), response("HTTP/1.1 101 Switch\r\nUpgrade: websocket\r\n\r\n\x81\x05HTTP/"), request(kGet)},
        "> GET / a\n> end\n< 101\n< end\n= 0 ok\n");
}

TEST_CASE("HTTP/1 with bytes missing", "[http]") {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
  const std::string asked = "> GET / a\n> end\n";
  check("inside a body of known length",
        {request(kGet), response(head + "abc"), response_gap(4), response("xyz" + kOk)},
        asked + "< 200\n< \"abc\"\n< (4)\n< \"xyz\"\n< end\n= 0 ok 40\n< 200\n< \"hi\"\n< end\n= 1 cut 80\n");
  check("inside a chunk",
        {request(kGet), response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nab"), response_gap(5),
         response("c\r\n0\r\n\r\n")},
        asked + "< 200\n< \"ab\"\n< (5)\n< \"c\"\n< end\n= 0 ok 40\n");
  check(
      "beyond a body, with the next response",
      {request(kGet), response(head + "abc"), request(kGet), response_gap(50), request(kGet), response("x\r\n" + kOk)},
      asked + "< 200\n< \"abc\"\n" + asked + "< (7)\n< end\n= 0 ok 40\n" + asked +
          "= 1 cut 40\n< 200\n< \"hi\"\n< end\n= 2 ok\n");
  check("a request", {request_gap(30), response(kOk), request(kGet), response(kOk)},
        "< 200\n< \"hi\"\n< end\n= 0 cut 80\n" + kExchange + "= 1 ok\n");
  check("a response's head",
        {request(kGet), response("HTTP/1.1 200 O"), response_gap(60), request(kGet), response(kOk)},
        asked + "< 200 cut\n= 0 cut 40\n" + kExchange + "= 1 ok\n");
  check("several responses of a client that does not pipeline",
        {request(kGet), response_gap(1), request(kGet), request(kGet), response("body\r\n" + kOk)},
        asked + asked + asked + "= 0 cut 40\n= 1 cut 40\n< 200\n< \"hi\"\n< end\n= 2 ok\n");
  check("until the stream ends",
        {request(kGet), response("HTTP/1.0 200 OK\r\n\r\nab"), response_gap(7), response("c"), response_end()},
        asked + "< 200\n< \"ab\"\n< (7)\n< \"c\"\n< end\n= 0 ok 40\n");
}

TEST_CASE("HTTP/1 finds its place again", "[http]") {
  check("behind nonsense", {request("\x01\x02 garbage\nGETX\nGE GET / HTTP\n" + kGet), response(kOk)},
        kExchange + "= 0 ok\n");
  check("behind what is not quite a response", {request(kGet), response("HTTtp/ 200\r\n\r\n" + kOk)},
        kExchange + "= 0 ok\n");
  check("in the middle of a connection",
        {response("dy of a response\r\n" + kOk), request("half\n" + kGet), response(kOk)},
        "< 200\n< \"hi\"\n< end\n= 0 cut 80\n" + kExchange + "= 1 ok\n", {}, true);
  check("a start line that is none", {request("nonsense\r\nHost: a\r\n\r\n"), response(kOk)},
        "> nonsense  a\n> end\n< 200\n< \"hi\"\n< end\n= 0 ok 2\n");
}

TEST_CASE("HTTP/1 heads have a limit", "[http]") {
  Http1Options options;
  options.head_bytes_max = 100;
  const std::string endless = "GET /long HTTP/1.1\r\nHost: a\r\nX: " + std::string(1000, 'x');
  check("a head", {request(endless + "\r\n\r\n" + kGet), response(kOk), response(kOk)},
        "> GET /long a cut\n> GET / a\n> end\n< 200\n< \"hi\"\n< end\n= 0 cut 1\n< 200\n< \"hi\"\n< end\n= 1 ok\n",
        options);
  check("a chunk-size line",
        {request(kGet),
         response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(1000, 'x') + "\n")},
        "> GET / a\n> end\n< 200\n= 0 cut 8\n", options);
  check("trailers",
        {request(kGet),
         response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + std::string(200, 'x') + "\n\n")},
        "> GET / a\n> end\n< 200\n= 0 cut 1\n", options);
  options.fields_max = 1;
  check("fields", {request("GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n"), response(kOk)}, kExchange + "= 0 ok 1\n",
        options);
}

TEST_CASE("requests without responses have a limit", "[http]") {
  Http1Options options;
  options.outstanding_max = 10;
  HttpPool pool;
  Http1Parser parser(pool, options);
  HttpLog log;
  Http1Connection connection;
  const std::vector<uint8_t> bytes(kGet.begin(), kGet.end());
  for (int i = 0; i < 100; ++i) {
    parser.consume(connection, kClient, bytes, Packet(), log);
    REQUIRE(pool.in_use() <= 10);
  }
  REQUIRE(parser.counters().over_outstanding == 90);
  REQUIRE(log.ended == 90);
  parser.finish(connection, log);
  REQUIRE(log.ended == 100);
}

TEST_CASE("head bytes of all connections have a limit", "[http]") {
  HttpPool pool(1u << 20);
  Http1Parser parser(pool);
  HttpLog log;
  std::vector<Http1Connection> connections(1000);
  const std::string start = "GET / HTTP/1.1\r\nX: ";
  const std::vector<uint8_t> first(start.begin(), start.end());
  const std::vector<uint8_t> more(1000, 'x');
  for (Http1Connection& connection : connections) parser.consume(connection, kClient, first, Packet(), log);
  for (int round = 0; round < 30; ++round) {
    for (Http1Connection& connection : connections) {
      parser.consume(connection, kClient, more, Packet(), log);
      REQUIRE(pool.head_bytes() < (1u << 20) + (64u << 10));
    }
  }
  REQUIRE(parser.counters().over_memory > 0);
  for (Http1Connection& connection : connections) parser.finish(connection, log);
  REQUIRE(log.ended == 1000);
}

TEST_CASE("a head's fields are views of what was sent", "[http]") {
  struct Sink {
    void on_http_head(HttpTransaction& t, Direction) {
      const HttpHead& head = t.request;
      CHECK(head.complete);
      CHECK(head.start_line == "GET  /a?b=c#d   HTTP/1.1");
      CHECK(head.method == "GET");
      CHECK(head.uri == "/a?b=c#d");
      CHECK(head.protocol == "HTTP/1.1");
      CHECK(head.raw_fields == "Host: x\r\nEmpty:\r\nFold: one\r\n\ttwo \r\nno colon\r\n");
      REQUIRE(head.fields.size() == 4);
      CHECK(head.fields[2].name == "Fold");
      CHECK(head.fields[2].value == "one\r\n\ttwo");
      CHECK(head.fields[3].name.empty());
      CHECK(head.fields[3].value == "no colon");
      REQUIRE(head.find("HOST") != nullptr);
      CHECK(head.find("host")->value == "x");
      CHECK(head.find("empty")->value.empty());
      CHECK(head.find("missing") == nullptr);
      CHECK(t.request_timestamp_ns == 77);
      CHECK(t.request_ordinal == 5);
      ++heads;
    }
    void on_http_body(HttpTransaction&, Direction, std::span<const uint8_t>) {}
    void on_http_message_end(HttpTransaction&, Direction) {}
    void on_http_transaction_end(HttpTransaction&) {}
    int heads = 0;
  };
  HttpPool pool;
  Http1Parser parser(pool);
  Sink sink;
  Http1Connection connection;
  const std::string text = "GET  /a?b=c#d   HTTP/1.1\r\nHost: x\r\nEmpty:\r\nFold: one\r\n\ttwo \r\nno colon\r\n\r\n";
  Packet packet;
  packet.timestamp_ns = 77;
  packet.ordinal = 5;
  parser.consume(connection, kClient, std::vector<uint8_t>(text.begin(), text.end()), packet, sink);
  parser.finish(connection, sink);
  REQUIRE(sink.heads == 1);
}
