// JsonWriter writes JSON (RFC 8259) by appending to a string, in the order of the calls. It places the commas; the
// caller is responsible for the nesting. Each writer belongs to one thread, and the string must outlive it.
//
//   std::string out;
//   JsonWriter json(out);
//   json.begin_object().field("sid", 7).begin_object("http").field("status", 200).end_object().end_object();
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>

namespace gatetape {

// Returns the length in bytes of the UTF-8 sequence at the start of `text`, or 0 when there is no valid one (RFC 3629:
// no overlong forms, no surrogates).
inline size_t utf8_sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
  const auto follows = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const uint8_t first = byte(0);
  if (text.empty()) return 0;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  if (first < 0xe0) return follows(1) ? 2 : 0;
  if (first < 0xf0) {
    if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) >= 0xa0)) return 0;
    return follows(1) && follows(2) ? 3 : 0;
  }
  if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) >= 0x90)) return 0;
  return follows(1) && follows(2) && follows(3) ? 4 : 0;
}

// Appends the first character of `text`, escaped where JSON requires it. Returns how many bytes of `text` it took.
inline size_t append_json_escaped(std::string& out, std::string_view text) {
  const auto c = static_cast<uint8_t>(text[0]);
  const size_t length = utf8_sequence_length(text);
  if (length == 0) {
    fmt::format_to(std::back_inserter(out), "\\\\x{:02x}", c);
    return 1;
  }
  if (length > 1) {
    out.append(text, 0, length);
  } else if (c == '"' || c == '\\') {
    out.push_back('\\');
    out.push_back(text[0]);
  } else if (c == '\n') {
    out.append("\\n");
  } else if (c == '\r') {
    out.append("\\r");
  } else if (c == '\t') {
    out.append("\\t");
  } else {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
  }
  return length;
}

// Appends `text` as a JSON string with its quotes. A byte that is not valid UTF-8 becomes the four characters \xNN, so
// that the output always parses and the byte can still be read.
inline void append_json_string(std::string& out, std::string_view text) {
  const auto plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; };
  out.push_back('"');
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && plain(text[end])) ++end;
    out.append(text, i, end - i);
    i = end;
    if (i < text.size()) i += append_json_escaped(out, text.substr(i));
  }
  out.push_back('"');
}

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& begin_object(std::string_view key) { return name(key).open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& begin_array(std::string_view key) { return name(key).open('['); }
  JsonWriter& end_array() { return close(']'); }

  template <class T>
  JsonWriter& field(std::string_view key, const T& content) {
    return name(key).value(content);
  }

  // Writes a string, a boolean, an integer or a floating-point number.
  template <class T>
  JsonWriter& value(const T& content) {
    comma();
    if constexpr (std::same_as<T, bool>) {
      out_.append(content ? "true" : "false");
    } else if constexpr (std::is_integral_v<T>) {
      const fmt::format_int digits(content);
      out_.append(digits.data(), digits.size());
    } else if constexpr (std::is_floating_point_v<T>) {
      fmt::format_to(std::back_inserter(out_), "{}", content);
    } else {
      append_json_string(out_, std::string_view(content));
    }
    need_comma_ = true;
    return *this;
  }

 private:
  JsonWriter& name(std::string_view key) {
    comma();
    append_json_string(out_, key);
    out_.push_back(':');
    need_comma_ = false;
    return *this;
  }
  JsonWriter& open(char bracket) {
    comma();
    out_.push_back(bracket);
    need_comma_ = false;
    return *this;
  }
  JsonWriter& close(char bracket) {
    out_.push_back(bracket);
    need_comma_ = true;
    return *this;
  }
  void comma() {
    if (need_comma_) out_.push_back(',');
    need_comma_ = false;
  }

  std::string& out_;
  bool need_comma_ = false;
};

}  // namespace gatetape
