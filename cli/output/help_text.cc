#include "cli/output/help_text.h"

#include <unistd.h>

#include <algorithm>

#include "cli/output/terminal.h"

namespace gatetape {

std::string wrapped(std::string_view text, size_t columns, size_t indent) {
  std::string out;
  size_t column = 0;
  bool keep = false;  // the line before is kept as it is
  const auto break_line = [&] {
    out += '\n';
    out.append(indent, ' ');
    column = 0;
  };
  const auto add_word = [&](std::string_view word) {
    const size_t width = width_of(word);
    if (column != 0 && indent + column + 1 + width > columns) break_line();
    if (column != 0) out += ' ', ++column;
    out += word;
    column += width;
  };
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    const bool kept = line.empty() || line.front() == ' ';
    if ((kept || keep) && begin != 0) break_line();
    if (kept) {
      out += line;
    } else {
      while (!line.empty()) {
        const size_t space = std::min(line.find(' '), line.size());
        if (space != 0) add_word(line.substr(0, space));
        line.remove_prefix(std::min(space + 1, line.size()));
      }
    }
    keep = kept;
    begin = end + 1;
  }
  return out;
}

size_t terminal_columns() {
  constexpr size_t kColumns = 80, kColumnsMin = 40, kColumnsMax = 100;
  const Terminal terminal = terminal_of(STDOUT_FILENO);
  return terminal.is_terminal ? std::clamp(terminal.width, kColumnsMin, kColumnsMax) : kColumns;
}

}  // namespace gatetape
