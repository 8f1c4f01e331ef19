// The fields of records that people may ask for by name: in expressions (http.user_agent contains "curl"), as columns,
// to sort and to count by. One table; a row here is all that a field needs. Fields of a TransactionRecord need no row:
// they are called PROTOCOL.NAME, after the protocol and the value's name (dns.rrname). Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "packet/records.h"

namespace gatetape {

enum class FieldKind : uint8_t {
  kText,
  kNumber,
  kCount,     // a number of things
  kBytes,     // a number of bytes
  kDuration,  // nanoseconds
  kTime,      // nanoseconds since the epoch
};

// Nothing: the record has no such value.
using FieldValue = std::variant<std::monostate, std::string, int64_t>;

struct RecordField {
  std::string_view name;     // "http.user_agent"
  std::string_view heading;  // as a column
  FieldKind kind = FieldKind::kText;
  RecordTypes answers = 0;        // records that have it, if only without a value
  RecordTypes of_connection = 0;  // a connection is selected by these records of it; 0: not for expressions
  FieldValue (*value)(const Record&) = nullptr;
};

std::span<const RecordField> record_fields();

// A field that was named. Small; copy it.
class FieldRef {
 public:
  // The field of that name; nothing when there is none.
  static std::optional<FieldRef> find(std::string_view name);

  const std::string& name() const { return name_; }
  std::string heading() const;
  // kText for the fields of a TransactionRecord, whose kind is known for each value alone.
  FieldKind kind() const { return row_ == nullptr ? FieldKind::kText : row_->kind; }
  RecordTypes answers() const;
  bool is_named_value() const { return row_ == nullptr; }
  bool answered_by(const Record& record) const;
  RecordTypes of_connection() const;
  // Nothing, too, when the record cannot answer.
  FieldValue value(const Record& record) const;

 private:
  FieldRef(std::string name, const RecordField* row) : name_(std::move(name)), row_(row) {}
  FieldRef(std::string name, AppProtocol protocol) : name_(std::move(name)), protocol_(protocol) {}

  std::string name_;
  const RecordField* row_ = nullptr;
  AppProtocol protocol_ = AppProtocol::kUnknown;  // a named value's
};

// The value as JSON, CSV and counts have it: times as RFC 3339, durations in seconds. Empty when there is none.
std::string plain_text(FieldKind kind, const FieldValue& value);

// A short name for a record, the same for ever: "a" for an alert, "t" for a transaction, "f" for a flow, and nine
// characters that follow from what the record is. Empty for records of the sensor itself. Among a million records the
// chance that some two share one is one in seventy; who looks one up may find several.
std::string record_id(const Record& record);
std::string flow_short_id(uint64_t flow_id);
// Whether a text can be one.
bool is_record_id(std::string_view text);

// EVE's name of a protocol above IP: "TCP", "IPv6-ICMP"; its number in three digits where it has none.
std::string protocol_name(uint8_t protocol);

}  // namespace gatetape
