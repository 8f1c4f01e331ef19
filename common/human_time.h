// Times as people type them and paste them from other programs. They know the machine's time zone (TZ, /etc/localtime).
// Any thread may call these functions, unless another changes TZ meanwhile.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"

namespace gatetape {

struct HumanTime {
  int64_t ns = 0;           // since the Unix epoch
  bool local = false;       // no zone was written, and the machine's was taken
  bool clock_only = false;  // no day was written
};

// Which instant is meant by a local time that a clock shows twice, when summer time ends.
enum class WhenTwice : uint8_t { kFirst, kSecond };

// Parses a time. `now_ns` is the instant to which it is relative. Accepts all that parse_time() does, and
//   22:48, 22:48:25.5                          today, or yesterday where that is still to come
//   today, yesterday, yesterday 22:48          in the machine's zone
//   2h, -2h, 2h ago, "1 hour 30 minutes ago"   before now; +2h: after it
//   2026-11-27 10:00:00.5                      tcpdump -tttt
//   27/Nov/2026:10:00:00 +0000                 nginx, Apache
//   2026-11-27T10:00:00.123456+0000            EVE
//   Nov 27 10:00:00                            journalctl, syslog: of this year, or of the last one if still to come
//   Fri 2026-11-27 10:00:00 UTC                systemctl
//   Fri, 27 Nov 2026 10:00:00 GMT              HTTP; what date(1) prints
// A time without a zone is local. A date alone is midnight UTC. With a T between date and time, as RFC 3339 has it, the
// zone must be written, too. Fails for a local time that no clock shows, when summer time begins. Years 1678 to 2261.
Result<HumanTime> parse_human_time(std::string_view text, int64_t now_ns, WhenTwice twice = WhenTwice::kFirst);

// Forms to choose from, for messages and help.
extern const char* const kHumanTimeExamples;

// The machine's zone at an instant: "CET, UTC+01:00".
std::string local_zone_text(int64_t ns);

}  // namespace gatetape
