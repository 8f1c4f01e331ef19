// The terminal that output goes to, if it is one: how wide, whether colours and which characters it shows. And text
// from the wire made safe for it. Pure functions, but for terminal_of().
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace gatetape {

enum class WhenColor { kAuto, kAlways, kNever };
std::optional<WhenColor> when_color(std::string_view word);  // auto, always, never

struct Terminal {
  bool is_terminal = false;
  size_t width = 0;  // in columns; 0: no limit
  bool color = false;
  bool utf8 = true;  // false: only ASCII is shown
};

// The terminal behind a descriptor. A pipe or a file has no width, no colour, and takes UTF-8 whatever the locale.
// Automatic colour wants a terminal, no NO_COLOR and a TERM other than "dumb". The width is the terminal's, else
// $COLUMNS, else 80.
Terminal terminal_of(int descriptor, WhenColor color = WhenColor::kAuto);

// Makes text from traffic safe: each byte of what is no printable character becomes \xNN, so that none moves the
// cursor, turns the direction of writing or hides. Without `utf8`, whatever is not ASCII is such a byte, too.
std::string printable(std::string_view text, bool utf8 = true);

// How many columns a printable text takes: combining characters none, East Asian wide ones two.
size_t width_of(std::string_view text);
// The text, if it fits into so many columns, else as much of it as does with a mark at its end: "…", in ASCII "~".
std::string cut_to(std::string_view text, size_t width, bool utf8 = true);

}  // namespace gatetape
