// The http.* buffers of one direction of a transaction, made from its head when somebody asks for them, as Suricata
// defines them (user guide, "HTTP Keywords"). Fields that occur several times count as one whose value is joined by ",
// ".
//
// One object per thread, begun anew for each look at a transaction; its memory is kept. Views live until the next
// begin().
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "packet/buffers.h"
#include "packet/http.h"
#include "rules/engine/header_fields.h"

namespace gatetape {

class HttpBuffers {
 public:
  // `body` is what is inspected of the direction's body; empty: none, or not yet.
  void begin(const HttpTransaction& transaction, Direction direction, std::span<const uint8_t> body);

  const HttpTransaction& transaction() const { return *transaction_; }

  // Calls visit(std::span<const uint8_t>) for each instance of the buffer until it returns true; returns whether it
  // did. A buffer that is not there has no instance.
  template <class Visit>
  bool any(Buffer buffer, Visit&& visit) {
    if (buffer_info(buffer).http == HttpPart::kEachField) {
      const HttpHead& head = head_of(buffer);
      for (const HttpField& field : head.fields) {
        if (visit(bytes_of(field_line(field)))) return true;
      }
      return false;
    }
    if (buffer == Buffer::kPayload && !body_.empty() && visit(body_)) return true;
    const View& view = get(buffer);
    return view.present && visit(view.bytes);
  }

  // http.host with a dot before it, so that the literals of rules with and without `dotprefix` are found in one scan.
  std::span<const uint8_t> dotted_host();

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

  const HttpHead& head_of(Buffer buffer) const;
  const View& get(Buffer buffer);
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
  Direction direction_ = Direction::kToServer;
  std::span<const uint8_t> body_;
  std::array<View, kBufferCount> views_;
  std::array<std::string, kBufferCount> text_;
  FieldIndex fields_[2];
  std::string line_;
};

// The buffer after transforms, in `scratch`.
std::span<const uint8_t> transformed(std::span<const uint8_t> buffer, std::span<const Transform> transforms,
                                     std::string& scratch);

}  // namespace gatetape
