// The laws that a store must keep, each as a function over files that returns what is broken; empty: nothing. They read
// as any reader does, from outside of the store.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/file.h"
#include "common/time_range.h"
#include "storage/evidence/signing_key.h"
#include "tests/simulator/wire.h"

namespace gatetape::simulator {

// Numbers of packets by the path of the segment in which they lie.
using Contents = std::map<std::string, std::vector<uint64_t>>;

// Nothing is made up: reads every packet of every segment; each must have been on a sensor's wire and been received,
// with these bytes, at that time, and lie in the store once, in order.
std::string read_contents(FileSystem& files, const std::vector<std::string>& directories, const Wire& wire,
                          Contents& contents);

// Nothing is lost: all of `expected` is in `contents`, but for the segments of which `excused` is true.
std::string compare_contents(const Contents& expected, const Contents& contents,
                             const std::function<bool(const std::string& path)>& excused);

struct Question {
  TimeRange range;
  int64_t wire_since_ns = 0, wire_until_ns = 0;  // both belong to it: the packets on the wire that the range means
  std::vector<unsigned> sensors;
  size_t wire_size = 0;  // packets up to this number
  // Packets that may be missing unsaid: on their way to the disk now, or when their run was killed. A run without an
  // end is compared by the sum over all its streams, and one stream's newer packets hide that another's are not there
  // yet.
  uint64_t on_the_way = 0;
};
struct Answer {
  bool failed = false;  // an error, which says that there is no answer
  bool complete = false;
  std::string completeness, reasons;
};
// Nothing is lied about: extracts the range; where the statement says "complete", as many packets come as there were on
// the wires. `meanwhile` is called after each packet.
std::string check_statement(FileSystem& files, const std::vector<std::string>& directories, const Wire& wire,
                            const Question& question, const std::function<void()>& meanwhile, Answer& answer);

enum class Soundness { kSound, kUnsignedTail, kNotSound };
// Returns the verdict of `gatetape verify` on the store, and says why.
Soundness verify(FileSystem& files, const std::vector<std::string>& directories, const SigningKey& key,
                 const std::vector<std::string>& notes, std::string& why);

}  // namespace gatetape::simulator
