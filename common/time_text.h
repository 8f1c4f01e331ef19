// Times and sizes as people write them: RFC 3339, relative times, "10G". Pure functions; any thread may call them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/result.h"

namespace gatetape {

// Parses a time and returns nanoseconds since the Unix epoch. Accepts
//   2026-11-20T10:00:00Z, 2026-11-20 10:00:00.5+01:00   RFC 3339 with a zone, up to nine digits after the second
//   2026-11-20                                          midnight UTC
//   now, -2h, -1h30m, -250ms                            relative to now_ns: ms, s, m, h, d, w
//   @1700000000.25                                      seconds since the epoch
// Years 1678 to 2261. A leap second (:60) is the first instant of the next minute.
Result<int64_t> parse_time(std::string_view text, int64_t now_ns);

// Formats a time as "2026-11-20T10:00:00.123456789Z".
std::string format_time(int64_t timestamp_ns);
// Appends a time in the form of Suricata's EVE log: "2026-11-20T10:00:00.123456+0000".
void append_eve_time(std::string& out, int64_t timestamp_ns);

// Parses a number of bytes with an optional unit, e.g. "10G", "1.5T" or "4096". Units are K, M, G and T, also written
// KiB or KB; all are powers of 1024.
Result<uint64_t> parse_size(std::string_view text);
// Formats a number of bytes, e.g. "12.3 MiB" or "512 B".
std::string format_size(uint64_t bytes);

}  // namespace gatetape
