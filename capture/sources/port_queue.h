// One receive queue of a DPDK port: mbufs in, bursts out. A packet's bytes stay in its mbuf, or are copied into the
// burst when the driver spread them over several. The buffers of a burst are given back by the polling thread when it
// takes that burst again, so that the mbuf pool is used by one thread only and release() is a flag.
//
// poll() on one thread at a time; release() and the counters from any. Bounded: `bursts` bursts of kBurstPacketsMax
// mbufs, and a pool with room for all of them beside what the driver itself holds, so that it never runs dry.
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

// What the packets of a port have in common.
struct PortTraits {
  uint16_t port = 0;
  LinkType link_type = LinkType::kEthernet;
  // Nanoseconds that one unit of the driver's timestamp stands for; 0: it gives none, or none that is a time of day.
  int64_t timestamp_unit_ns = 0;
  int timestamp_offset = -1;    // in the mbuf
  uint64_t timestamp_flag = 0;  // says that a packet has one
};

struct PortBurst : Burst {
  // The longest packet that a driver hands out, and room for a whole call to the driver of them.
  static constexpr uint32_t kPacketBytesMax = 65536;
  static constexpr uint16_t kCallPackets = 32;
  static constexpr size_t kArenaBytes = size_t{2} * kCallPackets * kPacketBytesMax;

  std::atomic<bool> taken{false};
  std::array<rte_mbuf*, kBurstPacketsMax> mbufs;
  uint32_t mbuf_count = 0;
  // Left untouched, and so unused by the machine, until chained packets come.
  std::unique_ptr<uint8_t[]> arena = std::make_unique_for_overwrite<uint8_t[]>(kArenaBytes);
  size_t arena_used = 0;
};

class PortQueue {
 public:
  PortQueue(const PortTraits& traits, uint16_t queue, unsigned bursts)
      : traits_(traits), queue_(queue), pool_(bursts) {}
  PortQueue(const PortQueue&) = delete;
  PortQueue& operator=(const PortQueue&) = delete;
  ~PortQueue();

  // Memory for the port's descriptors and all bursts. The driver takes its buffers from mempool().
  Result<void> reserve(const std::string& source, uint16_t descriptors, unsigned bursts, int socket);
  rte_mempool* mempool() const { return mempool_; }
  void set_traits(const PortTraits& traits) { traits_ = traits; }

  // Null: nothing there, or all bursts are out (starved() then says so).
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
