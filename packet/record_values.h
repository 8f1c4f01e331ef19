// Named values in one string of bytes: the part of a TransactionRecord that only its protocol knows.
//
// Each value is a u8 length of its name, the name, a u8 kind, and for text (0) a u32 length and the bytes, for a number
// (1) a u64; integers are little-endian.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

namespace gatetape {

// Builds them. The memory is kept from one record to the next. Bounded: a text that would make more than kBytesMax is
// cut, and a value that then has no room for its name is left out.
class RecordValues {
 public:
  static constexpr size_t kBytesMax = 48 * 1024;

  void clear() { bytes_.clear(); }
  // Names have at most 255 bytes, and are those of the members of EVE's object.
  RecordValues& text(std::string_view name, std::string_view value);
  RecordValues& number(std::string_view name, uint64_t value);
  std::string_view bytes() const { return bytes_; }

 private:
  bool begin(std::string_view name, uint8_t kind, size_t value_bytes_min);

  std::string bytes_;
};

using RecordValue = std::variant<std::string_view, uint64_t>;

// Calls visit(name, value) for each value, in the order in which they were added. Returns false at the first malformed
// one, after those before it.
bool for_each_value(std::string_view values,
                    const std::function<void(std::string_view name, const RecordValue& value)>& visit);

}  // namespace gatetape
