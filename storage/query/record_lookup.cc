#include "storage/query/record_lookup.h"

#include <charconv>
#include <optional>

#include "packet/record_fields.h"
#include "storage/read/record_reader.h"

namespace gatetape {

namespace {

constexpr size_t kFoundMax = 10;

template <class Read>
auto of_flow_bound(const Record& record, Read&& read) {
  using Value = decltype(read(HttpRecord()));
  return std::visit(
      [&](const auto& concrete) -> Value {
        if constexpr (requires { concrete.endpoints; }) return read(concrete);
        return {};
      },
      record);
}

std::optional<uint64_t> number_of(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0) return std::nullopt;
  return number;
}

}  // namespace

KeptRecord::KeptRecord(const Record& record) {
  RecordBatch batch;
  batch.append(record);
  bytes_.assign(batch.bytes().begin(), batch.bytes().end());
  (void)for_each_record(bytes_, [&](const Record& again) { record_ = again; });  // the bytes are sound
}

uint64_t flow_id_of(const Record& record) {
  return of_flow_bound(record, [](const auto& r) { return r.flow_id; });
}

Endpoints client_to_server(const Record& record) {
  return of_flow_bound(record, [](const auto& r) {
    if constexpr (requires { r.direction; }) {
      if (r.direction == Direction::kToClient) return r.endpoints.reversed();
    }
    return r.endpoints;
  });
}

int64_t time_of_record(const Record& record) {
  return time_of(record).first_ns;
}

Result<std::vector<KeptRecord>> find_records(StoreReader& reader, std::string_view id, const TimeRange& range) {
  const std::optional<uint64_t> number = number_of(id);
  const bool flow_wanted = number || id.starts_with('f');
  std::vector<KeptRecord> found;
  std::optional<KeptRecord> of_flow;  // stands for a flow that has not ended
  constexpr RecordTypes kTypes = record_types<HttpRecord, FlowRecord, AlertRecord, TransactionRecord>();
  const auto look = [&](const Record& record) {
    const uint64_t flow_id = flow_id_of(record);
    const bool same_flow = flow_wanted && (number ? flow_id == *number : flow_short_id(flow_id) == id);
    const bool is_flow = std::holds_alternative<FlowRecord>(record);
    if (is_flow ? same_flow : record_id(record) == id) found.emplace_back(record);
    if (same_flow && !is_flow && !of_flow) of_flow.emplace(record);
    return found.size() < kFoundMax;
  };
  const Result<ReadStatistics> read = reader.records({range.since_ns, range.until_ns, kTypes}, look);
  if (!read) return tl::unexpected<Error>(read.error());
  if (found.empty() && of_flow) found.push_back(std::move(*of_flow));
  return found;
}

}  // namespace gatetape
