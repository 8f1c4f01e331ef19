// Everything that was on the wires of a history, whether a sensor saw it or not: what the stores are held against.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "packet/stored_packet.h"
#include "tests/simulator/random.h"

namespace gatetape::simulator {

struct WirePacket {
  std::vector<uint8_t> bytes;  // end with the packet's number
  int64_t timestamp_ns = 0;
  unsigned sensor = 0;  // on whose wire it was
  uint64_t flow_id = 0;
  RetentionClass retention = RetentionClass::kFull;
  std::optional<uint64_t> run;  // the run that received it, counted from 0 over the history; none: nobody did
};

class Wire {
 public:
  // `pinned`: packets of all retention classes, else none that pins its segment.
  Wire(Random random, bool pinned) : random_(random), pinned_(pinned) {}

  // A packet appears on a sensor's wire; numbers count up from 0. The reference holds until the next call.
  const WirePacket& carry(unsigned sensor, int64_t timestamp_ns, std::optional<uint64_t> run);
  size_t size() const { return packets_.size(); }
  const WirePacket& operator[](uint64_t number) const { return packets_[number]; }
  // The number that a packet's bytes end with; none when no such packet was ever on a wire.
  std::optional<uint64_t> number_of(std::span<const uint8_t> bytes) const;

 private:
  Random random_;
  const bool pinned_;
  std::vector<WirePacket> packets_;
};

}  // namespace gatetape::simulator
