// Drives a Matcher without packets, streams or an HTTP parser: what a test says was seen, was seen.
#pragma once

#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "reassembly/http/http_buffers.h"
#include "reassembly/http/http_transaction.h"
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
  explicit Talk(std::shared_ptr<const RuleSet> rules) : matcher(std::move(rules)) {
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

  // One packet with all that it brings: begin(), what it brings, end(), which returns the sids in the order reported.
  // Its payload is only seen by packet rules; stream() says what reassembly makes of it.
  void begin(std::string_view payload, Direction direction = Direction::kToServer) {
    next_packet(direction);
    packet_.data = bytes_of(payload).data();
    oriented(direction).payload_length = static_cast<uint32_t>(payload.size());
    matcher.begin_packet(packet_, oriented_, facts, flow);
  }
  void add_stream(std::string_view bytes, Direction direction = Direction::kToServer) {
    uint64_t& offset = facts.stream_bytes[index(direction)];
    const uint64_t begin = offset;
    offset += bytes.size();
    matcher.stream(direction, bytes_of(bytes), begin);
  }
  void add_message(const Transaction& transaction, Direction direction, std::string_view body = {}) {
    matcher.transaction_head(transaction, direction);
    if (!body.empty()) matcher.transaction_body(transaction, direction, bytes_of(body));
    matcher.transaction_message_end(transaction, direction);
  }
  std::vector<uint32_t> end() { return sids(matcher.end_packet()); }

  // A packet that brings one thing alone.
  std::vector<uint32_t> packet(std::string_view payload, Direction direction = Direction::kToServer) {
    begin(payload, direction);
    return end();
  }
  std::vector<uint32_t> stream(std::string_view bytes, Direction direction = Direction::kToServer) {
    begin_without_packet(direction);
    add_stream(bytes, direction);
    return end();
  }
  std::vector<uint32_t> head(const Transaction& transaction, Direction direction) {
    begin_without_packet(direction);
    matcher.transaction_head(transaction, direction);
    return end();
  }
  std::vector<uint32_t> body(const Transaction& transaction, Direction direction, std::string_view bytes) {
    begin_without_packet(direction);
    matcher.transaction_body(transaction, direction, bytes_of(bytes));
    return end();
  }
  std::vector<uint32_t> message_end(const Transaction& transaction, Direction direction) {
    begin_without_packet(direction);
    matcher.transaction_message_end(transaction, direction);
    return end();
  }
  std::vector<uint32_t> transaction_end(const Transaction& transaction) {
    return sids(matcher.transaction_end(flow, transaction));
  }

  // A whole message: head, body in pieces, end.
  std::vector<uint32_t> message(const Transaction& transaction, Direction direction,
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
  void next_packet(Direction direction) {
    facts.direction = direction;
    ++packet_.ordinal;
    packet_.timestamp_ns = timestamp_ns;
  }
  void begin_without_packet(Direction direction) {
    next_packet(direction);
    matcher.begin_packet(packet_, oriented(direction), facts, flow, Matcher::Occasion::kFlowEnd);
  }
  DecodedPacket& oriented(Direction direction) {
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

  Packet packet_;
  DecodedPacket oriented_;

 public:
  Matcher matcher;
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

// Heads and buffers point into it: it stays where it was made.
struct Exchange : HttpTransaction {
  Exchange(std::string_view request_text, std::string_view response_text, uint64_t number = 0) {
    id = number;
    buffers = &own_buffers;
    parse_head(request, request_text, true);
    if (!response_text.empty()) parse_head(response, response_text, false);
    normalised_uri = request.uri;
    if (const HttpField* host = request.find("host")) normalised_host = host->value;
  }

  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  mutable HttpBuffers own_buffers;
};

}  // namespace gatetape::engine_test
