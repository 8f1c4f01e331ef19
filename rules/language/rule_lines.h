// Splits a rule file into rules. Comments and blank lines are skipped, a line that ends in a backslash continues in the
// next one, and the place of every byte of a rule in the file is still known.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace gatetape {

// The text of one rule: a view into the file, or a joined copy if the rule was continued.
struct RuleLine {
  std::string_view text;
  struct Piece {
    size_t offset = 0;  // in `text`
    uint32_t line = 0;  // from 1
  };
  std::vector<Piece> pieces;  // one per line of the file that the rule is on; at least one

  struct Place {
    uint32_t line = 0, column = 0;  // from 1
  };
  // The place of a byte of `text`, or of its end.
  Place place_of(const char* byte) const;
};

// Reads the rules of one file in order. `strings` receives the joined copies. The file and `strings` must outlive the
// views that next() gives out.
class RuleLines {
 public:
  RuleLines(std::string_view file, std::deque<std::string>& strings);

  // Reads the next rule into `rule`, whose storage is reused. False: there are no more.
  bool next(RuleLine& rule);

 private:
  bool read_line(std::string_view& line);

  std::string_view rest_;
  std::deque<std::string>& strings_;
  uint32_t line_number_ = 0;
};

}  // namespace gatetape
