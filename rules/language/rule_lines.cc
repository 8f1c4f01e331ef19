#include "rules/language/rule_lines.h"

#include <algorithm>

#include "rules/language/option_values.h"

namespace gatetape {

RuleLine::Place RuleLine::place_of(const char* byte) const {
  const auto offset = static_cast<size_t>(byte - text.data());
  const Piece* piece = &pieces.front();
  for (const Piece& candidate : pieces) {
    if (candidate.offset <= offset) piece = &candidate;
  }
  return {piece->line, static_cast<uint32_t>(offset - piece->offset + 1)};
}

RuleLines::RuleLines(std::string_view file, std::deque<std::string>& strings) : rest_(file), strings_(strings) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
}

bool RuleLines::read_line(std::string_view& line) {
  if (rest_.empty()) return false;
  const size_t end = std::min(rest_.find('\n'), rest_.size());
  line = rest_.substr(0, end);
  rest_.remove_prefix(std::min(end + 1, rest_.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  ++line_number_;
  return true;
}

bool RuleLines::next(RuleLine& rule) {
  std::string_view line;
  do {
    if (!read_line(line)) return false;
  } while (trimmed(line).empty() || trimmed(line).front() == '#');
  rule.pieces.assign(1, {0, line_number_});
  rule.text = line;
  if (!line.ends_with('\\')) return true;

  std::string& joined = strings_.emplace_back();
  bool continued = true;
  while (continued) {
    continued = line.ends_with('\\');
    joined.append(line.substr(0, line.size() - (continued ? 1 : 0)));
    if (!continued || !read_line(line)) break;
    rule.pieces.push_back({joined.size(), line_number_});
  }
  rule.text = joined;
  return true;
}

}  // namespace gatetape
