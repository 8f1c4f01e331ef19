#include "packet/records.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace gatetape {
namespace {

constexpr size_t kStringBytesMax = 64 * 1024;
// Beside the number of a word of an account: it counts packets that were dropped.
constexpr uint16_t kDroppedBit = kCounterNumberMax + 1;

// One list of fields per record serves writing and reading alike: `each` is called with every field in order.
template <class R, class F>
void fields(R& r, F&& each) requires std::is_same_v<std::remove_const_t<R>, HttpRecord> {
  each(r.flow_id), each(r.transaction_id), each(r.endpoints), each(r.vlan_id), each(r.timestamp_ns);
  each(r.response_timestamp_ns), each(r.request_ordinal), each(r.response_ordinal), each(r.method), each(r.uri);
  each(r.protocol), each(r.host), each(r.user_agent), each(r.referer), each(r.request_content_type);
  each(r.response_content_type), each(r.status), each(r.request_body_length), each(r.response_body_length);
  each(r.anomalies), each(r.complete);
}
template <class R, class F>
void fields(R& r, F&& each) requires std::is_same_v<std::remove_const_t<R>, FlowRecord> {
  each(r.flow_id), each(r.endpoints), each(r.vlan_id), each(r.first_timestamp_ns), each(r.last_timestamp_ns);
  each(r.first_ordinal), each(r.last_ordinal), each(r.packets), each(r.bytes), each(r.gap_bytes);
  each(r.http_transactions), each(r.alerts), each(r.tcp_flags), each(r.end), each(r.app_protocol);
}
template <class R, class F>
void fields(R& r, F&& each) requires std::is_same_v<std::remove_const_t<R>, AlertRecord> {
  each(r.flow_id), each(r.timestamp_ns), each(r.ordinal), each(r.endpoints), each(r.vlan_id), each(r.gid), each(r.sid);
  each(r.rev), each(r.severity), each(r.direction), each(r.action), each(r.signature), each(r.category);
  each(r.metadata), each(r.has_transaction), each(r.transaction_id), each(r.method), each(r.uri), each(r.host);
  each(r.protocol), each(r.status);
}
template <class R, class F>
void fields(R& r, F&& each) requires std::is_same_v<std::remove_const_t<R>, AccountRecord> {
  each(r.timestamp_ns), each(r.run_started_ns), each(r.worker);
  if (each.numbered()) each(r.of_file);
  each(r.worker_account), each(r.port_account);
}
template <class R, class F>
void fields(R& r, F&& each) requires std::is_same_v<std::remove_const_t<R>, EventRecord> {
  each(r.timestamp_ns), each(r.name), each(r.detail);
}
template <class R, class F>
void fields(R& r, F&& each) requires std::is_same_v<std::remove_const_t<R>, RunRecord> {
  each(r.timestamp_ns), each(r.run_started_ns), each(r.ended), each(r.of_file), each(r.build), each(r.host);
  each(r.user), each(r.sources), each(r.filters), each(r.rules), each(r.sids), each.added_later(r.clock);
}

template <class R, class F>
void fields(R& r, F&& each) requires std::is_same_v<std::remove_const_t<R>, TransactionRecord> {
  each(r.flow_id), each(r.transaction_id), each(r.endpoints), each(r.vlan_id), each(r.timestamp_ns), each(r.ordinal);
  each(r.protocol), each(r.complete), each(r.values);
}

template <class R, class F>
void fields(R& r, F&& each) requires std::is_same_v<std::remove_const_t<R>, SyncFailureRecord> {
  each(r.timestamp_ns), each(r.run_started_ns), each(r.first_ns), each(r.last_ns), each(r.packets), each(r.records);
  each(r.sequence), each(r.segment_uuid), each(r.path), each(r.error);
}

class Writer {
 public:
  explicit Writer(std::vector<uint8_t>& out) : out_(out) {}
  bool numbered() const { return true; }

  template <class T>
  void added_later(const T& value) {
    (*this)(value);
  }
  void operator()(std::string_view s) {
    const auto length = static_cast<uint32_t>(std::min(s.size(), kStringBytesMax));
    raw(&length, sizeof length);
    raw(s.data(), length);
  }
  void operator()(const Endpoints& e) {
    raw(e.source.bytes.data(), 16);
    raw(e.destination.bytes.data(), 16);
    raw(&e.source_port, 2);
    raw(&e.destination_port, 2);
    raw(&e.protocol, 1);
  }
  void operator()(const WorkerAccount& account) { words(account); }
  void operator()(const PortAccount& account) { words(account); }
  // Integers, enums, booleans and arrays of integers: little-endian, as x86 holds them.
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void operator()(const T& value) {
    static_assert(std::has_unique_object_representations_v<T>);
    raw(&value, sizeof value);
  }

