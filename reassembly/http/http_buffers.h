// The http.* buffers of a transaction, made from its heads when somebody asks for them, as Suricata defines them (user
// guide, "HTTP Keywords"). Fields that occur several times count as one whose value is joined by ", ".
//
// One object per worker, which keeps what it has built of one message until it is asked for another: a caller that asks
// for several buffers should ask for those of one message together. Its memory is kept, so that nothing is allocated
// once it has grown.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "packet/buffers.h"
#include "reassembly/http/header_fields.h"
#include "reassembly/http/http_transaction.h"

namespace gatetape {

class HttpBuffers {
 public:
  // Returns what HttpTransaction::buffer() does. A message's views live until another message is asked for; those of a
  // buffer with several instances until the next call.
  std::optional<std::span<const uint8_t>> get(const HttpTransaction& transaction, Buffer buffer, Direction direction,
                                              size_t instance);

 private:
  struct View {
    std::span<const uint8_t> bytes;
    bool built = false;
    bool present = false;
  };
  struct FieldIndex {
    bool built = false;
    std::array<int32_t, kHeaderFieldCount> first{};  // by HeaderFieldId: index into head.fields, -1: none
    std::array<bool, kHeaderFieldCount> several{};
  };
  static std::span<const uint8_t> bytes_of(std::string_view s) {
    return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
  }

  void begin(const HttpTransaction& transaction, Direction direction);
  const HttpHead& head_of(Buffer buffer) const;
  void build(Buffer buffer, View& view);
  void set(View& view, std::string_view value);
  void set_if_any(View& view, std::string_view value);
  void set_field(View& view, Buffer buffer, const HttpHead& head);
  const FieldIndex& fields_of(const HttpHead& head);
  std::string_view field_line(const HttpField& field);
  void append_fields(const HttpHead& head, std::string_view without, std::string& out);
  void build_header_names(const HttpHead& head, std::string& out);
  void build_start(const HttpHead& head, std::string& out);

  const HttpTransaction* transaction_ = nullptr;
  uint64_t heads_version_ = 0;
  Direction direction_ = Direction::kToServer;
  std::array<View, kBufferCount> views_;
  std::array<std::string, kBufferCount> text_;
  FieldIndex fields_[2];
  std::string line_;
};

}  // namespace gatetape
