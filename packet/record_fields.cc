#include "packet/record_fields.h"

#include <algorithm>
#include <iterator>

#include "common/time_text.h"
#include "packet/record_values.h"

namespace gatetape {

namespace {

constexpr RecordTypes kHttp = record_types<HttpRecord>(), kFlow = record_types<FlowRecord>(),
                      kAlert = record_types<AlertRecord>(), kOther = record_types<TransactionRecord>(),
                      kAny = kHttp | kFlow | kAlert | kOther;

FieldValue number(uint64_t value) {
  return static_cast<int64_t>(value);
}
FieldValue number_if_any(uint64_t value) {
  return value == 0 ? FieldValue() : number(value);
}
FieldValue text(std::string_view value) {
  return value.empty() ? FieldValue() : FieldValue(std::string(value));
}

// Calls `read` with the record if it is of one of these types; else nothing.
template <class... Types, class Read>
FieldValue from(const Record& record, Read&& read) {
  return std::visit(
      [&](const auto& concrete) -> FieldValue {
        using Concrete = std::remove_cvref_t<decltype(concrete)>;
        if constexpr ((std::is_same_v<Concrete, Types> || ...)) {
          return read(concrete);
        } else {
          return {};
        }
      },
      record);
}
template <class Read>
FieldValue from_any(const Record& record, Read&& read) {
  return from<HttpRecord, FlowRecord, AlertRecord, TransactionRecord>(record, read);
}
template <class Read>
FieldValue from_http(const Record& record, Read&& read) {
  return from<HttpRecord>(record, read);
}
template <class Read>
FieldValue from_flow(const Record& record, Read&& read) {
  return from<FlowRecord>(record, read);
}
template <class Read>
FieldValue from_alert(const Record& record, Read&& read) {
  return from<AlertRecord>(record, read);
}
// Alerts repeat these of the transaction in which they were raised.
template <class Read>
FieldValue from_request(const Record& record, Read&& read) {
  return from<HttpRecord, AlertRecord>(record, read);
}

bool has_ports(const Endpoints& e) {
  return e.protocol == kProtocolTcp || e.protocol == kProtocolUdp || e.protocol == kProtocolSctp;
}
FieldValue side(const Endpoints& e, bool source) {
  const std::string address = (source ? e.source : e.destination).to_string();
  if (!has_ports(e)) return address;
  const bool v4 = (source ? e.source : e.destination).is_v4();
  return fmt::format("{}{}{}:{}", v4 ? "" : "[", address, v4 ? "" : "]", source ? e.source_port : e.destination_port);
}

// Whether the source of the record's endpoints is the client.
bool from_client(const auto& r) {
  if constexpr (requires { r.direction; }) return r.direction == Direction::kToServer;
  return true;
}
const Endpoints& endpoints_of(const auto& r) {
  return r.endpoints;
}

int64_t time_of(const FlowRecord& r) {
  return r.first_timestamp_ns;
}
int64_t time_of(const auto& r) {
  return r.timestamp_ns;
}

FieldValue duration_of(const Record& record) {
  if (const auto* flow = std::get_if<FlowRecord>(&record)) return flow->last_timestamp_ns - flow->first_timestamp_ns;
  const auto* http = std::get_if<HttpRecord>(&record);
  if (http == nullptr || http->response_timestamp_ns == 0) return {};
  return http->response_timestamp_ns - http->timestamp_ns;
}

FieldValue values_of(const TransactionRecord& record) {
  std::string out;
  for_each_value(record.values, [&](std::string_view name, const RecordValue& value) {
    const auto* text = std::get_if<std::string_view>(&value);
    out += fmt::format("{}{}={}", out.empty() ? "" : " ", name,
                       text != nullptr ? *text : std::to_string(std::get<uint64_t>(value)));
  });
  return text(out);
}

// clang-format off
#define GET(from, expression) [](const Record& record) { return from(record, [](const auto& r) -> FieldValue { return expression; }); }
constexpr RecordField kFields[] = {
  // all records
  {"id", "ID", FieldKind::kText, kAny, 0, [](const Record& record) { return text(record_id(record)); }},
  {"time", "TIME", FieldKind::kTime, kAny, 0, GET(from_any, time_of(r))},
  {"flow", "FLOW", FieldKind::kText, kAny, 0, GET(from_any, text(flow_short_id(r.flow_id)))},
  {"flow_id", "FLOW ID", FieldKind::kNumber, kAny, 0, GET(from_any, number(r.flow_id))},
  {"community_id", "COMMUNITY ID", FieldKind::kText, kAny, 0, GET(from_any, community_id(r.endpoints))},
  {"client", "CLIENT", FieldKind::kText, kAny, 0, GET(from_any, side(r.endpoints, from_client(r)))},
  {"server", "SERVER", FieldKind::kText, kAny, 0, GET(from_any, side(r.endpoints, !from_client(r)))},
  {"source", "SOURCE", FieldKind::kText, kAny, 0, GET(from_any, side(r.endpoints, true))},
  {"destination", "DESTINATION", FieldKind::kText, kAny, 0, GET(from_any, side(r.endpoints, false))},
  {"client.ip", "CLIENT", FieldKind::kText, kAny, 0, GET(from_any, (from_client(r) ? r.endpoints.source : r.endpoints.destination).to_string())},
  {"server.ip", "SERVER", FieldKind::kText, kAny, 0, GET(from_any, (from_client(r) ? r.endpoints.destination : r.endpoints.source).to_string())},
  {"server.port", "PORT", FieldKind::kNumber, kAny, 0, GET(from_any, has_ports(endpoints_of(r)) ? number(from_client(r) ? r.endpoints.destination_port : r.endpoints.source_port) : FieldValue())},
  {"protocol", "PROTOCOL", FieldKind::kText, kAny, 0, GET(from_any, protocol_name(r.endpoints.protocol))},
  {"vlan", "VLAN", FieldKind::kNumber, kAny, 0, GET(from_any, number_if_any(r.vlan_id[0]))},
  {"duration", "SECONDS", FieldKind::kDuration, kFlow | kHttp, kFlow, duration_of},
  // HTTP transactions
  {"http.method", "METHOD", FieldKind::kText, kHttp | kAlert, kHttp, GET(from_request, text(r.method))},
  {"http.host", "HOST", FieldKind::kText, kHttp | kAlert, kHttp, GET(from_request, text(r.host))},
  {"http.uri", "URI", FieldKind::kText, kHttp | kAlert, kHttp, GET(from_request, text(r.uri))},
  {"http.url", "HOST AND URI", FieldKind::kText, kHttp | kAlert, kHttp, GET(from_request, text(fmt::format("{}{}", r.host, r.uri)))},
  {"http.status", "STATUS", FieldKind::kNumber, kHttp | kAlert, kHttp, GET(from_request, number_if_any(r.status))},
  {"http.version", "VERSION", FieldKind::kText, kHttp | kAlert, kHttp, GET(from_request, text(r.protocol))},
  {"http.user_agent", "USER AGENT", FieldKind::kText, kHttp, kHttp, GET(from_http, text(r.user_agent))},
  {"http.referer", "REFERER", FieldKind::kText, kHttp, kHttp, GET(from_http, text(r.referer))},
  {"http.request_type", "REQUEST TYPE", FieldKind::kText, kHttp, kHttp, GET(from_http, text(r.request_content_type))},
  {"http.response_type", "RESPONSE TYPE", FieldKind::kText, kHttp, kHttp, GET(from_http, text(r.response_content_type))},
  {"http.request_bytes", "SENT", FieldKind::kBytes, kHttp, kHttp, GET(from_http, number(r.request_body_length))},
  {"http.response_bytes", "LENGTH", FieldKind::kBytes, kHttp, kHttp, GET(from_http, number(r.response_body_length))},
  {"http.duration", "SECONDS", FieldKind::kDuration, kHttp, kHttp, GET(from_http, duration_of(r))},
  // alerts
  {"alert.sid", "SID", FieldKind::kNumber, kAlert, kAlert, GET(from_alert, number(r.sid))},
  {"alert.gid", "GID", FieldKind::kNumber, kAlert, kAlert, GET(from_alert, number(r.gid))},
  {"alert.rev", "REV", FieldKind::kNumber, kAlert, kAlert, GET(from_alert, number(r.rev))},
  {"alert.severity", "SEV", FieldKind::kNumber, kAlert, kAlert, GET(from_alert, number(r.severity))},
  {"alert.signature", "SIGNATURE", FieldKind::kText, kAlert, kAlert, GET(from_alert, text(r.signature))},
  {"alert.category", "CATEGORY", FieldKind::kText, kAlert, kAlert, GET(from_alert, text(r.category))},
  {"alert.action", "ACTION", FieldKind::kText, kAlert, kAlert, GET(from_alert, text(r.action))},
  {"alert.metadata", "METADATA", FieldKind::kText, kAlert, kAlert, GET(from_alert, text(r.metadata))},
  // flows
  {"flow.app", "APP", FieldKind::kText, kFlow, kFlow, GET(from_flow, r.app_protocol == AppProtocol::kUnknown ? FieldValue() : text(to_string(r.app_protocol)))},
  {"flow.duration", "SECONDS", FieldKind::kDuration, kFlow, kFlow, GET(from_flow, duration_of(r))},
  {"flow.packets", "PACKETS", FieldKind::kCount, kFlow, kFlow, GET(from_flow, number(r.packets[0] + r.packets[1]))},
  {"flow.packets_to_server", "PACKETS TO", FieldKind::kCount, kFlow, kFlow, GET(from_flow, number(r.packets[0]))},
  {"flow.packets_to_client", "PACKETS FROM", FieldKind::kCount, kFlow, kFlow, GET(from_flow, number(r.packets[1]))},
  {"flow.bytes", "BYTES", FieldKind::kBytes, kFlow, kFlow, GET(from_flow, number(r.bytes[0] + r.bytes[1]))},
  {"flow.bytes_to_server", "BYTES TO", FieldKind::kBytes, kFlow, kFlow, GET(from_flow, number(r.bytes[0]))},
  {"flow.bytes_to_client", "BYTES FROM", FieldKind::kBytes, kFlow, kFlow, GET(from_flow, number(r.bytes[1]))},
  {"flow.gap_bytes", "GAPS", FieldKind::kBytes, kFlow, kFlow, GET(from_flow, number(r.gap_bytes[0] + r.gap_bytes[1]))},
  {"flow.transactions", "HTTP", FieldKind::kCount, kFlow, kFlow, GET(from_flow, number(r.http_transactions))},
  {"flow.alerts", "ALERTS", FieldKind::kCount, kFlow, kFlow, GET(from_flow, number(r.alerts))},
  {"flow.end", "END", FieldKind::kText, kFlow, kFlow, GET(from_flow, text(to_string(r.end)))},
  // transactions of other protocols
  {"app", "APP", FieldKind::kText, kOther, 0, GET(from<TransactionRecord>, text(to_string(r.protocol)))},
  {"values", "VALUES", FieldKind::kText, kOther, 0, GET(from<TransactionRecord>, values_of(r))},
};
#undef GET
// clang-format on

// The protocol in front of the first dot, if it may have a TransactionRecord.
AppProtocol protocol_named(std::string_view name) {
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos || dot + 1 == name.size()) return AppProtocol::kUnknown;
  for (size_t i = 2; i < std::size(kAppProtocols); ++i) {
    const auto protocol = static_cast<AppProtocol>(i);
    if (protocol != AppProtocol::kOther && name.substr(0, dot) == to_string(protocol)) return protocol;
  }
  return AppProtocol::kUnknown;
}

// 45 bits as nine characters without those that look alike.
std::string short_id(char kind, std::initializer_list<uint64_t> identity) {
  constexpr std::string_view kDigits = "0123456789abcdefghjkmnpqrstvwxyz";
  uint64_t hash = 0x9e3779b97f4a7c15u ^ static_cast<uint64_t>(kind);
  for (const uint64_t word : identity) {
    hash ^= word;  // MurmurHash3's finalizer
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdu;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53u;
    hash ^= hash >> 33;
  }
  std::string out(1, kind);
  for (int i = 0; i < 9; ++i, hash >>= 5) out.push_back(kDigits[hash & 31]);
  return out;
}

std::string id_of(const HttpRecord& r) {
  return short_id('t', {r.flow_id, r.transaction_id});
}
std::string id_of(const TransactionRecord& r) {
  return short_id('t', {r.flow_id, r.transaction_id, static_cast<uint64_t>(r.protocol)});
}
std::string id_of(const FlowRecord& r) {
  return flow_short_id(r.flow_id);
}
std::string id_of(const AlertRecord& r) {
  return short_id('a', {r.flow_id, r.ordinal, uint64_t{r.gid} << 32 | r.sid,
                        r.has_transaction ? r.transaction_id + 1 : 0, static_cast<uint64_t>(r.timestamp_ns)});
}
std::string id_of(const auto&) {
  return {};
}

RecordTypes type_of(const Record& record) {
  return RecordTypes{1} << std::visit([](const auto& r) { return r.kType; }, record);
}

}  // namespace

