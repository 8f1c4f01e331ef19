// Text in columns for people. Widths are columns of a terminal (width_of()), not bytes. Pure functions but for
// terminal_columns().
#pragma once

#include <string>
#include <string_view>

namespace gatetape {

// Breaks lines between words so that none takes more than `columns`, if its words allow that. Lines but the
// first are indented. A newline is a blank, but for an empty line, and lines that begin with a blank are kept.
std::string wrapped(std::string_view text, size_t columns, size_t indent = 0);

// Returns the width of the terminal behind standard output, at most 100; 80 where there is none.
size_t terminal_columns();

}  // namespace gatetape
