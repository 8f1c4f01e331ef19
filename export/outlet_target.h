// The place that an outlet (outlet.h) writes to: today the EVE file, later syslog, metrics and others. Only the
// outlet's thread uses it, one call at a time, once the outlet has started.
//
// A target never waits long: where it takes nothing at the moment, it says so within kTargetWait, so that the
// outlet's thread can see that the program is to end. A device that hangs inside a system call is the exception; the
// outlet leaves its thread behind then.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"
#include "packet/records.h"

namespace gatetape {

inline constexpr std::chrono::milliseconds kTargetWait{100};

// The result of one OutletTarget::take().
struct Taken {
  size_t bytes = 0;  // from the front of the text; they need not end with a line
  int error = 0;     // an errno that stopped it; EAGAIN: the reader has read nothing for kTargetWait
};

// The result of one OutletTarget::reopen().
enum class Reopened : uint8_t {
  kSame,       // the path leads to what is open
  kElsewhere,  // another file is open now; a line that had been taken in part is to be taken again
  kFailed,     // the other file cannot be opened yet; the old one is kept
};

class OutletTarget {
 public:
  virtual ~OutletTarget() = default;

  virtual const std::string& path() const = 0;  // for messages
  // Called once, before the outlet's thread starts. Fails when the target cannot be right (no such folder, no rights);
  // an error that may pass (a full disk, no reader yet) is left to take(), and the target is opened there.
  virtual Result<void> open() = 0;
  // Appends one record as one line, newline included.
  virtual void render(std::string& out, const Record& record) = 0;
  // Takes as much of `text`, which is whole lines or the rest of them, as goes without waiting long.
  virtual Taken take(std::string_view text) = 0;
  // Goes over to what lies under the path now. `create`: makes it when nothing is there.
  virtual Reopened reopen(bool create) = 0;
  // Lines that were taken and that nobody can read any more: they lie in a pipe without a reader. Asked at the end.
  virtual uint64_t lines_unread() { return 0; }
};

}  // namespace gatetape
