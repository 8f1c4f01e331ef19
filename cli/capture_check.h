// capture --check: a look at what would run, without running it.
#pragma once

#include "cli/capture_options.h"

namespace gatetape {

// Prints sources, filters, rules, stores and outlets to stdout, and to stderr what would keep the capture from running.
// Opens no port and writes nothing. Returns whether the capture could run, as far as that shows.
bool check_capture(const CaptureOptions& options);

}  // namespace gatetape
