// Measures what loading and scanning cost: one database at a time over bytes like those it meets, then
// the matcher over whole transactions. Figures are for comparing with themselves from one change to the next.
//
//   rules_bench RULES [--databases] [BODY_FILE]
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "reassembly/http/http_buffers.h"
#include "rules/engine/compile.h"
#include "rules/engine/matcher.h"
#include "rules/engine/rule_set.h"

namespace gatetape {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

constexpr std::string_view kRequest =
    "GET /shop/catalogue/item/48213?colour=blue&size=XL&session=9f8b2c1d HTTP/1.1\r\n"
    "Host: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n"
    "Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\nAccept-Encoding: gzip\r\n"
    "Referer: https://shop.example.com/\r\nConnection: keep-alive\r\n\r\n";
constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Fri, 20 Nov 2026 22:48:24 GMT\r\nContent-Type: text/html\r\n"
    "Content-Length: 16384\r\nConnection: keep-alive\r\n\r\n";

// A head as the HTTP parser makes it, from well-formed text.
void fill(HttpHead& head, std::string_view text, bool request) {
  head.bytes = text;
  const std::string_view all = head.bytes;
  head.start_line = all.substr(0, all.find("\r\n"));
  const size_t first = head.start_line.find(' ');
  const size_t second = head.start_line.find(' ', first + 1);
  const std::string_view words[3] = {head.start_line.substr(0, first),
                                     head.start_line.substr(first + 1, second - first - 1),
                                     head.start_line.substr(second + 1)};
  (request ? head.method : head.protocol) = words[0];
  (request ? head.uri : head.status_text) = words[1];
  (request ? head.protocol : head.reason) = words[2];
  head.raw_fields = all.substr(head.start_line.size() + 2, all.size() - head.start_line.size() - 4);
  for (std::string_view rest = head.raw_fields; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find("\r\n"));
    const size_t colon = line.find(": ");
    head.fields.push_back({line.substr(0, colon), line.substr(colon + 2)});
    rest.remove_prefix(line.size() + 2);
  }
  head.complete = true;
}

std::string body_bytes(const char* path, size_t size) {
  std::string body;
  if (path != nullptr) {
    std::ifstream in(path, std::ios::binary);
    body.resize(size);
    in.read(body.data(), static_cast<std::streamsize>(size));
    body.resize(static_cast<size_t>(in.gcount()));
    return body;
  }
  // Text-like, and different throughout.
  uint64_t state = 1;
  while (body.size() < size) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    body += "<p class=\"c" + std::to_string(state >> 40) + "\">item " + std::to_string(state >> 50) + "</p>\n";
  }
  return body;
}

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

void measure_databases(const RuleSet& rules, const std::string& body) {
  hs_scratch_t* scratch = nullptr;
  for (const PrefilterInfo& info : rules.prefilters()) hs_alloc_scratch(info.prefilter->database(), &scratch);
  for (const PrefilterInfo& info : rules.prefilters()) {
    constexpr size_t kPiece = 1448;
    uint64_t hits = 0;
    const Clock::time_point start = Clock::now();
    for (size_t at = 0; at < body.size(); at += kPiece) {
      info.prefilter->scan(bytes_of(std::string_view(body).substr(at, kPiece)), scratch,
                           [&](uint32_t, uint64_t) { ++hits; });
    }
    const double seconds = seconds_since(start);
    std::printf("%-40s %6zu literals %7.2f GB/s %9.4f hits/KB\n", info.name.c_str(), info.prefilter->literal_count(),
                static_cast<double>(body.size()) / seconds / 1e9,
                static_cast<double>(hits) * 1e3 / static_cast<double>(body.size()));
  }
  hs_free_scratch(scratch);
}

struct Conversation {
  IpAddress client, server;
  const char* name;
};

