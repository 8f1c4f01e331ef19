// Brings the streams of a store back into order of arrival: run after run; within a run, an ordinal domain by ordinal
// and several domains by time (which may step back within each).
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "storage/read/packet_stream.h"

namespace gatetape {

class PacketMerge {
 public:
  // A stream of the run with that ordinal domain.
  void add(uint32_t ordinal_domain, std::unique_ptr<PacketStream> stream);
  // Visits all packets; false when `visit` asked to stop.
  bool visit_all(const std::function<bool(const StoredPacket&)>& visit);

 private:
  struct Domain {
    uint32_t number;
    std::vector<PacketStream*> heap;  // the stream with the lowest ordinal first
    const StoredPacket& first() const { return heap.front()->packet(); }
  };
  Domain& domain(uint32_t number);

  std::vector<std::unique_ptr<PacketStream>> streams_;
  std::vector<Domain> domains_;
};

}  // namespace gatetape
