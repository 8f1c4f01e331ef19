#include "reassembly/http/http1_head.h"

#include <strings.h>

#include <algorithm>
#include <cstring>

namespace gatetape {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// White space, and what servers take for it around a start line's parts.
bool is_space(char c) {
  return is_blank(c) || (c >= '\v' && c <= '\r');
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool equals(std::string_view a, const char* lower_case) {
  return strncasecmp(a.data(), lower_case, a.size()) == 0;
}

// Takes the next line off `text`, without its line end.
std::string_view take_line(std::string_view& text) {
  const size_t size = text.size();
  const void* found = size == 0 ? nullptr : std::memchr(text.data(), '\n', size);
  size_t length = found == nullptr ? size : static_cast<size_t>(static_cast<const char*>(found) - text.data());
  const size_t taken = found == nullptr ? size : length + 1;
  if (found != nullptr && length > 0 && text[length - 1] == '\r') --length;
  const std::string_view line = text.substr(0, length);
  text.remove_prefix(taken);
  return line;
}

// RFC 9110 section 8.6: decimal digits; the same number several times, separated by commas, counts as once.
void read_content_length(std::string_view value, HeadFraming& framing) {
  constexpr uint64_t kLengthMax = uint64_t{1} << 60;
  uint64_t number = 0;
  size_t digits = 0;
  while (digits < value.size() && value[digits] >= '0' && value[digits] <= '9' && number < kLengthMax) {
    number = number * 10 + static_cast<uint64_t>(value[digits++] - '0');
  }
  if (digits == 0) {
    framing.anomalies |= kHttpBadContentLength;
    return;
  }
  if (framing.has_length && number != framing.length) {
    framing.anomalies |= kHttpBadContentLength;
    return;  // the first one counts
  }
  framing.has_length = true;
  framing.length = number;
  const std::string_view rest = trim(value.substr(digits));
  if (rest.empty()) return;
  if (rest.front() == ',') {
    read_content_length(trim(rest.substr(1)), framing);
  } else {
    framing.anomalies |= kHttpBadContentLength;
  }
}

void read_transfer_encoding(std::string_view value, HeadFraming& framing) {
  const std::string_view last = trim(value.substr(value.find_last_of(',') + 1));
  constexpr std::string_view kChunked = "chunked";
  framing.chunked = last.size() == kChunked.size() && equals(last, kChunked.data());
  framing.has_other_coding = !framing.chunked;
}

void read_framing_field(const HttpField& field, HeadFraming& framing) {
  constexpr std::string_view kContentLength = "content-length", kTransferEncoding = "transfer-encoding";
  if (field.name.size() == kContentLength.size() && equals(field.name, kContentLength.data())) {
    read_content_length(field.value, framing);
  } else if (field.name.size() == kTransferEncoding.size() && equals(field.name, kTransferEncoding.data())) {
    read_transfer_encoding(field.value, framing);
  }
}

HttpField parse_field_line(std::string_view line, uint32_t& anomalies) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    anomalies |= kHttpBadFieldLine;
    return {line.substr(0, 0), trim(line)};
  }
  const std::string_view name = trim(line.substr(0, colon));
  // RFC 9112 section 5.1: no white space before the colon, and a name there is.
  if (name.empty() || name.size() != colon) anomalies |= kHttpBadFieldLine;
  return {name, trim(line.substr(colon + 1))};
}

// `text`: everything behind the start line. Framing is read once all folded lines are joined.
void parse_fields(std::string_view text, HttpHead& head, uint32_t fields_max, HeadFraming& framing) {
  const char* const begin = text.data();
  const char* end = begin;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty()) break;
    end = text.data();
    if (is_blank(line.front()) && !head.fields.empty()) {  // folded (RFC 9112 section 5.2)
      std::string_view& value = head.fields.back().value;
      const std::string_view more = trim(line);
      if (!more.empty()) {
        const char* const from = value.empty() ? more.data() : value.data();
        value = {from, static_cast<size_t>(more.data() + more.size() - from)};
      }
      continue;
    }
    if (head.fields.size() == fields_max) {
      framing.anomalies |= kHttpHeadTooLarge;
      break;
    }
    head.fields.push_back(parse_field_line(line, framing.anomalies));
  }
  head.raw_fields = {begin, static_cast<size_t>(end - begin)};
  for (const HttpField& field : head.fields) read_framing_field(field, framing);
  if (framing.has_length && (framing.chunked || framing.has_other_coding)) framing.anomalies |= kHttpLengthAndChunked;
}