 private:
  template <class Account>
  void words(const Account& account) {
    const auto words = account.words();
    const auto count = static_cast<uint16_t>(words.size() - static_cast<size_t>(std::ranges::count(words, 0)));
    raw(&count, sizeof count);
    for (size_t i = 0; i < words.size(); ++i) {
      const CounterRow& row = account.table()[i];
      if (words[i] == 0) continue;
      const auto number = static_cast<uint16_t>(row.number | (row.group == CounterGroup::kDropped ? kDroppedBit : 0));
      raw(&number, sizeof number);
      raw(&words[i], sizeof words[i]);
    }
  }
  void raw(const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    out_.insert(out_.end(), bytes, bytes + size);
  }
  std::vector<uint8_t>& out_;
};

class Reader {
 public:
  // `numbered`: the words of accounts stand behind their numbers.
  Reader(std::span<const uint8_t> in, bool numbered) : in_(in), numbered_(numbered) {}
  bool ok() const { return ok_; }
  bool numbered() const { return numbered_; }

  // An older writer's record ends before it.
  template <class T>
  void added_later(T& value) {
    if (!in_.empty()) (*this)(value);
  }
  void operator()(std::string_view& s) {
    uint32_t length = 0;
    raw(&length, sizeof length);
    if (length > in_.size()) ok_ = false;
    if (!ok_) return;
    s = {reinterpret_cast<const char*>(in_.data()), length};
    in_ = in_.subspan(length);
  }
  void operator()(Endpoints& e) {
    raw(e.source.bytes.data(), 16);
    raw(e.destination.bytes.data(), 16);
    raw(&e.source_port, 2);
    raw(&e.destination_port, 2);
    raw(&e.protocol, 1);
  }
  void operator()(bool& value) {
    uint8_t byte = 0;
    raw(&byte, 1);
    value = byte != 0;
  }
  void operator()(WorkerAccount& account) { words(account); }
  void operator()(PortAccount& account) { words(account); }
  void operator()(Direction& value) { enumerated(value, Direction::kToClient); }
  void operator()(FlowEnd& value) { enumerated(value, FlowEnd::kShutdown); }
  void operator()(AppProtocol& value) {
    uint8_t byte = 0;
    raw(&byte, 1);
    value = byte < std::size(kAppProtocols) ? static_cast<AppProtocol>(byte) : AppProtocol::kOther;
  }
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void operator()(T& value) { raw(&value, sizeof value); }

 private:
  // A newer writer's value that this reader has no name for becomes the last one, "other".
  template <class T>
  void enumerated(T& value, T last) {
    uint8_t byte = 0;
    raw(&byte, 1);
    value = static_cast<T>(std::min(byte, static_cast<uint8_t>(last)));
  }
  // Words that an older writer did not know stay zero. A newer writer's words are skipped, but for what it dropped.
  template <class Account>
  void words(Account& account) {
    const std::span<const CounterRow> table = account.table();
    uint16_t count = 0;
    raw(&count, sizeof count);
    for (uint16_t i = 0; i < count && ok_; ++i) {
      uint16_t number = i;
      uint64_t value = 0;
      if (numbered_) raw(&number, sizeof number);
      raw(&value, sizeof value);
      const auto row = std::ranges::find(table, number & kCounterNumberMax, &CounterRow::number);
      if (row != table.end()) {
        account.words()[static_cast<size_t>(row - table.begin())] = value;
      } else if constexpr (std::is_same_v<Account, WorkerAccount>) {
        if ((number & kDroppedBit) != 0) account[Counter::kDroppedUnknown] += value;
      }
    }
  }
  void raw(void* out, size_t size) {
    if (size > in_.size()) ok_ = false;
    if (!ok_) return;
    std::memcpy(out, in_.data(), size);
    in_ = in_.subspan(size);
  }
  std::span<const uint8_t> in_;
  const bool numbered_;
  bool ok_ = true;
};

// False when the record is malformed. `known` becomes false when there is no such type.
template <size_t index = 0>
bool read_record(uint8_t type, std::span<const uint8_t> in, Record& record, bool& known) {
  if constexpr (index < std::variant_size_v<Record>) {
    using R = std::variant_alternative_t<index, Record>;
    if ((record_types<R>() >> type & 1) == 0) return read_record<index + 1>(type, in, record, known);
    Reader reader(in, type != AccountRecord::kWordsType);
    fields(record.emplace<index>(), reader);
    return reader.ok();
  }
  known = false;
  return true;
}

}  // namespace

