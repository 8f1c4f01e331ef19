#include "packet/record_values.h"

#include <algorithm>
#include <cstring>

#include "common/check.h"

namespace gatetape {
namespace {

constexpr uint8_t kText = 0, kNumber = 1;

// Takes a little-endian integer off the front of `bytes`; false when there are too few.
template <class T>
bool take(std::string_view& bytes, T& value) {
  if (bytes.size() < sizeof value) return false;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return true;
}

bool take(std::string_view& bytes, size_t size, std::string_view& text) {
  if (bytes.size() < size) return false;
  text = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return true;
}

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

bool RecordValues::begin(std::string_view name, uint8_t kind, size_t value_bytes_min) {
  GT_CHECK(name.size() <= UINT8_MAX);
  if (bytes_.size() + 1 + name.size() + 1 + value_bytes_min > kBytesMax) return false;
  append(bytes_, static_cast<uint8_t>(name.size()));
  bytes_.append(name);
  append(bytes_, kind);
  return true;
}

RecordValues& RecordValues::text(std::string_view name, std::string_view value) {
  if (!begin(name, kText, sizeof(uint32_t))) return *this;
  const std::string_view kept = value.substr(0, kBytesMax - bytes_.size() - sizeof(uint32_t));
  append(bytes_, static_cast<uint32_t>(kept.size()));
  bytes_.append(kept);
  return *this;
}

RecordValues& RecordValues::number(std::string_view name, uint64_t value) {
  if (begin(name, kNumber, sizeof value)) append(bytes_, value);
  return *this;
}

bool for_each_value(std::string_view values,
                    const std::function<void(std::string_view name, const RecordValue& value)>& visit) {
  while (!values.empty()) {
    uint8_t name_length = 0, kind = 0;
    std::string_view name;
    if (!take(values, name_length) || !take(values, name_length, name) || !take(values, kind)) return false;
    uint64_t number = 0;
    uint32_t length = 0;
    std::string_view text;
    if (kind == kNumber && take(values, number)) {
      visit(name, number);
    } else if (kind == kText && take(values, length) && take(values, length, text)) {
      visit(name, text);
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace gatetape
