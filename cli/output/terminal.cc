#include "cli/output/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iterator>

#include "common/json_writer.h"

namespace gatetape {

namespace {

struct CodeRange {
  char32_t first, last;
};

// Shown by nothing at all, or by what comes after them.
constexpr CodeRange kHidden[] = {{0x80, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},    {0x180e, 0x180e},
                                 {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},  {0xd800, 0xdfff},
                                 {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff}};
constexpr CodeRange kCombining[] = {{0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},
                                    {0x64b, 0x65f},   {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff},
                                    {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
constexpr CodeRange kWide[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xac00, 0xd7a3},
                               {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
                               {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};

template <size_t n>
bool lies_in(char32_t code, const CodeRange (&ranges)[n]) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [&](const CodeRange& range) { return code >= range.first && code <= range.last; });
}

// The character that a valid sequence of UTF-8 encodes.
char32_t decode(std::string_view sequence) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(sequence[i]); };
  if (sequence.size() == 1) return byte(0);
  char32_t code = byte(0) & (0x7fu >> sequence.size());
  for (size_t i = 1; i < sequence.size(); ++i) code = code << 6 | (byte(i) & 0x3fu);
  return code;
}

// The first character's bytes, at least one.
std::string_view first_of(std::string_view text) {
  return text.substr(0, std::max<size_t>(utf8_sequence_length(text), 1));
}

size_t columns_of(std::string_view sequence) {
  if (sequence.size() == 1) return 1;
  const char32_t code = decode(sequence);
  return lies_in(code, kCombining) ? 0 : lies_in(code, kWide) ? 2 : 1;
}

bool is_printable(std::string_view sequence, bool utf8) {
  if (sequence.size() > 1) return utf8 && !lies_in(decode(sequence), kHidden);
  const auto c = static_cast<uint8_t>(sequence[0]);
  return c >= 0x20 && c < 0x7f;
}

bool set_to(const char* name, std::string& value) {
  const char* found = std::getenv(name);
  value = found == nullptr ? "" : found;
  return !value.empty();
}

bool locale_is_utf8() {
  std::string locale;
  if (!set_to("LC_ALL", locale) && !set_to("LC_CTYPE", locale) && !set_to("LANG", locale)) return false;
  std::erase(locale, '-');
  for (char& c : locale) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return locale.find("utf8") != std::string::npos;
}

size_t terminal_width(int descriptor) {
  constexpr size_t kUsual = 80;
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col != 0) return size.ws_col;
  std::string columns;
  if (!set_to("COLUMNS", columns)) return kUsual;
  const long width = std::strtol(columns.c_str(), nullptr, 10);
  return width > 0 ? static_cast<size_t>(width) : kUsual;
}

}  // namespace

std::optional<WhenColor> when_color(std::string_view word) {
  if (word == "auto") return WhenColor::kAuto;
  if (word == "always") return WhenColor::kAlways;
  if (word == "never") return WhenColor::kNever;
  return std::nullopt;
}

Terminal terminal_of(int descriptor, WhenColor color) {
  Terminal terminal;
  terminal.is_terminal = ::isatty(descriptor) != 0;
  std::string value;
  terminal.color =
      color == WhenColor::kAlways || (color == WhenColor::kAuto && terminal.is_terminal && !set_to("NO_COLOR", value) &&
                                      set_to("TERM", value) && value != "dumb");
  if (!terminal.is_terminal) return terminal;
  terminal.width = terminal_width(descriptor);
  terminal.utf8 = locale_is_utf8();
  return terminal;
}

std::string printable(std::string_view text, bool utf8) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_sequence_length(text.substr(i));
    const std::string_view sequence = text.substr(i, std::max<size_t>(length, 1));
    if (length != 0 && is_printable(sequence, utf8)) {
      out.append(sequence);
    } else {
      for (const char c : sequence) out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
    }
    i += sequence.size();
  }
  return out;
}

size_t width_of(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    const std::string_view sequence = first_of(text);
    width += columns_of(sequence);
    text.remove_prefix(sequence.size());
  }
  return width;
}

std::string cut_to(std::string_view text, size_t width, bool utf8) {
  if (width_of(text) <= width) return std::string(text);
  if (width == 0) return {};
  std::string out;
  for (size_t taken = 0; !text.empty();) {
    const std::string_view sequence = first_of(text);
    taken += columns_of(sequence);
    if (taken >= width) break;
    out.append(sequence);
    text.remove_prefix(sequence.size());
  }
  return out + (utf8 ? "…" : "~");
}

}  // namespace gatetape
