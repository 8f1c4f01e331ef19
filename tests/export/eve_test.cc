#include "export/eve.h"

#include <simdjson.h>

#include <catch2/catch.hpp>

#include "common/json_writer.h"

using namespace gatetape;

namespace {

// Parses what append_eve wrote; every event must be one valid JSON object on one line.
class EveEvent {
 public:
  explicit EveEvent(const Record& record) {
    append_eve(text_, record);
    REQUIRE(text_.find('\n') == std::string::npos);
    REQUIRE(parser_.parse(text_).get(root_) == simdjson::SUCCESS);
  }
  std::string text(std::string_view pointer) const {
    return std::string(root_.at_pointer(pointer).get_string().value());
  }
  int64_t number(std::string_view pointer) const { return root_.at_pointer(pointer).get_int64().value(); }
  bool truth(std::string_view pointer) const { return root_.at_pointer(pointer).get_bool().value(); }
  bool has(std::string_view pointer) const { return root_.at_pointer(pointer).error() == simdjson::SUCCESS; }

 private:
  std::string text_;
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

Endpoints sample_endpoints() {
  return {*IpAddress::parse("10.9.0.2"), *IpAddress::parse("10.9.0.100"), 40000, 80, kProtocolTcp};
}

constexpr int64_t kTime = 1'795'168'800'123'456'789;  // 2026-11-20T10:00:00.123456789Z

}  // namespace

TEST_CASE("EVE http has Suricata's field names") {
  HttpRecord record;
  record.flow_id = 42;
  record.transaction_id = 3;
  record.endpoints = sample_endpoints();
  record.timestamp_ns = kTime;
  record.request_ordinal = 6;
  record.method = "GET";
  record.uri = "/a?b=\"c\"";
  record.host = "shop.example.com";
  record.protocol = "HTTP/1.1";
  record.user_agent = "curl/8";
  record.status = 200;
  record.response_body_length = 512;
  record.complete = true;
  record.anomalies = kHttpGap | kHttpBadChunk;
  const EveEvent event(record);
  CHECK(event.text("/timestamp") == "2026-11-20T10:00:00.123456+0000");
  CHECK(event.text("/event_type") == "http");
  CHECK(event.number("/flow_id") == 42);
  CHECK(event.number("/pcap_cnt") == 7);
  CHECK(event.text("/src_ip") == "10.9.0.2");
  CHECK(event.number("/dest_port") == 80);
  CHECK(event.text("/proto") == "TCP");
  CHECK(event.text("/community_id") == community_id(sample_endpoints()));
  CHECK(event.number("/tx_id") == 3);
  CHECK(event.text("/http/url") == "/a?b=\"c\"");
  CHECK(event.text("/http/hostname") == "shop.example.com");
  CHECK(event.number("/http/status") == 200);
  CHECK(event.number("/http/length") == 512);
  CHECK_FALSE(event.has("/http/http_refer"));
  CHECK_FALSE(event.has("/vlan"));
  CHECK(event.text("/gatetape/anomalies/0") == "bad_chunk");
  CHECK(event.text("/gatetape/anomalies/1") == "gap");
}

TEST_CASE("EVE alert carries the rule, its metadata and the transaction") {
  AlertRecord record;
  record.endpoints = sample_endpoints();
  record.vlan_id[0] = 12;
  record.timestamp_ns = kTime;
  record.sid = 2019401;
  record.rev = 2;
  record.action = "allowed";
  record.signature = "SCAN \xff here";
  record.metadata = "created_at 2014_10_10, tag a, tag b c";
  record.has_transaction = true;
  record.uri = "/x";
  record.status = 404;
  const EveEvent event(record);
  CHECK(event.number("/alert/signature_id") == 2019401);
  CHECK(event.number("/alert/gid") == 1);
  CHECK(event.text("/alert/signature") == "SCAN \\xff here");
  CHECK(event.text("/alert/metadata/created_at/0") == "2014_10_10");
  CHECK(event.text("/alert/metadata/tag/1") == "b c");
  CHECK(event.number("/vlan/0") == 12);
  CHECK(event.number("/http/status") == 404);
  CHECK(event.text("/app_proto") == "http");
  CHECK(event.text("/direction") == "to_server");
}

TEST_CASE("EVE flow says how it ended in Suricata's words") {
  FlowRecord record;
  record.endpoints = sample_endpoints();
  record.first_timestamp_ns = kTime;
  record.last_timestamp_ns = kTime + 2'500'000'000;
  record.packets[0] = 5;
  record.packets[1] = 4;
  record.tcp_flags[0] = kTcpSyn | kTcpAck;
  record.end = FlowEnd::kEvicted;
  record.alerts = 1;
  record.app_protocol = AppProtocol::kHttp1;
  const EveEvent event(record);
  CHECK(event.text("/timestamp") == "2026-11-20T10:00:02.623456+0000");
  CHECK(event.number("/flow/pkts_toserver") == 5);
  CHECK(event.number("/flow/age") == 2);
  CHECK(event.text("/flow/state") == "established");
  CHECK(event.text("/flow/reason") == "forced");
  CHECK(event.truth("/flow/alerted"));
  CHECK(event.text("/tcp/tcp_flags_ts") == "12");
  CHECK(event.truth("/tcp/syn"));
  CHECK(event.text("/app_proto") == "http");
}

TEST_CASE("EVE ICMP has type and code where others have ports") {
  FlowRecord record;
  record.endpoints = sample_endpoints();
  record.endpoints.protocol = kProtocolIcmp;
  record.endpoints.source_port = 8;
  record.endpoints.destination_port = 0;
  const EveEvent event(record);
  CHECK(event.number("/icmp_type") == 8);
  CHECK_FALSE(event.has("/src_port"));
}

TEST_CASE("EVE stats holds the balance") {
  AccountRecord record;
  record.worker_account[Counter::kReceived] = 10;
  record.worker_account[Counter::kStored] = 7;
  record.worker_account[Counter::kDroppedStoreQueueFull] = 3;
  record.port_account[PortCounter::kOffered] = 12;
  record.port_account[PortCounter::kMissed] = 2;
  const EveEvent event(record);
  CHECK(event.number("/stats/capture/kernel_drops") == 2);
  CHECK(event.number("/stats/account/dropped/store_queue_full") == 3);
  CHECK(event.truth("/stats/account/balances"));
}

TEST_CASE("JSON strings are valid whatever the bytes") {
  simdjson::dom::parser parser;
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string bytes = {static_cast<char>(first), static_cast<char>(second), 'x'};
      std::string json;
      append_json_string(json, bytes);
      simdjson::dom::element parsed;
      REQUIRE(parser.parse(json).get(parsed) == simdjson::SUCCESS);
      const bool valid = simdjson::validate_utf8(bytes.data(), bytes.size());
      if (valid) REQUIRE(parsed.get_string().value() == bytes);
    }
  }
}

TEST_CASE("UTF-8 sequences are told as simdjson tells them") {
  for (uint32_t value = 0; value < 1u << 24; value += 7) {
    const std::string bytes = {static_cast<char>(0xe0 | (value & 0x1f)), static_cast<char>(value >> 5),
                               static_cast<char>(value >> 13), static_cast<char>(0x80 | (value >> 21))};
    const size_t length = utf8_sequence_length(bytes);
    if (length != 0) REQUIRE(simdjson::validate_utf8(bytes.data(), length));
    for (size_t n = 1; length == 0 && n <= bytes.size(); ++n) REQUIRE_FALSE(simdjson::validate_utf8(bytes.data(), n));
  }
}
