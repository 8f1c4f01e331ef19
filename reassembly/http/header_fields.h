// The header fields that buffers of HTTP are made of, numbered at compile time from the table of buffers. The builder
// of buffers looks up each field of a head once and then finds the field of a buffer by its number.
#pragma once

#include <strings.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "packet/buffers.h"

namespace gatetape {

using HeaderFieldId = uint8_t;
inline constexpr HeaderFieldId kNoHeaderField = UINT8_MAX;

// The names without repetition, ordered by length. `first[n]` is the first name of n bytes or more.
struct HeaderFieldNames {
  static constexpr size_t kBytesMax = 63;
  std::array<std::string_view, 2 * kBufferCount> names;
  size_t count = 0;
  std::array<uint8_t, kBytesMax + 2> first{};
};

consteval HeaderFieldNames collect_header_field_names() {
  HeaderFieldNames all;
  for (const BufferInfo& row : kBuffers) {
    for (const std::string_view name : {row.field, row.response_field}) {
      const auto end = all.names.begin() + all.count;
      if (!name.empty() && std::find(all.names.begin(), end, name) == end) all.names[all.count++] = name;
    }
  }
  std::sort(all.names.begin(), all.names.begin() + all.count,
            [](std::string_view a, std::string_view b) { return a.size() != b.size() ? a.size() < b.size() : a < b; });
  for (size_t length = 0; length < all.first.size(); ++length) {
    while (all.first[length] < all.count && all.names[all.first[length]].size() < length) ++all.first[length];
  }
  return all;
}
inline constexpr HeaderFieldNames kHeaderFieldNames = collect_header_field_names();
inline constexpr size_t kHeaderFieldCount = kHeaderFieldNames.count;
static_assert(kHeaderFieldNames.names[kHeaderFieldCount - 1].size() <= HeaderFieldNames::kBytesMax);

using HeaderFieldOfBuffer = std::array<std::array<HeaderFieldId, 2>, kBufferCount>;
consteval HeaderFieldOfBuffer number_fields_of_buffers() {
  HeaderFieldOfBuffer all;
  for (size_t b = 0; b < kBufferCount; ++b) {
    const BufferInfo& row = kBuffers[b];
    for (const Direction direction : {Direction::kToServer, Direction::kToClient}) {
      const bool differs = direction == Direction::kToClient && !row.response_field.empty();
      const std::string_view name = differs ? row.response_field : row.field;
      HeaderFieldId& id = all[b][static_cast<size_t>(direction)];
      id = kNoHeaderField;
      for (size_t i = 0; i < kHeaderFieldCount; ++i) {
        if (kHeaderFieldNames.names[i] == name) id = static_cast<HeaderFieldId>(i);
      }
    }
  }
  return all;
}

// The field that a buffer is made of in a message of this direction; kNoHeaderField: it is not made of one.
inline HeaderFieldId header_field_of(Buffer buffer, Direction direction) {
  static constexpr HeaderFieldOfBuffer kFields = number_fields_of_buffers();
  return kFields[static_cast<size_t>(buffer)][static_cast<size_t>(direction)];
}

// The field of this name, compared without case; kNoHeaderField: no buffer is made of it. Few names share a length, and
// their first letters tell most of those apart.
inline HeaderFieldId find_header_field(std::string_view name) {
  if (name.empty() || name.size() > HeaderFieldNames::kBytesMax) return kNoHeaderField;
  const auto& [names, count, first] = kHeaderFieldNames;
  for (size_t i = first[name.size()]; i < first[name.size() + 1]; ++i) {
    const bool same_letter = ((names[i][0] ^ name[0]) & ~0x20) == 0;
    if (same_letter && strncasecmp(names[i].data(), name.data(), name.size()) == 0) {
      return static_cast<HeaderFieldId>(i);
    }
  }
  return kNoHeaderField;
}

}  // namespace gatetape
