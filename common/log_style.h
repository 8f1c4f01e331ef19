// The form of lines on stderr, for a program that runs as a service.
#pragma once

#include <string_view>

#include "common/log.h"

namespace gatetape {

enum class LogStyle {
  kPlain,    // as they are: for a terminal, and for commands that end soon
  kTimes,    // with the time before each line: for a file that is kept
  kJournal,  // with the priority before each line, "<4>", as systemd's journal reads it
};

// Returns the style for a service: kJournal where stderr is the journal's ($JOURNAL_STREAM), kPlain on a terminal.
LogStyle service_log_style();
// Lines have this style from now on (kPlain until then). Call it before there are threads.
void set_log_style(LogStyle style);

// Writes lines to stderr, each in the style, without "gatetape: warning: " before them. Any thread.
void log_lines(LogLevel level, std::string_view lines);

}  // namespace gatetape
