#include "export/eve.h"

#include <map>
#include <vector>

#include "common/json_writer.h"
#include "common/time_text.h"
#include "packet/account_report.h"
#include "packet/record_fields.h"
#include "packet/record_values.h"

namespace gatetape {

namespace {

std::string eve_time(int64_t timestamp_ns) {
  std::string text;
  append_eve_time(text, timestamp_ns);
  return text;
}

bool is_icmp(uint8_t protocol) {
  return protocol == kProtocolIcmp || protocol == kProtocolIcmpv6;
}
bool has_ports(uint8_t protocol) {
  return protocol == kProtocolTcp || protocol == kProtocolUdp || protocol == kProtocolSctp;
}

// The fields with which every event about a flow begins.
template <class FlowBound>
void write_head(JsonWriter& json, const FlowBound& record, std::string_view event_type, uint64_t ordinal) {
  json.field("flow_id", record.flow_id).field("pcap_cnt", ordinal + 1).field("event_type", event_type);
  if (record.vlan_id[0] != 0) {
    json.begin_array("vlan").value(record.vlan_id[0]);
    if (record.vlan_id[1] != 0) json.value(record.vlan_id[1]);
    json.end_array();
  }
  const Endpoints& e = record.endpoints;
  json.field("src_ip", e.source.to_string());
  if (has_ports(e.protocol)) json.field("src_port", e.source_port);
  json.field("dest_ip", e.destination.to_string());
  if (has_ports(e.protocol)) json.field("dest_port", e.destination_port);
  json.field("proto", protocol_name(e.protocol));
  if (is_icmp(e.protocol)) json.field("icmp_type", e.source_port).field("icmp_code", e.destination_port);
  json.field("community_id", community_id(e));
}

void write_if_any(JsonWriter& json, std::string_view key, std::string_view text) {
  if (!text.empty()) json.field(key, text);
}

void write_anomalies(JsonWriter& json, uint32_t anomalies) {
  struct Name {
    HttpAnomaly bit;
    const char* text;
  };
  static constexpr Name kNames[] = {
      {kHttpHeadTooLarge, "head_too_large"},
      {kHttpBadStartLine, "bad_start_line"},
      {kHttpBadFieldLine, "bad_field_line"},
      {kHttpBadChunk, "bad_chunk"},
      {kHttpBadContentLength, "bad_content_length"},
      {kHttpLengthAndChunked, "length_and_chunked"},
      {kHttpGap, "gap"},
      {kHttpResponseWithoutRequest, "response_without_request"},
      {kHttpTruncated, "truncated"},
  };
  if (anomalies == 0) return;
  json.begin_array("anomalies");
  for (const Name& name : kNames) {
    if (anomalies & name.bit) json.value(name.text);
  }
  json.end_array();
}

void write(JsonWriter& json, const HttpRecord& record) {
  write_head(json, record, "http", record.request_ordinal);
  json.field("tx_id", record.transaction_id).begin_object("http");
  write_if_any(json, "hostname", record.host);
  write_if_any(json, "url", record.uri);
  write_if_any(json, "http_user_agent", record.user_agent);
  write_if_any(json, "http_content_type", record.response_content_type);
  write_if_any(json, "http_refer", record.referer);
  write_if_any(json, "http_method", record.method);
  write_if_any(json, "protocol", record.protocol);
  if (record.status != 0) json.field("status", record.status);
  json.field("length", record.response_body_length).end_object();

  json.begin_object("gatetape").field("complete", record.complete);
  if (record.response_timestamp_ns != 0) {
    json.field("response_timestamp", eve_time(record.response_timestamp_ns));
    json.field("response_pcap_cnt", record.response_ordinal + 1);
  }
  if (record.request_body_length != 0) json.field("request_length", record.request_body_length);
  write_if_any(json, "request_content_type", record.request_content_type);
  write_anomalies(json, record.anomalies);
  json.end_object();
}

// The rule's "key value, key value" as Suricata prints it: an object of arrays. A key alone is no metadata to it.
void write_metadata(JsonWriter& json, std::string_view metadata) {
  std::map<std::string_view, std::vector<std::string_view>> values;
  const auto trimmed = [](std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
  };
  while (!metadata.empty()) {
    const size_t comma = std::min(metadata.find(','), metadata.size());
    const std::string_view pair = trimmed(metadata.substr(0, comma));
    metadata.remove_prefix(std::min(comma + 1, metadata.size()));
    const size_t space = pair.find(' ');
    if (space != std::string_view::npos) values[pair.substr(0, space)].push_back(trimmed(pair.substr(space)));
  }
  if (values.empty()) return;
  json.begin_object("metadata");
  for (const auto& [key, texts] : values) {
    json.begin_array(key);
    for (const std::string_view text : texts) json.value(text);
    json.end_array();
  }
  json.end_object();
}

void write(JsonWriter& json, const AlertRecord& record) {
  write_head(json, record, "alert", record.ordinal);
  if (record.has_transaction) json.field("tx_id", record.transaction_id);
  json.begin_object("alert").field("action", record.action).field("gid", record.gid).field("signature_id", record.sid);
  json.field("rev", record.rev).field("signature", record.signature).field("category", record.category);
  json.field("severity", record.severity);
  write_metadata(json, record.metadata);
  json.end_object();
  const bool is_http = record.protocol.empty() || record.protocol.starts_with("HTTP/");
  if (record.has_transaction && !is_http) json.field("app_proto", record.protocol);
  if (record.has_transaction && is_http) {
    json.begin_object("http");
    write_if_any(json, "hostname", record.host);
    write_if_any(json, "url", record.uri);
    write_if_any(json, "http_method", record.method);
    write_if_any(json, "protocol", record.protocol);
    if (record.status != 0) json.field("status", record.status);
    json.end_object();
    json.field("app_proto", record.protocol.starts_with("HTTP/2") ? "http2" : "http");
  }
  json.field("direction", record.direction == Direction::kToServer ? "to_server" : "to_client");
}

void write_tcp_flags(JsonWriter& json, const FlowRecord& record) {
  const auto hex = [](int flags) { return fmt::format("{:02x}", flags); };
  const int all = record.tcp_flags[0] | record.tcp_flags[1];
  json.begin_object("tcp").field("tcp_flags", hex(all));
  json.field("tcp_flags_ts", hex(record.tcp_flags[0])).field("tcp_flags_tc", hex(record.tcp_flags[1]));
  struct Flag {
    uint8_t bit;
    const char* name;
  };
  static constexpr Flag kFlags[] = {{kTcpSyn, "syn"}, {kTcpFin, "fin"}, {kTcpRst, "rst"}, {kTcpPsh, "psh"},
                                    {kTcpAck, "ack"}, {kTcpUrg, "urg"}, {kTcpEce, "ecn"}, {kTcpCwr, "cwr"}};
  for (const Flag& flag : kFlags) {
    if (all & flag.bit) json.field(flag.name, true);
  }
  json.end_object();
}

// Suricata's words: a flow is new, established or closed, and leaves its table by timeout, force or shutdown.
const char* flow_state(const FlowRecord& record) {
  if (record.end == FlowEnd::kClosed || record.end == FlowEnd::kReset) return "closed";
  return record.packets[0] != 0 && record.packets[1] != 0 ? "established" : "new";
}

const char* flow_reason(FlowEnd end) {
  if (end == FlowEnd::kShutdown) return "shutdown";
  return end == FlowEnd::kEvicted ? "forced" : "timeout";
}

void write(JsonWriter& json, const FlowRecord& record) {
  write_head(json, record, "flow", record.last_ordinal);
  if (record.app_protocol != AppProtocol::kUnknown) json.field("app_proto", to_string(record.app_protocol));
  json.begin_object("flow").field("pkts_toserver", record.packets[0]).field("pkts_toclient", record.packets[1]);
  json.field("bytes_toserver", record.bytes[0]).field("bytes_toclient", record.bytes[1]);
  json.field("start", eve_time(record.first_timestamp_ns)).field("end", eve_time(record.last_timestamp_ns));
  json.field("age", (record.last_timestamp_ns - record.first_timestamp_ns) / kNanosecondsPerSecond);
  json.field("state", flow_state(record)).field("reason", flow_reason(record.end));
  json.field("alerted", record.alerts != 0).end_object();
  if (record.endpoints.protocol == kProtocolTcp) write_tcp_flags(json, record);

  json.begin_object("gatetape").field("end", to_string(record.end)).field("first_pcap_cnt", record.first_ordinal + 1);
  json.field("gap_bytes_toserver", record.gap_bytes[0]).field("gap_bytes_toclient", record.gap_bytes[1]);
  json.field("http_transactions", record.http_transactions).field("alerts", record.alerts).end_object();
}

void write(JsonWriter& json, const AccountRecord& record) {
  const WorkerAccount& worker = record.worker_account;
  const PortAccount& port = record.port_account;
  json.field("event_type", "stats").begin_object("stats").field("worker", record.worker);
  json.begin_object("capture")
      .field("kernel_packets", port[PortCounter::kOffered])
      .field("kernel_drops", port[PortCounter::kMissed]);
  json.field("errors", port[PortCounter::kErrors]).end_object();
  json.begin_object("decoder")
      .field("pkts", worker[Counter::kReceived])
      .field("bytes", worker[Counter::kReceivedBytes])
      .end_object();
  json.begin_object("flow")
      .field("total", worker[Counter::kFlowsCreated])
      .field("evicted", worker[Counter::kFlowsEvicted])
      .end_object();
  json.begin_object("detect").field("alert", worker[Counter::kAlerts]).end_object();
  json.begin_object("app_layer")
      .begin_object("tx")
      .field("http", worker[Counter::kHttpTransactions])
      .end_object()
      .end_object();
  json.begin_object("account");
  append_account(json, worker);
  json.end_object().end_object();
}

void write(JsonWriter& json, const EventRecord& record) {
  json.field("event_type", "engine").begin_object("engine").field("event", record.name);
  json.field("message", record.detail).end_object();
}

void write(JsonWriter& json, const SyncFailureRecord& record) {
  const bool packets = record.packets != 0;
  json.field("event_type", "engine").begin_object("engine").field("event", "disk.sync_failed");
  json.field("message", record.error).field("path", record.path).field("segment_uuid", record.segment_uuid);
  json.field(packets ? "packets" : "records", packets ? record.packets : record.records);
  json.field("since", eve_time(record.first_ns)).field("until", eve_time(record.last_ns)).end_object();
}

void write(JsonWriter& json, const RunRecord& record) {
  json.field("event_type", "engine").begin_object("engine");
  json.field("event", record.ended ? kEventCaptureEnded : kEventCaptureStarted).field("message", record.sources);
  if (!record.ended) json.field("build", record.build).field("host", record.host).field("rules", record.rules);
  json.end_object();
}

void write(JsonWriter& json, const TransactionRecord& record) {
  const std::string_view name = to_string(record.protocol);
  write_head(json, record, name, record.ordinal);
  json.field("tx_id", record.transaction_id).begin_object(name);
  const bool whole = for_each_value(record.values, [&](std::string_view key, const RecordValue& value) {
    std::visit([&](const auto& concrete) { json.field(key, concrete); }, value);
  });
  json.end_object();
  json.begin_object("gatetape").field("complete", record.complete && whole).end_object();
}

int64_t timestamp_of(const FlowRecord& record) {
  return record.last_timestamp_ns;
}
template <class Other>
int64_t timestamp_of(const Other& record) {
  return record.timestamp_ns;
}

}  // namespace

void append_eve(std::string& out, const Record& record) {
  JsonWriter json(out);
  std::visit(
      [&](const auto& concrete) {
        json.begin_object().field("timestamp", eve_time(timestamp_of(concrete)));
        write(json, concrete);
        json.end_object();
      },
      record);
}

}  // namespace gatetape
