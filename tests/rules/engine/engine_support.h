// Drives a Matcher without packets, streams or an HTTP parser: what a test says was seen, was seen.
#pragma once

#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rules/engine/compile.h"
#include "rules/engine/matcher.h"
#include "rules/language/parser.h"

namespace gatetape::engine_test {

inline std::shared_ptr<const RuleSet> compile_text(const std::string& text) {
  ParsedRules parsed = parse_rule_text("test.rules", text, RuleVariables::defaults());
  INFO(text);
  for (const RuleProblem& problem : parsed.report.problems)
    UNSCOPED_INFO(problem.location.column << ": " << problem.message);
  REQUIRE(parsed.report.problems.empty());
  DatabaseCache no_cache("");
  auto rules = RuleSet::compile(std::move(parsed), no_cache);
  REQUIRE(rules);
  return *rules;
}

inline std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// One flow between a client outside and a server inside, and the sids that matched in it.
class Talk {
 public:
  explicit Talk(std::shared_ptr<const RuleSet> rules) : matcher_(std::move(rules)) {
    decoded.protocol = kProtocolTcp;
    decoded.ip_version = 4;
    decoded.has_transport = true;
    decoded.source = *IpAddress::parse("203.0.113.7");
    decoded.destination = *IpAddress::parse("10.0.0.1");
    decoded.source_port = 40000;
    decoded.destination_port = 80;
    facts.has_flow = facts.established = true;
    facts.flow_id = 1;
    facts.app_protocol = AppProtocol::kHttp1;
  }

  // A packet of its own from `direction`; returns the sids, in the order reported.
  std::vector<uint32_t> packet(std::string_view payload, Direction direction = Direction::kToServer) {
    begin_packet(direction);
    packet_.data = bytes_of(payload).data();
    decoded.payload_length = static_cast<uint32_t>(payload.size());
    return sids(matcher_.inspect_packet(packet_, oriented(direction), facts, flow));
  }
  std::vector<uint32_t> stream(std::string_view bytes, Direction direction = Direction::kToServer) {
    begin_packet(direction);
    uint64_t& offset = facts.stream_bytes[index(direction)];
    auto found =
        sids(matcher_.inspect_stream(packet_, oriented(direction), facts, flow, direction, bytes_of(bytes), offset));
    offset += bytes.size();
    return found;
  }
  std::vector<uint32_t> head(const HttpTransaction& transaction, Direction direction) {
    begin_packet(direction);
    return sids(matcher_.http_head(packet_, oriented(direction), facts, flow, transaction, direction));
  }
  std::vector<uint32_t> body(const HttpTransaction& transaction, Direction direction, std::string_view bytes) {
    begin_packet(direction);
    return sids(matcher_.http_body(packet_, oriented(direction), facts, flow, transaction, direction, bytes_of(bytes)));
  }
  std::vector<uint32_t> message_end(const HttpTransaction& transaction, Direction direction) {
    begin_packet(direction);
    return sids(matcher_.http_message_end(packet_, oriented(direction), facts, flow, transaction, direction));
  }
  void transaction_end(const HttpTransaction& transaction) { matcher_.http_end(flow, transaction); }

  // A whole message: head, body in pieces, end.
  std::vector<uint32_t> message(const HttpTransaction& transaction, Direction direction,
                                const std::vector<std::string_view>& pieces = {}) {
    std::vector<uint32_t> all = head(transaction, direction);
    const auto append = [&](const std::vector<uint32_t>& more) { all.insert(all.end(), more.begin(), more.end()); };
    for (const std::string_view piece : pieces) append(body(transaction, direction, piece));
    append(message_end(transaction, direction));
    return all;
  }

  DecodedPacket decoded;  // as a packet to the server
  FlowFacts facts;
  int64_t timestamp_ns = 1'000'000'000;

 private:
  void begin_packet(Direction direction) {
    facts.direction = direction;
    ++packet_.ordinal;
    packet_.timestamp_ns = timestamp_ns;
  }
  const DecodedPacket& oriented(Direction direction) {
    oriented_ = decoded;
    if (direction == Direction::kToClient) {
      std::swap(oriented_.source, oriented_.destination);
      std::swap(oriented_.source_port, oriented_.destination_port);
    }
    return oriented_;
  }
  static std::vector<uint32_t> sids(std::span<const RuleHit> hits) {
    std::vector<uint32_t> found;
    for (const RuleHit& hit : hits) found.push_back(hit.rule->sid);
    return found;
  }

  Matcher matcher_;
  Packet packet_;
  DecodedPacket oriented_;

 public:
  Matcher::FlowStatePointer flow;  // freed before the matcher
};

// A transaction as the parser makes it of well-formed heads.
inline void parse_head(HttpHead& head, std::string_view text, bool request) {
  head.clear();
  head.bytes = text;
  const std::string_view all = head.bytes;
  head.start_line = all.substr(0, all.find("\r\n"));
  const size_t first = head.start_line.find(' ');
  const size_t second = head.start_line.find(' ', first + 1);
  (request ? head.method : head.protocol) = head.start_line.substr(0, first);
  (request ? head.uri : head.status_text) = head.start_line.substr(first + 1, second - first - 1);
  (request ? head.protocol : head.reason) = head.start_line.substr(second + 1);
  head.raw_fields = all.substr(head.start_line.size() + 2, all.size() - head.start_line.size() - 4);
  for (std::string_view rest = head.raw_fields; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find("\r\n"));
    const size_t colon = line.find(": ");
    head.fields.push_back({line.substr(0, colon), line.substr(colon + 2)});
    rest.remove_prefix(line.size() + 2);
  }
  head.complete = true;
}

struct Exchange : HttpTransaction {
  Exchange(std::string_view request_text, std::string_view response_text) {
    parse_head(request, request_text, true);
    if (!response_text.empty()) parse_head(response, response_text, false);
    normalised_uri = request.uri;
    if (const HttpField* host = request.find("host")) normalised_host = host->value;
  }
};

}  // namespace gatetape::engine_test