size_t find_space(std::string_view text) {
  size_t i = 0;
  while (i < text.size() && !is_space(text[i])) ++i;
  return i;
}

}  // namespace

size_t find_head_end(const char* bytes, size_t size, uint32_t& scanned) {
  const char* const end = bytes + size;
  const char* at = bytes + scanned;
  while (at < end) {
    const char* line_end = static_cast<const char*>(std::memchr(at, '\n', static_cast<size_t>(end - at)));
    if (line_end == nullptr) break;
    const char* next = line_end + 1;
    if (next < end && *next == '\r') ++next;
    if (next == end) {  // the line end, and perhaps half of the empty line
      scanned = static_cast<uint32_t>(line_end - bytes);
      return SIZE_MAX;
    }
    if (*next == '\n') return static_cast<size_t>(next + 1 - bytes);
    at = line_end + 1;
  }
  scanned = static_cast<uint32_t>(size);
  return SIZE_MAX;
}

HeadFraming parse_request_head(HttpHead& head, uint32_t fields_max) {
  HeadFraming framing;
  std::string_view text = head.bytes;
  head.start_line = take_line(text);
  std::string_view line = trim(head.start_line);
  const size_t method_length = find_space(line);
  head.method = line.substr(0, method_length);
  line = trim(line.substr(method_length));
  // The target is what lies between method and version, spaces included.
  size_t version = line.size();
  while (version > 0 && !is_space(line[version - 1])) --version;
  if (line.substr(version).starts_with("HTTP/")) {
    head.protocol = line.substr(version);
    line = trim(line.substr(0, version));
  } else {
    framing.anomalies |= kHttpBadStartLine;
  }
  head.uri = line;
  if (head.uri.empty()) framing.anomalies |= kHttpBadStartLine;
  parse_fields(text, head, fields_max, framing);
  return framing;
}

HeadFraming parse_response_head(HttpHead& head, uint32_t fields_max, uint16_t& status) {
  HeadFraming framing;
  std::string_view text = head.bytes;
  head.start_line = take_line(text);
  std::string_view line = trim(head.start_line);
  const size_t protocol_length = find_space(line);
  head.protocol = line.substr(0, protocol_length);
  line = trim(line.substr(protocol_length));
  const size_t status_length = find_space(line);
  head.status_text = line.substr(0, status_length);
  head.reason = trim(line.substr(status_length));
  status = 0;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const std::string_view digits = head.status_text;
  if (digits.size() == 3 && is_digit(digits[0]) && is_digit(digits[1]) && is_digit(digits[2])) {
    status = static_cast<uint16_t>((digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0'));
  } else {
    framing.anomalies |= kHttpBadStartLine;
  }
  parse_fields(text, head, fields_max, framing);
  return framing;
}

bool looks_like_http_request(std::span<const uint8_t> bytes, bool& enough) {
  constexpr size_t kMethodMin = 3, kMethodMax = 16;
  enough = true;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  size_t length = 0;
  while (length < text.size() && length <= kMethodMax &&
         ((text[length] >= 'A' && text[length] <= 'Z') || text[length] == '-' || text[length] == '_')) {
    ++length;
  }
  if (length > kMethodMax) return false;
  if (length + 1 >= text.size()) {
    enough = false;
    return length == text.size() || (length >= kMethodMin && text[length] == ' ');
  }
  if (length < kMethodMin || text[length] != ' ') return false;
  const char target = text[length + 1];
  return target == '/' || target == '*' || target == 'h' || target == 'H' ||
         (text.substr(0, length) == "CONNECT" && target > ' ');
}

bool looks_like_http_response(std::span<const uint8_t> bytes, bool& enough) {
  // '#' stands for a digit.
  constexpr std::string_view kPattern = "HTTP/1.# ###";
  enough = bytes.size() >= kPattern.size();
  for (size_t i = 0; i < std::min(bytes.size(), kPattern.size()); ++i) {
    const bool fits = kPattern[i] == '#' ? bytes[i] >= '0' && bytes[i] <= '9' : bytes[i] == kPattern[i];
    if (!fits) {
      enough = true;
      return false;
    }
  }
  return true;
}

}  // namespace gatetape
