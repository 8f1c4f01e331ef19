// Where packets come from: a DPDK port, a pcap file, a stored ring. Virtual, but asked once per burst.
//
// Threads: open() and the destructor on the control thread; poll() for one queue on one thread at a time; release()
// from any thread; account() from any thread. Bytes of a burst's packets live until release(burst).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "packet/account.h"
#include "packet/decode.h"
#include "packet/packet.h"

namespace gatetape {

inline constexpr uint32_t kBurstPacketsMax = 256;

// Up to kBurstPacketsMax packets in order of arrival. Owned by the source that filled it; a worker holds it between
// poll() and release(). `decoded` is filled by whoever looks first: the distributor, else the worker.
struct Burst {
  uint32_t count = 0;
  std::array<Packet, kBurstPacketsMax> packets;
  std::array<DecodedPacket, kBurstPacketsMax> decoded;
  // Set by the distributor: how many workers still read this burst, and whose packet each one is.
  std::atomic<uint32_t> readers{0};
  std::array<uint8_t, kBurstPacketsMax> worker;
  virtual ~Burst() = default;
};

enum class PollStatus : uint8_t { kPackets, kIdle, kEnd };

struct PollResult {
  PollStatus status = PollStatus::kIdle;
  Burst* burst = nullptr;  // set for kPackets
};

// One interface as pcapng describes it, for the store and for extracts.
struct InterfaceInfo {
  std::string name;  // "eth1", a file name
  LinkType link_type = LinkType::kEthernet;
  uint32_t snap_length = 262144;
  uint32_t mtu = 0;  // of a Linux interface, else 0: unknown. A longer IP packet was merged before the capture
};

class Source {
 public:
  virtual ~Source() = default;
  virtual unsigned queue_count() const = 0;
  // The next burst of a queue. kIdle: nothing now, or no free burst (the consumer is behind). kEnd: no more will come.
  // Fails for good when the source broke (a damaged file names the packet; a vanished interface its name); what was
  // received before has been handed out. Never waits on a network port; on standard input until there is something.
  virtual Result<PollResult> poll(unsigned queue) = 0;
  virtual void release(Burst* burst) = 0;
  // Take no more from the network: poll() hands out what had arrived by now, then says kEnd. A file ends where it is.
  // Any thread; not from a signal handler.
  virtual void stop() = 0;
  virtual PortAccount account() const = 0;
  virtual std::vector<InterfaceInfo> interfaces() const = 0;
  // True for a network port: packets that cannot be taken now are lost, so a full queue drops and counts. False for a
  // file: the reader waits.
  virtual bool live() const = 0;
};

}  // namespace gatetape
