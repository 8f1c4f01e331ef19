// Source is where packets come from: a DPDK port or a pcap file. Its functions are virtual and called once per burst.
//
// The control thread opens and destroys a source. One thread at a time polls a queue; any thread calls release() and
// account(). The bytes of a burst's packets live until release(burst).
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

// Up to kBurstPacketsMax packets in order of arrival. The source that filled a burst owns it; a worker holds it between
// poll() and release(). The distributor fills `decoded`, or the worker where there is no distributor.
struct Burst {
  uint32_t count = 0;
  std::array<Packet, kBurstPacketsMax> packets;
  std::array<DecodedPacket, kBurstPacketsMax> decoded;
  // Set by the distributor: the number of workers that still read this burst, and the worker of each packet.
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
  uint32_t mtu = 0;  // 0: unknown, or no Linux interface. A longer IP packet was merged before the capture
};

class Source {
 public:
  virtual ~Source() = default;
  virtual unsigned queue_count() const = 0;
  // Returns the next burst; kIdle when there is nothing now or the consumer holds all bursts; kEnd when no more will
  // come. Fails for good when the source broke, after handing out all packets received before; the error names the
  // damaged packet or the interface that vanished. Waits for standard input alone.
  virtual Result<PollResult> poll(unsigned queue) = 0;
  virtual void release(Burst* burst) = 0;
  // Ends the source. A network port hands out the packets that had arrived by now and then returns kEnd; a file ends
  // where it is. Any thread may call it, but no signal handler.
  virtual void stop() = 0;
  virtual PortAccount account() const = 0;
  virtual std::vector<InterfaceInfo> interfaces() const = 0;
  // Returns true for a network port, whose packets are lost if they are not taken in time; a full queue then drops and
  // counts. Returns false for a file, which waits for its reader.
  virtual bool live() const = 0;
};

}  // namespace gatetape
