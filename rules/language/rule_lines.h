// A rule file as lines of rules: comments and blank lines are skipped, a line that ends in a backslash goes on in the
// next one, and every byte of a rule still knows its place in the file.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace gatetape {

// One rule, as one text. A view into the file unless the rule was continued, then a joined copy.
struct RuleLine {
  std::string_view text;
  struct Piece {
    size_t offset = 0;  // in `text`
    uint32_t line = 0;  // from 1
  };
  std::vector<Piece> pieces;  // one per line of the file, at least one

  struct Place {
    uint32_t line = 0, column = 0;  // from 1
  };
  // The place of a byte of `text` (or of its end).
  Place place_of(const char* byte) const;
};

// Holds a reference to the file and to where joined copies go; both outlive the views given out.
class RuleLines {
 public:
  RuleLines(std::string_view file, std::deque<std::string>& strings);

  // False at the end of the file. Reuses the storage of `rule`.
  bool next(RuleLine& rule);

 private:
  bool read_line(std::string_view& line);

  std::string_view rest_;
  std::deque<std::string>& strings_;
  uint32_t line_number_ = 0;
};

}  // namespace gatetape
