// PortQueue is one receive queue of a DPDK port. A packet's bytes stay in its mbuf, or are copied into the burst when
// the driver spread them over several. The polling thread gives a burst's mbufs back when it takes that burst again, so
// that one thread alone uses the mbuf pool and release() only sets a flag.
//
// One thread at a time calls poll(); any thread calls release() and reads the counters. There are `bursts` bursts of
// kBurstPacketsMax mbufs. The pool has room for all of them and for those that the driver holds: it never runs dry.
#pragma once

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>

#include "capture/sources/burst_pool.h"
#include "capture/sources/source.h"
#include "common/result.h"

namespace gatetape {

// Properties that all packets of a port share.
struct PortTraits {
  uint16_t port = 0;
  LinkType link_type = LinkType::kEthernet;
  // Length of one unit of the driver's timestamp; 0: the driver gives none, or none that is a time of day.
  int64_t timestamp_unit_ns = 0;
  int timestamp_offset = -1;    // its place in the mbuf
  uint64_t timestamp_flag = 0;  // set in packets that have a timestamp
};

struct PortBurst : Burst {
  // The longest packet that a driver hands out. The arena has room for all packets of a call to the driver.
  static constexpr uint32_t kPacketBytesMax = 65536;
  static constexpr uint16_t kCallPackets = 32;
  static constexpr size_t kArenaBytes = size_t{2} * kCallPackets * kPacketBytesMax;

  std::atomic<bool> taken{false};
  std::array<rte_mbuf*, kBurstPacketsMax> mbufs;
  uint32_t mbuf_count = 0;
  // Uses no memory of the machine until packets come that are spread over several mbufs.
  std::unique_ptr<uint8_t[]> arena = std::make_unique_for_overwrite<uint8_t[]>(kArenaBytes);
  size_t arena_used = 0;
};

class PortQueue {
 public:
  PortQueue(const PortTraits& traits, uint16_t queue, unsigned bursts)
      : traits_(traits), queue_(queue), pool_(bursts, BurstPool<PortBurst>::Making::kAtOnce) {}
  PortQueue(const PortQueue&) = delete;
  PortQueue& operator=(const PortQueue&) = delete;
  ~PortQueue();

  // Reserves memory for the port's descriptors and all bursts. The driver takes its buffers from mempool().
  Result<void> reserve(const std::string& source, uint16_t descriptors, unsigned bursts, int socket);
  rte_mempool* mempool() const { return mempool_; }
  void set_traits(const PortTraits& traits) { traits_ = traits; }

  // Returns the next burst, or null when there is nothing or, as starved() then says, all bursts are out.
  Burst* poll();
  bool starved() const { return starved_; }
  void release(Burst* burst) { pool_.give_back(static_cast<PortBurst*>(burst)); }
  int64_t last_timestamp_ns() const { return last_timestamp_ns_; }

  uint64_t received() const { return received_.load(std::memory_order_relaxed); }
  uint64_t received_bytes() const { return received_bytes_.load(std::memory_order_relaxed); }

 private:
  void take_back_mbufs(PortBurst& burst);
  void fill(PortBurst& burst);
  void append(PortBurst& burst, rte_mbuf* mbuf, int64_t clock_ns);
  int64_t timestamp_ns(const rte_mbuf& mbuf, int64_t clock_ns) const;

  PortTraits traits_;
  const uint16_t queue_;
  BurstPool<PortBurst> pool_;
  rte_mempool* mempool_ = nullptr;
  bool starved_ = false;
  uint64_t ordinal_ = 0;
  int64_t last_timestamp_ns_ = 0;
  std::atomic<uint64_t> received_{0}, received_bytes_{0};
};

}  // namespace gatetape
