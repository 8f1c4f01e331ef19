// What Linux knows about one of its network interfaces. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"

namespace gatetape {

class NetworkInterface {
 public:
  // Fails when there is none of that name, and names those that are.
  static Result<NetworkInterface> find(const std::string& name);

  // Whether this process may capture from interfaces at all.
  static bool capture_allowed();

  const std::string& name() const { return name_; }
  uint32_t mtu() const { return mtu_; }
  // Whether the kernel merges segments on their way in (GRO, LRO) or hands them out unsplit (TSO, GSO): the capture
  // then holds frames that never were on a wire.
  bool merges_segments() const { return merges_segments_; }

  // As it is now, at the price of a few system calls: is this very interface (not another of the same name) still
  // there, is it up?
  bool present() const;
  bool up() const;

 private:
  std::string name_;
  unsigned index_ = 0;
  uint32_t mtu_ = 0;
  bool merges_segments_ = false;
};

}  // namespace gatetape
