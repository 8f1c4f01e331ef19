// Which build this is.
#pragma once

namespace gatetape {

extern const char* const kVersion;  // "0.1.0"

}  // namespace gatetape
