// A packet as the store hands it out, and the words that writer, readers and queries share about it.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "packet/packet.h"

namespace gatetape {

// Longer packets are not stored. It is tcpdump's own limit.
inline constexpr uint32_t kStoredPacketBytesMax = 262144;

// Classes age apart: each has segments of its own (storage/FORMAT.md).
enum class RetentionClass : uint8_t { kFull = 0, kCut = 1, kHeaders = 2, kPinned = 3 };
inline constexpr int kRetentionClassCount = 4;
const char* to_string(RetentionClass retention);  // "full", "cut", "headers", "pinned"

// An interface that packets were captured on.
struct StoreInterface {
  std::string name;
  LinkType link_type = LinkType::kEthernet;
  uint32_t snap_length = kStoredPacketBytesMax;
  // Where a reader reads several stores: whose it is, by a directory. Two sensors may have interfaces of one name.
  std::string store = {};
  friend bool operator==(const StoreInterface&, const StoreInterface&) = default;
};

// Facts about a packet that the store is told beside the packet itself.
struct PacketContext {
  uint64_t flow_id = 0;  // 0: of no flow
  RetentionClass retention = RetentionClass::kFull;
  bool encrypted = false;  // its payload will not be seen again: looking for repeats in it is wasted
};

// Where a stored packet lies: in the segment of that uuid, the frame with that number, the packet with that one.
struct PacketPlace {
  std::array<uint8_t, 16> segment{};
  uint32_t frame = 0, row = 0;
};

// A stored packet. Its views live until the next one is visited. Its interface_id is its place among the interfaces
// that the same reader's summary() has, or would have if it were asked later.
struct StoredPacket {
  Packet packet;
  uint64_t flow_id = 0;  // 0: of no flow
  uint16_t worker = 0;
  RetentionClass retention = RetentionClass::kFull;
  PacketPlace place;
};

}  // namespace gatetape
