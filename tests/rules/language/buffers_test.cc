// Every sticky buffer in the table is proved by a rule that fires on it. A buffer without a proof fails here.
#include <fmt/format.h>

#include <map>

#include "packet/buffers.h"
#include "rules/language/keywords.h"
#include "tests/rules/engine/engine_support.h"

namespace gatetape {
namespace {

using engine_test::compile_text;
using engine_test::Exchange;
using engine_test::Talk;

// For each buffer, the content that a rule finds in it in the traffic of made_up(). Each header field FIELD that the
// table names has "value of FIELD" there.
const std::map<std::string_view, std::string_view> kProofs = {
    {"pkt_data", "request body"},
    {"http.method", "BREW"},
    {"http.uri", "/pot?id=1"},
    {"http.uri.raw", "/pot?id=1"},
    {"http.protocol", "HTTP/1.1"},
    {"http.request_line", "BREW /pot"},
    {"http.response_line", "418 teapot"},
    {"http.stat_code", "418"},
    {"http.stat_msg", "teapot"},
    {"http.start", "HTTP/1.1 418 teapot|0d 0a|"},
    {"http.header", "user-agent|3a| value of user-agent|0d 0a|"},
    {"http.header.raw", "cookie|3a| value of cookie|0d 0a|"},
    {"http.header_names", "|0d 0a|referer|0d 0a|"},
    {"http.request_header", "referer|3a| value of referer"},
    {"http.response_header", "server|3a| value of server"},
    {"http.host", "value of host"},
    {"http.host.raw", "value of host"},
    {"http.user_agent", "value of user-agent"},
    {"http.cookie", "value of set-cookie"},
    {"http.content_type", "value of content-type"},
    {"http.content_len", "value of content-length"},
    {"http.accept", "value of accept"},
    {"http.accept_enc", "value of accept-encoding"},
    {"http.accept_lang", "value of accept-language"},
    {"http.connection", "value of connection"},
    {"http.referer", "value of referer"},
    {"http.location", "value of location"},
    {"http.server", "value of server"},
    {"http.request_body", "request body"},
    {"http.response_body", "response body"},
    {"file.data", "response body"},
};

// A request and a response with every header field that a buffer is made of.
Exchange made_up() {
  std::map<std::string_view, std::string> request, response;
  for (const BufferInfo& row : kBuffers) {
    const std::string_view in_response = row.response_field.empty() ? row.field : row.response_field;
    if (row.field.empty()) continue;
    if (row.directions & kInRequest) request[row.field] = fmt::format("{0}: value of {0}\r\n", row.field);
    if (row.directions & kInResponse) response[in_response] = fmt::format("{0}: value of {0}\r\n", in_response);
  }
  const auto head = [](std::string text, const auto& fields) {
    for (const auto& [name, line] : fields) text += line;
    return text + "\r\n";
  };
  return {head("BREW /pot?id=1 HTTP/1.1\r\n", request), head("HTTP/1.1 418 teapot\r\n", response)};
}

// Whether the rule reports anything in the exchange.
bool fires(const std::string& rule, const Exchange& exchange, bool with_bodies) {
  Talk talk(compile_text(rule));
  using Pieces = std::vector<std::string_view>;
  auto hits = talk.message(exchange, Direction::kToServer, with_bodies ? Pieces{"request ", "body"} : Pieces{});
  const auto more = talk.message(exchange, Direction::kToClient, with_bodies ? Pieces{"response ", "body"} : Pieces{});
  return !hits.empty() || !more.empty();
}

void prove(const std::string& options) {
  const std::string rule = fmt::format("alert http any any -> any any ({}; sid:1;)", options);
  INFO(rule);
  CHECK(fires(rule, made_up(), true));
  CHECK_FALSE(fires(rule, Exchange("GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n"), false));
}

TEST_CASE("buffers: a rule fires on every sticky buffer, by every keyword for it") {
  for (const BufferInfo& row : kBuffers) {
    INFO("buffer " << row.name);
    const auto proof = kProofs.find(row.name);
    REQUIRE(proof != kProofs.end());
    const std::string_view content = proof->second;
    prove(fmt::format("{}; content:\"{}\"", row.name, content));
    if (!row.old_name.empty()) prove(fmt::format("{}; content:\"{}\"", row.old_name, content));
    if (!row.modifier.empty()) prove(fmt::format("content:\"{}\"; {}", content, row.modifier));
    if (row.pcre_letter != 0 && content.find('|') == content.npos) {
      prove(fmt::format("pcre:\"/{}/{}\"", row.name == "http.uri" || row.name == "http.uri.raw" ? "pot.id=1" : content,
                        row.pcre_letter));
    }
  }
  CHECK(kProofs.size() == kBufferCount);
}

TEST_CASE("buffers: a buffer takes the transforms that its row allows") {
  for (const BufferInfo& row : kBuffers) {
    for (size_t t = 0; t < kTransformNames.size(); ++t) {
      const std::string rule =
          fmt::format("alert tcp any any -> any any ({}; {}; content:\"a\"; sid:1;)", row.name, kTransformNames[t]);
      INFO(rule);
      const ParsedRules parsed = parse_rule_text("t", rule, RuleVariables::defaults());
      CHECK(parsed.report.loaded == (contains(row.transforms, static_cast<Transform>(t)) ? 1u : 0u));
    }
  }
}

TEST_CASE("buffers: naming a buffer again asks for another instance where a transaction can have several") {
  for (const BufferInfo& row : kBuffers) {
    const std::string rule = fmt::format(
        "alert tcp any any -> any any ({0}; content:\"a\"; pkt_data; content:\"c\"; {0}; content:\"b\"; sid:1;)",
        row.name);
    INFO(rule);
    const ParsedRules parsed = parse_rule_text("t", rule, RuleVariables::defaults());
    REQUIRE(parsed.rules.size() == 1);
    const size_t groups = row.source == BufferSource::kPackets ? 1 : row.several ? 3 : 2;
    CHECK(parsed.rules[0].groups.size() == groups);
  }
}

}  // namespace
}  // namespace gatetape
