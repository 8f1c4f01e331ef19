// The recorder's side of requests (storage/evidence/store_request.h): takes them in, a few at a time, whatever somebody
// puts there. Each becomes an entry of the ledger that names the owner of its file, or is refused; its file goes away.
// What cannot be taken away is counted and left. One thread at a time.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "common/clock.h"
#include "storage/evidence/notary.h"
#include "storage/evidence/store_request.h"

namespace gatetape {

class RequestTaker {
 public:
  // Pins a segment or lets it go; fails with the reason when it is refused.
  using PinSegment = std::function<Result<void>(const Pin& pin)>;

  // References must outlive it. `directory`: the store's first.
  RequestTaker(FileSystem& files, const std::string& directory, Notary& notary, Clock& clock, PinSegment pin);

  // Makes the directory for the process's group, so that its members can ask.
  void open_to_group();
  // Takes what waits there. Costs one look into a directory when there is nothing.
  void take();
  // The same until nothing more can be taken.
  void take_all();
  uint64_t taken() const { return taken_; }
  uint64_t refused() const { return refused_; }

 private:
  enum class Fate { kTaken, kRefused, kLater };
  Fate take(const std::string& path, std::vector<LedgerContent>& entries);
  Result<LedgerContent> read(const std::string& path, uint32_t& owner);
  bool allowed();
  void remove(const std::string& path);

  FileSystem& files_;
  const std::string directory_;
  Notary& notary_;
  Clock& clock_;
  const PinSegment pin_;
  std::set<std::string> noted_;                // in the ledger, and could not be removed
  std::map<std::string, int64_t> unfinished_;  // since when files are seen that may still be written; monotonic
  int64_t allowance_ns_;                       // see allowed()
  int64_t counted_ns_;
  uint64_t taken_ = 0, refused_ = 0;
  bool said_stuck_ = false;
};

}  // namespace gatetape
