// NetworkInterface asks Linux about one of its network interfaces. Any thread may use it.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"

namespace gatetape {

// The error where capture_allowed() says no.
inline constexpr char kCaptureNotAllowed[] =
    "live capture needs root or CAP_NET_RAW: start it as the service gatetape, with sudo, or give the program the "
    "capability once: setcap cap_net_raw+ep $(command -v gatetape)";

class NetworkInterface {
 public:
  // Finds an interface by name. The error lists the interfaces that exist.
  static Result<NetworkInterface> find(const std::string& name);

  // Returns whether this process may capture from interfaces.
  static bool capture_allowed();

  const std::string& name() const { return name_; }
  uint32_t mtu() const { return mtu_; }
  // Returns whether the kernel merges segments on their way in (GRO, LRO) or hands them out unsplit (TSO, GSO). A
  // capture then holds packets that were never on a wire.
  bool merges_segments() const { return merges_segments_; }

  // Return whether this very interface, not another of the same name, still exists, and whether it is up. Each call
  // asks the kernel.
  bool present() const;
  bool up() const;
  // Returns whether it is up and has a link: a cable with somebody at its other end.
  bool has_link() const;
  // Returns how often its link was lost since it was made, also for moments; 0 where the kernel does not tell.
  uint64_t link_losses() const;

 private:
  std::string name_;
  unsigned index_ = 0;
  uint32_t mtu_ = 0;
  bool merges_segments_ = false;
};

}  // namespace gatetape