std::span<const RecordField> record_fields() {
  return kFields;
}

std::optional<FieldRef> FieldRef::find(std::string_view name) {
  for (const RecordField& row : kFields) {
    if (row.name == name) return FieldRef(std::string(name), &row);
  }
  const AppProtocol protocol = protocol_named(name);
  if (protocol == AppProtocol::kUnknown) return std::nullopt;
  return FieldRef(std::string(name), protocol);
}

std::string FieldRef::heading() const {
  if (row_ != nullptr) return std::string(row_->heading);
  std::string out = name_;
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
  return out;
}

RecordTypes FieldRef::of_connection() const {
  return row_ == nullptr ? kOther : row_->of_connection;
}

RecordTypes FieldRef::answers() const {
  return row_ == nullptr ? kOther : row_->answers;
}

bool FieldRef::answered_by(const Record& record) const {
  if (row_ == nullptr) return type_of(record) == kOther;
  const auto* alert = std::get_if<AlertRecord>(&record);
  // An alert outside of a transaction knows nothing of the connection's.
  if (alert != nullptr && row_->of_connection == kHttp && !alert->has_transaction) return false;
  return (row_->answers & type_of(record)) != 0;
}

FieldValue FieldRef::value(const Record& record) const {
  if (row_ != nullptr) return row_->value(record);
  const auto* transaction = std::get_if<TransactionRecord>(&record);
  if (transaction == nullptr || transaction->protocol != protocol_) return {};
  FieldValue found;
  const std::string_view wanted = std::string_view(name_).substr(name_.find('.') + 1);
  for_each_value(transaction->values, [&](std::string_view name, const RecordValue& value) {
    if (name != wanted || found.index() != 0) return;
    const auto* words = std::get_if<std::string_view>(&value);
    found = words != nullptr ? FieldValue(std::string(*words)) : number(std::get<uint64_t>(value));
  });
  return found;
}