void measure_matcher(const std::shared_ptr<const RuleSet>& rules, const std::string& bodies, const Conversation& who) {
  Matcher matcher(rules);
  Matcher::FlowStatePointer flow;
  HttpBuffers buffers;
  HttpTransaction transaction;
  transaction.buffers = &buffers;
  fill(transaction.request, kRequest, true);
  fill(transaction.response, kResponse, false);
  transaction.normalised_uri = transaction.request.uri;
  transaction.normalised_host = "shop.example.com";
  Packet packet;
  DecodedPacket request;
  request.protocol = kProtocolTcp;
  request.has_transport = true;
  request.source = who.client;
  request.destination = who.server;
  request.source_port = 40000;
  request.destination_port = 80;
  DecodedPacket response = request;
  std::swap(response.source, response.destination);
  std::swap(response.source_port, response.destination_port);
  FlowFacts facts;
  facts.has_flow = facts.established = true;
  facts.app_protocol = AppProtocol::kHttp1;

  // The matcher looks at a packet's bytes when the packet ends. Packet rules are not measured here.
  const auto packet_of = [&](const DecodedPacket& decoded, auto&& brings) {
    ++packet.ordinal;
    facts.direction = &decoded == &request ? Direction::kToServer : Direction::kToClient;
    matcher.begin_packet(packet, decoded, facts, flow, Matcher::Occasion::kFlowEnd);
    brings(facts.direction);
    return matcher.end_packet().size();
  };
  constexpr size_t kBody = 16384, kPiece = 1448;
  double head_seconds = 0, body_seconds = 0, stream_seconds = 0;
  uint64_t transactions = 0, hits = 0, offset = 0;
  for (size_t at = 0; at + kBody <= bodies.size(); at += kBody, ++transactions) {
    const std::span<const uint8_t> body = bytes_of(std::string_view(bodies).substr(at, kBody));
    transaction.id = transactions;
    Clock::time_point start = Clock::now();
    hits += packet_of(request, [&](Direction d) {
      matcher.transaction_head(transaction, d);
      matcher.transaction_message_end(transaction, d);
    });
    hits += packet_of(response, [&](Direction d) { matcher.transaction_head(transaction, d); });
    head_seconds += seconds_since(start);
    start = Clock::now();
    for (size_t i = 0; i < kBody; i += kPiece) {
      const auto piece = body.subspan(i, std::min(kPiece, kBody - i));
      hits += packet_of(response, [&](Direction d) {
        matcher.transaction_body(transaction, d, piece);
        if (i + piece.size() == kBody) matcher.transaction_message_end(transaction, d);
      });
    }
    matcher.transaction_end(flow, transaction);
    body_seconds += seconds_since(start);
    start = Clock::now();
    for (size_t i = 0; i < kBody; i += kPiece) {
      const auto piece = body.subspan(i, std::min(kPiece, kBody - i));
      hits += packet_of(response, [&](Direction d) { matcher.stream(d, piece, offset); });
      // Short connections: what lies beyond the inspected depth costs nothing.
      offset = (offset + piece.size()) % (1u << 20);
    }
    stream_seconds += seconds_since(start);
  }
  const double bytes = static_cast<double>(transactions * kBody);
  std::printf("%-24s %8.2f us/transaction (heads)  %6.2f GB/s body  %6.2f GB/s stream  %llu hits\n", who.name,
              head_seconds * 1e6 / static_cast<double>(transactions), bytes / body_seconds / 1e9,
              bytes / stream_seconds / 1e9, static_cast<unsigned long long>(hits));
}

int run(int argc, char** argv) {
  bool databases = false;
  const char* rules_path = nullptr;
  const char* body_path = nullptr;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--databases") == 0) {
      databases = true;
    } else {
      (rules_path == nullptr ? rules_path : body_path) = argv[i];
    }
  }
  if (rules_path == nullptr) {
    std::fprintf(stderr, "rules_bench RULES [--databases] [BODY_FILE]\n");
    return 2;
  }
  RuleLoadOptions options;
  options.files = {rules_path};
  auto loaded = load_rules(options);
  if (!loaded) {
    std::fprintf(stderr, "%s\n", loaded.error().message.c_str());
    return 1;
  }
  const RuleLoadReport& report = loaded->report;
  std::printf("%llu rules, %llu loaded, %llu unsupported, %llu broken; %.3f s to load, %.3f s of it to compile\n",
              static_cast<unsigned long long>(report.rules), static_cast<unsigned long long>(report.loaded),
              static_cast<unsigned long long>(report.unsupported), static_cast<unsigned long long>(report.broken),
              report.load_seconds, report.compile_seconds);
  const std::string body = body_bytes(body_path, 64u << 20);
  if (databases) measure_databases(*loaded->rules, body);
  const IpAddress inside = *IpAddress::parse("10.9.0.100"), inside_too = *IpAddress::parse("10.9.0.1"),
                  outside = *IpAddress::parse("203.0.113.7");
  measure_matcher(loaded->rules, body, {inside_too, inside, "inside to inside"});
  measure_matcher(loaded->rules, body, {outside, inside, "outside to inside"});
  measure_matcher(loaded->rules, body, {inside, outside, "inside to outside"});
  return 0;
}

}  // namespace
}  // namespace gatetape

int main(int argc, char** argv) {
  return gatetape::run(argc, argv);
}
