#include "storage/read/packet_merge.h"

#include <algorithm>

namespace gatetape {
namespace {

bool later(const PacketStream* a, const PacketStream* b) {
  return a->packet().packet.ordinal > b->packet().packet.ordinal;
}

}  // namespace

PacketMerge::Domain& PacketMerge::domain(uint32_t number) {
  const auto known =
      std::find_if(domains_.begin(), domains_.end(), [&](const Domain& d) { return d.number == number; });
  return known != domains_.end() ? *known : domains_.emplace_back(Domain{number, {}});
}

void PacketMerge::add(uint32_t ordinal_domain, std::unique_ptr<PacketStream> stream) {
  if (!stream->next()) return;
  auto& heap = domain(ordinal_domain).heap;
  heap.push_back(stream.get());
  std::push_heap(heap.begin(), heap.end(), later);
  streams_.push_back(std::move(stream));
}

bool PacketMerge::visit_all(const std::function<bool(const StoredPacket&)>& visit) {
  while (!domains_.empty()) {
    const auto earliest = std::min_element(domains_.begin(), domains_.end(), [](const Domain& a, const Domain& b) {
      return a.first().packet.timestamp_ns < b.first().packet.timestamp_ns;
    });
    auto& heap = earliest->heap;
    if (!visit(heap.front()->packet())) return false;
    std::pop_heap(heap.begin(), heap.end(), later);
    if (heap.back()->next()) {
      std::push_heap(heap.begin(), heap.end(), later);
    } else {
      heap.pop_back();
      if (heap.empty()) domains_.erase(earliest);
    }
  }
  return true;
}

}  // namespace gatetape