std::string plain_text(FieldKind kind, const FieldValue& value) {
  if (const auto* words = std::get_if<std::string>(&value)) return *words;
  const auto* count = std::get_if<int64_t>(&value);
  if (count == nullptr) return {};
  if (kind == FieldKind::kTime) return format_time(*count);
  if (kind != FieldKind::kDuration) return std::to_string(*count);
  return fmt::format("{:.6f}", static_cast<double>(*count) / 1e9);
}

std::string record_id(const Record& record) {
  return std::visit([](const auto& concrete) { return id_of(concrete); }, record);
}

std::string flow_short_id(uint64_t flow_id) {
  return flow_id == 0 ? std::string() : short_id('f', {flow_id});
}

bool is_record_id(std::string_view text) {
  if (text.size() != 10 || std::string_view("atf").find(text[0]) == std::string_view::npos) return false;
  return text.find_first_not_of("0123456789abcdefghjkmnpqrstvwxyz", 1) == std::string_view::npos;
}

std::string protocol_name(uint8_t protocol) {
  switch (protocol) {
    case kProtocolIcmp:
      return "ICMP";
    case kProtocolTcp:
      return "TCP";
    case kProtocolUdp:
      return "UDP";
    case kProtocolIcmpv6:
      return "IPv6-ICMP";
    case kProtocolSctp:
      return "SCTP";
    case 2:
      return "IGMP";
    case 47:
      return "GRE";
    case 50:
      return "ESP";
    case 51:
      return "AH";
    default:
      return fmt::format("{:03}", protocol);
  }
}

}  // namespace gatetape
