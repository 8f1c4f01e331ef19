#include "capture/sources/port_queue.h"

#include "common/clock.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace gatetape {
namespace {

// Room for packet bytes in one mbuf: enough for an ordinary packet with VLAN tags.
constexpr uint16_t kMbufDataBytes = 2048;
// The mbufs that one call to the driver may need when every packet is of the greatest length.
constexpr unsigned kChainMbufs = PortBurst::kCallPackets * (PortBurst::kPacketBytesMax / kMbufDataBytes + 1);
// A driver's clock that is further than this from ours does not show the time of day.
constexpr int64_t kClockDistanceMaxNs = 3600ll * 1'000'000'000;

}  // namespace

Result<void> PortQueue::reserve(const std::string& source, uint16_t descriptors, unsigned bursts, int socket) {
  const unsigned mbufs = bursts * kBurstPacketsMax + kChainMbufs + 2u * descriptors;
  static std::atomic<unsigned> made{0};
  const std::string name = "queue" + std::to_string(made++);
  // A stack first hands out the buffer that was given back last, which is still in the cache.
  mempool_ =
      rte_pktmbuf_pool_create_by_ops(name.c_str(), mbufs, 0, 0, RTE_PKTMBUF_HEADROOM + kMbufDataBytes, socket, "stack");
  if (mempool_ != nullptr) return {};
  return fail("{}: no memory for {} packet buffers of a queue ({} MB): {}", source, mbufs,
              mbufs * (kMbufDataBytes + RTE_PKTMBUF_HEADROOM) / (1 << 20), rte_strerror(rte_errno));
}

PortQueue::~PortQueue() {
  pool_.for_each([this](PortBurst& burst) { take_back_mbufs(burst); });
  rte_mempool_free(mempool_);
}

Burst* PortQueue::poll() {
  PortBurst* burst = pool_.take();
  starved_ = burst == nullptr;
  if (starved_) return nullptr;
  take_back_mbufs(*burst);
  fill(*burst);
  if (burst->count > 0) return burst;
  pool_.give_back(burst);
  return nullptr;
}

void PortQueue::take_back_mbufs(PortBurst& burst) {
  rte_pktmbuf_free_bulk(burst.mbufs.data(), burst.mbuf_count);
  burst.mbuf_count = 0;
  burst.arena_used = 0;
}

void PortQueue::fill(PortBurst& burst) {
  constexpr uint16_t kCall = PortBurst::kCallPackets;
  constexpr size_t kCallBytes = size_t{kCall} * PortBurst::kPacketBytesMax;
  std::array<rte_mbuf*, kCall> mbufs;
  uint64_t bytes = 0;
  uint16_t got = kCall;
  while (got == kCall && burst.count + kCall <= kBurstPacketsMax &&
         burst.arena_used + kCallBytes <= burst.kArenaBytes) {
    got = rte_eth_rx_burst(traits_.port, queue_, mbufs.data(), kCall);
    const int64_t clock_ns = got > 0 ? wall_clock_ns() : 0;
    for (uint16_t i = 0; i < got; i++) {
      append(burst, mbufs[i], clock_ns);
      bytes += burst.packets[burst.count - 1].wire_length;
    }
  }
  if (burst.count == 0) return;
  last_timestamp_ns_ = burst.packets[burst.count - 1].timestamp_ns;
  received_.store(received() + burst.count, std::memory_order_relaxed);
  received_bytes_.store(received_bytes() + bytes, std::memory_order_relaxed);
}

void PortQueue::append(PortBurst& burst, rte_mbuf* mbuf, int64_t clock_ns) {
  Packet& packet = burst.packets[burst.count++];
  packet.timestamp_ns = timestamp_ns(*mbuf, clock_ns);
  packet.ordinal = ordinal_++;
  packet.link_type = traits_.link_type;
  packet.interface_id = 0;
  if (mbuf->nb_segs == 1) {
    packet.data = rte_pktmbuf_mtod(mbuf, const uint8_t*);
    packet.captured_length = packet.wire_length = mbuf->data_len;
    burst.mbufs[burst.mbuf_count++] = mbuf;
    return;
  }
  uint8_t* out = burst.arena.get() + burst.arena_used;
  uint32_t length = 0, wire_length = 0;
  for (const rte_mbuf* segment = mbuf; segment != nullptr; segment = segment->next) {
    const uint32_t take = std::min<uint32_t>(segment->data_len, PortBurst::kPacketBytesMax - length);
    std::memcpy(out + length, rte_pktmbuf_mtod(segment, const void*), take);
    length += take;
    wire_length += segment->data_len;
  }
  packet.data = out;
  packet.captured_length = length;
  packet.wire_length = wire_length;
  burst.arena_used += length;
  rte_pktmbuf_free(mbuf);
}

int64_t PortQueue::timestamp_ns(const rte_mbuf& mbuf, int64_t clock_ns) const {
  if (traits_.timestamp_unit_ns == 0 || (mbuf.ol_flags & traits_.timestamp_flag) == 0) return clock_ns;
  const rte_mbuf_timestamp_t stamp = *RTE_MBUF_DYNFIELD(&mbuf, traits_.timestamp_offset, const rte_mbuf_timestamp_t*);
  const int64_t time_ns = static_cast<int64_t>(stamp) * traits_.timestamp_unit_ns;
  // Microseconds come from the kernel, or from a file of any age. A card may count its own ticks instead.
  const bool kernel_time = traits_.timestamp_unit_ns == 1000;
  return kernel_time || std::abs(time_ns - clock_ns) < kClockDistanceMaxNs ? time_ns : clock_ns;
}

}  // namespace gatetape
