#include "reassembly/http/http_uri.h"

#include <emmintrin.h>

#include <algorithm>
#include <cstdint>

namespace gatetape {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// -1 when they are not `digits` hexadecimal digits.
int hex_number(const char* at, const char* end, int digits) {
  if (end - at < digits) return -1;
  int number = 0;
  for (int i = 0; i < digits; ++i) {
    const int value = hex_value(at[i]);
    if (value < 0) return -1;
    number = number << 4 | value;
  }
  return number;
}

// Maps a %u code point to one byte: full-width forms become what they look like, others beyond Latin-1 are '?'.
char best_fit(int code_point) {
  if (code_point >= 0xff01 && code_point <= 0xff5e) return static_cast<char>(code_point - 0xff01 + '!');
  return code_point <= 0xff ? static_cast<char>(code_point) : '?';
}

void append_decoded(std::string_view text, std::string& out) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    if (*at != '%') {
      out.push_back(*at++);
      continue;
    }
    const bool is_u = end - at > 1 && (at[1] | 0x20) == 'u';
    const int number = is_u ? hex_number(at + 2, end, 4) : hex_number(at + 1, end, 2);
    if (number < 0) {
      out.push_back(*at++);
      continue;
    }
    out.push_back(is_u ? best_fit(number) : static_cast<char>(number));
    at += is_u ? 6 : 3;
  }
}

// In place: backslashes become slashes, and of several slashes one stays.
void compress_separators(std::string& path) {
  size_t to = 0;
  for (size_t from = 0; from < path.size(); ++from) {
    const char c = path[from] == '\\' ? '/' : path[from];
    if (c == '/' && to > 0 && path[to - 1] == '/') continue;
    path[to++] = c;
  }
  path.resize(to);
}

// In place, as libhtp does it: of the segments between slashes, "." goes, and ".." takes the one before it along, but
// not the empty one at the beginning. Unlike RFC 3986, "/a/." becomes "/a".
void remove_dot_segments(std::string& path) {
  size_t to = 0;        // the segments kept, joined, end here
  size_t segments = 0;  // how many they are
  for (size_t from = 0; from <= path.size();) {
    const size_t end = std::min(path.find('/', from), path.size());
    const std::string_view segment(path.data() + from, end - from);
    if (segment == "..") {
      const bool only_root = segments == 1 && to == 0;
      if (segments > 0 && !only_root) {
        --segments;
        to = segments == 0 ? 0 : path.rfind('/', to - 1);
      }
    } else if (segment != ".") {
      if (segments++ > 0) path[to++] = '/';
      for (const char c : segment) path[to++] = c;
    }
    from = end + 1;
  }
  path.resize(to);
}

// Whether normalising would change nothing: no escape, backslash, "//", "/." or scheme.
bool is_plain(std::string_view target) {
  if (target.empty() || target[0] != '/') return false;
  const char* at = target.data();
  const char* const last = at + target.size() - 1;
  const __m128i percent = _mm_set1_epi8('%'), backslash = _mm_set1_epi8('\\'), slash = _mm_set1_epi8('/'),
                dot = _mm_set1_epi8('.');
  for (; last - at >= 16; at += 16) {
    const __m128i here = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i next = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 1));
    const __m128i escape = _mm_or_si128(_mm_cmpeq_epi8(here, percent), _mm_cmpeq_epi8(here, backslash));
    const __m128i segment = _mm_or_si128(_mm_cmpeq_epi8(next, slash), _mm_cmpeq_epi8(next, dot));
    const __m128i special = _mm_or_si128(escape, _mm_and_si128(_mm_cmpeq_epi8(here, slash), segment));
    if (_mm_movemask_epi8(special) != 0) return false;
  }
  for (; at < last; ++at) {
    if (*at == '%' || *at == '\\' || (*at == '/' && (at[1] == '/' || at[1] == '.'))) return false;
  }
  return *last != '%' && *last != '\\';
}

bool is_scheme_character(char c) {
  const char lower = static_cast<char>(c | 0x20);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
}

// The length of "scheme://", 0 when the target does not begin so.
size_t scheme_length(std::string_view target) {
  size_t length = 0;
  while (length < target.size() && is_scheme_character(target[length])) ++length;
  return length > 0 && target.substr(length, 3) == "://" ? length + 3 : 0;
}

}  // namespace

std::string_view authority_of(std::string_view target) {
  const size_t scheme = scheme_length(target);
  if (scheme == 0) return {};
  const std::string_view rest = target.substr(scheme);
  return rest.substr(0, rest.find_first_of("/?#\\"));
}

void normalise_uri(std::string_view target, std::string& out) {
  if (is_plain(target)) {
    out.assign(target);
    return;
  }
  out.clear();
  if (const size_t scheme = scheme_length(target); scheme > 0) {
    target.remove_prefix(scheme + authority_of(target).size());
  }
  const std::string_view path = target.substr(0, target.find_first_of("?#"));
  append_decoded(path, out);
  compress_separators(out);
  remove_dot_segments(out);
  target.remove_prefix(path.size());
  const std::string_view query = target.substr(0, target.find('#'));
  append_decoded(query, out);
  out.append(target.substr(query.size()));
}

void normalise_host(std::string_view host, std::string& out) {
  if (const size_t at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
  const size_t address_end = host.starts_with('[') ? host.find(']') : std::string_view::npos;
  host = address_end != std::string_view::npos ? host.substr(0, address_end + 1) : host.substr(0, host.find(':'));
  while (host.ends_with('.')) host.remove_suffix(1);
  out.assign(host);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
}

}  // namespace gatetape
