// The directories that a store writes packets to, or records, and which of them can be written to at present. One that
// fails is set aside and tried again later; nothing in it is deleted for that. One object for each of the two, so that
// a failure that only one of them meets does not stop the other. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/file.h"
#include "common/result.h"

namespace gatetape {

class Directories {
 public:
  // `content`: "packets" or "records", for messages. The directories exist; what stands under a path later must be the
  // same directory. `files` and `clock` must outlive the object.
  Directories(FileSystem& files, Clock& clock, std::string content, std::vector<std::string> paths);

  // A directory that could not be used when the store was opened: it is set aside, and choose() calls `admit` with its
  // path before it is used. What stands under the path from then on must be the same directory. Call it before any
  // other function.
  void leave_out(const std::string& directory, const Error& why,
                 std::function<Result<void>(const std::string& directory)> admit);
  // Returns where the next segment belongs: the directory of that index (modulo their number), or the next one that is
  // not set aside. Fails when none can be written to at present, with what failed last. A directory that vanished, or
  // another one in its place (a file system was unmounted), is set aside here.
  Result<std::string> choose(size_t preferred);
  // Whether choose() would look at any directory.
  bool any_usable() const;
  // A write to the directory failed. The first failure costs nothing but what failed; after the next ones it is left
  // alone for a second, two, four, and then eight each time.
  void set_aside(const std::string& directory, const Error& why);
  // A write went well. A second after the last failure that forgets them all: not sooner, since on a broken disk some
  // writes go well in between.
  void worked(const std::string& directory);

  // Returns the events since the last call: names, with their details.
  std::vector<std::pair<std::string, std::string>> take_events();

 private:
  struct Directory {
    std::string path;
    std::optional<FileIdentity> identity;                   // none: not known yet
    std::function<Result<void>(const std::string&)> admit;  // empty: it is admitted
    unsigned failures = 0;                                  // since it worked
    int64_t failed_ns = 0, again_ns = 0;  // monotonic; the last failure, and when it may be tried again
    Error why;                            // the last of them
  };
  bool may_be_tried(const Directory& directory) const;
  void set_aside_locked(Directory& directory, Error why);
  Result<void> admit(Directory& directory);
  void add_event(std::string name, std::string detail);

  FileSystem& files_;
  Clock& clock_;
  const std::string content_;
  mutable std::mutex mutex_;
  std::vector<Directory> directories_;
  std::vector<std::pair<std::string, std::string>> events_;  // at most kEventsMax
  static constexpr size_t kEventsMax = 100;
};

}  // namespace gatetape
