#include <fmt/format.h>

#include "rules/engine/buffers.h"
#include "rules/engine/flow_rule_state.h"
#include "tests/rules/engine/engine_support.h"

namespace gatetape {
namespace {

using engine_test::compile_text;
using engine_test::Exchange;
using engine_test::Talk;

constexpr const char* kRequest =
    "POST /shop/cart.php?id=7 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: curl/8\r\nCookie: a=1\r\n"
    "Accept: text/html\r\nContent-Type: text/plain\r\nX-Two: one\r\nx-two: two\r\nReferer: http://r/\r\n"
    "Content-Length: 5\r\nConnection: close\r\nAccept-Encoding: gzip\r\nAccept-Language: en\r\n\r\n";
constexpr const char* kResponse =
    "HTTP/1.1 302 Found\r\nServer: nginx\r\nSet-Cookie: b=2\r\nLocation: http://l/\r\nContent-Type: text/css\r\n\r\n";

TEST_CASE("each HTTP buffer holds what is documented") {
  const Exchange exchange(kRequest, kResponse);
  struct BufferCase {
    Buffer buffer;
    Direction direction;
    std::string expected;
  };
  const auto request = Direction::kToServer, response = Direction::kToClient;
  const BufferCase cases[] = {
      {buffer_named("http.method"), request, "POST"},
      {buffer_named("http.uri"), request, "/shop/cart.php?id=7"},
      {buffer_named("http.uri.raw"), request, "/shop/cart.php?id=7"},
      {buffer_named("http.protocol"), request, "HTTP/1.1"},
      {buffer_named("http.protocol"), response, "HTTP/1.1"},
      {buffer_named("http.request_line"), request, "POST /shop/cart.php?id=7 HTTP/1.1"},
      {buffer_named("http.response_line"), response, "HTTP/1.1 302 Found"},
      {buffer_named("http.header"), response, "Server: nginx\r\nLocation: http://l/\r\nContent-Type: text/css\r\n"},
      {buffer_named("http.header.raw"), response,
       "Server: nginx\r\nSet-Cookie: b=2\r\nLocation: http://l/\r\nContent-Type: text/css\r\n\r\n"},
      {buffer_named("http.header_names"), request,
       "\r\nHost\r\nUser-Agent\r\nCookie\r\nAccept\r\nContent-Type\r\nX-Two\r\nReferer\r\nContent-Length\r\n"
       "Connection\r\nAccept-Encoding\r\nAccept-Language\r\n\r\n"},
      {buffer_named("http.header_names"), response, "\r\nServer\r\nSet-Cookie\r\nLocation\r\nContent-Type\r\n\r\n"},
      {buffer_named("http.host"), request, "shop.example.com"},
      {buffer_named("http.user_agent"), request, "curl/8"},
      {buffer_named("http.cookie"), request, "a=1"},
      {buffer_named("http.cookie"), response, "b=2"},
      {buffer_named("http.content_type"), request, "text/plain"},
      {buffer_named("http.content_type"), response, "text/css"},
      {buffer_named("http.content_len"), request, "5"},
      {buffer_named("http.accept"), request, "text/html"},
      {buffer_named("http.accept_enc"), request, "gzip"},
      {buffer_named("http.accept_lang"), request, "en"},
      {buffer_named("http.connection"), request, "close"},
      {buffer_named("http.referer"), request, "http://r/"},
      {buffer_named("http.location"), response, "http://l/"},
      {buffer_named("http.server"), response, "nginx"},
      {buffer_named("http.start"), response,
       "HTTP/1.1 302 Found\r\nServer: nginx\r\nSet-Cookie: b=2\r\nLocation: http://l/\r\nContent-Type: "
       "text/css\r\n\r\n"},
      {buffer_named("http.stat_code"), response, "302"},
      {buffer_named("http.stat_msg"), response, "Found"},
      {buffer_named("http.request_body"), request, "hello"},
      {buffer_named("http.response_body"), response, "hello"},
      {buffer_named("file.data"), response, "hello"},
  };
  TransactionBuffers buffers;
  for (const BufferCase& c : cases) {
    buffers.begin(exchange, c.direction, engine_test::bytes_of("hello"));
    std::vector<std::string> instances;
    buffers.any(c.buffer, [&](std::span<const uint8_t> bytes) {
      instances.emplace_back(bytes.begin(), bytes.end());
      return false;
    });
    INFO(to_string(c.buffer));
    CHECK(instances == std::vector<std::string>{c.expected});
  }
  // A missing field has no instance; repeated fields are one.
  buffers.begin(exchange, response, {});
  CHECK_FALSE(buffers.any(buffer_named("http.response_body"), [](auto) { return true; }));
  CHECK_FALSE(buffers.any(buffer_named("http.content_len"), [](auto) { return true; }));
  buffers.begin(exchange, request, {});
  CHECK(buffers.any(buffer_named("http.header"), [](std::span<const uint8_t> bytes) {
    return std::string(bytes.begin(), bytes.end()).find("X-Two: one, two\r\n") != std::string::npos;
  }));
}

TEST_CASE("transforms") {
  std::string scratch;
  const auto apply = [&](std::vector<Transform> transforms, std::string_view text) {
    const auto out = transformed(engine_test::bytes_of(text), transforms, scratch);
    return std::string(out.begin(), out.end());
  };
  CHECK(apply({Transform::kDotPrefix}, "a.b") == ".a.b");
  CHECK(apply({Transform::kToLowercase}, "AbC") == "abc");
  CHECK(apply({Transform::kStripWhitespace}, " a\tb\r\n") == "ab");
  CHECK(apply({Transform::kCompressWhitespace}, "a \t b  c") == "a b c");
  CHECK(apply({Transform::kToLowercase, Transform::kDotPrefix}, "X") == ".x");
}

TEST_CASE("a rule's groups must match in the same transaction") {
  Talk talk(compile_text(
      "alert http any any -> any any (http.method; content:\"POST\"; http.uri; content:\"cart\"; sid:1;)\n"
      "alert http any any -> any any (http.uri; content:\"cart\"; http.request_body; content:\"evil\"; sid:2;)\n"
      "alert http any any -> any any (http.host; dotprefix; content:\".example.com\"; endswith; sid:3;)\n"
      "alert http any any -> any any (http.stat_code; content:\"302\"; file.data; content:\"x\"; sid:4;)\n"
      "alert http any any -> any any (http.uri; urilen:19; sid:5;)\n"
      "alert tcp any any -> any any (http.uri; content:\"cart\"; noalert; sid:6;)\n"
      "alert http any any -> any any (http.method; bsize:4; content:\"POST\"; sid:7;)\n"
      "alert http any any -> any any (http.method; bsize:>4; content:\"POST\"; sid:8;)\n"));
  const Exchange post(kRequest, kResponse);
  Exchange get("GET /index HTTP/1.1\r\nHost: other\r\n\r\n", "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n");
  get.id = 1;
  CHECK(talk.head(post, Direction::kToServer) == std::vector<uint32_t>{1, 3, 5, 7});
  CHECK(talk.head(get, Direction::kToServer).empty());
  // The second transaction's body is not the first's.
  CHECK(talk.body(get, Direction::kToServer, "evil").empty());
  CHECK(talk.message_end(get, Direction::kToServer).empty());
  CHECK(talk.body(post, Direction::kToServer, "ev").empty());
  CHECK(talk.body(post, Direction::kToServer, "il").empty());
  CHECK(talk.message_end(post, Direction::kToServer) == std::vector<uint32_t>{2});
  CHECK(talk.message(post, Direction::kToClient, {"a", "x"}) == std::vector<uint32_t>{4});
  CHECK(talk.message(get, Direction::kToClient, {"x"}).empty());
}

TEST_CASE("a body is inspected once, at its end or at the limit") {
  Talk talk(compile_text("alert http any any -> any any (file.data; content:\"needle\"; sid:1;)"));
  const Exchange exchange(kRequest, kResponse);
  const auto direction = Direction::kToClient;
  const std::string kilobyte(1024, '.');
  CHECK(talk.head(exchange, direction).empty());
  CHECK(talk.body(exchange, direction, "needle").empty());
  size_t hits = 0;
  for (size_t i = 0; i < 4 * kBodyBytesInspected / kilobyte.size(); ++i) {
    hits += talk.body(exchange, direction, kilobyte).size();
  }
  CHECK(hits == 1);
  CHECK(talk.message_end(exchange, direction).empty());
}

}  // namespace
}  // namespace gatetape