const char* to_string(FlowEnd end) {
  switch (end) {
    case FlowEnd::kClosed:
      return "closed";
    case FlowEnd::kReset:
      return "reset";
    case FlowEnd::kTimeout:
      return "timeout";
    case FlowEnd::kEvicted:
      return "evicted";
    case FlowEnd::kShutdown:
      return "shutdown";
  }
  return "unknown";
}

std::string encode_sids(std::vector<uint32_t> sids) {
  std::ranges::sort(sids);
  std::string out;
  uint32_t before = 0;
  for (const uint32_t sid : sids) {
    uint32_t distance = sid - before;
    for (; distance >= 0x80; distance >>= 7) out.push_back(static_cast<char>(distance | 0x80));
    out.push_back(static_cast<char>(distance));
    before = sid;
  }
  return out;
}

std::vector<uint32_t> sids_of(const RunRecord& record) {
  std::vector<uint32_t> sids;
  uint32_t sid = 0, distance = 0;
  int shift = 0;
  for (const char c : record.sids) {
    if (shift > 28) return {};
    distance |= static_cast<uint32_t>(c & 0x7f) << shift;
    shift += 7;
    if ((c & 0x80) != 0) continue;
    sids.push_back(sid += distance);
    distance = 0;
    shift = 0;
  }
  if (shift != 0) return {};
  return sids;
}

void RecordBatch::append(const Record& record) {
  const size_t start = bytes_.size();
  bytes_.resize(start + 5);
  bytes_[start + 4] = std::visit([](const auto& r) { return r.kType; }, record);
  Writer writer(bytes_);
  std::visit([&](const auto& r) { fields(r, writer); }, record);
  const auto length = static_cast<uint32_t>(bytes_.size() - start - 4);
  std::memcpy(bytes_.data() + start, &length, sizeof length);
  ++count_;
}

void RecordBatch::clear() {
  bytes_.clear();
  count_ = 0;
}

namespace {

constexpr size_t kRecordHeadBytes = 4 + 1;  // length and type

// visit(type, bytes of the record, position) until it returns false, which says that the record is malformed.
template <class Visit>
Result<void> walk_records(std::span<const uint8_t> bytes, Visit&& visit) {
  for (size_t position = 0; position < bytes.size();) {
    uint32_t length = 0;
    if (bytes.size() - position < kRecordHeadBytes) return fail("record at byte {} is cut short", position);
    std::memcpy(&length, bytes.data() + position, sizeof length);
    if (length == 0 || length > bytes.size() - position - 4) {
      return fail("record at byte {} has an impossible length, {}", position, length);
    }
    const uint8_t type = bytes[position + 4];
    if (!visit(type, bytes.subspan(position, 4 + size_t{length}))) {
      return fail("record at byte {} (type {}) is malformed", position, type);
    }
    position += 4 + size_t{length};
  }
  return {};
}

}  // namespace

Result<void> for_each_record(std::span<const uint8_t> bytes, const std::function<void(const Record&)>& visit,
                             RecordTypes types) {
  Record record;
  return walk_records(bytes, [&](uint8_t type, std::span<const uint8_t> raw) {
    constexpr unsigned kTypesMax = 32;
    if (type >= kTypesMax || (types >> type & 1) == 0) return true;
    bool known = true;
    if (!read_record(type, raw.subspan(kRecordHeadBytes), record, known)) return false;
    if (known) visit(record);
    return true;
  });
}

Result<void> for_each_raw_record(std::span<const uint8_t> bytes,
                                 const std::function<void(uint8_t type, std::span<const uint8_t> record)>& visit) {
  return walk_records(bytes, [&](uint8_t type, std::span<const uint8_t> raw) {
    visit(type, raw);
    return true;
  });
}

}  // namespace gatetape
