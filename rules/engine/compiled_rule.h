// A rule as the matcher walks it: the AST's elements with what matching needs beside them, and which moments of a
// packet's path the rule is looked at.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "packet/flow_key.h"
#include "rules/engine/flowbit_names.h"
#include "rules/language/rule.h"

namespace gatetape {

// The kinds of packets that rules tell apart.
enum class PacketKind : uint8_t { kTcp, kUdp, kIcmp, kOther };
inline constexpr size_t kPacketKindCount = 4;
PacketKind packet_kind(uint8_t protocol);  // an IP protocol number

// One element of a group, ready to be walked.
struct CompiledElement {
  const Element* element = nullptr;
  std::string_view needle;        // content: in lower case when caseless
  bool next_is_relative = false;  // the element after this one starts where this one ends
};

struct CompiledGroup {
  Buffer buffer = Buffer::kPayload;
  const std::vector<Transform>* transforms = nullptr;
  std::vector<CompiledElement> elements;
};

// A question about flowbits, or a change to them: FlowbitTest with numbers that hold in every rule set.
struct CompiledFlowbits {
  FlowbitOperation operation = FlowbitOperation::kSet;
  std::vector<FlowbitId> bits;
};

// When a rule is looked at. A rule may have several moments.
enum RuleMoment : uint8_t {
  kOnPacket = 1u << 0,  // payload and header of each packet
  kOnStream = 1u << 1,  // reassembled bytes
  kOnHead = 1u << 2,    // an HTTP head is complete
  kOnBody = 1u << 3,    // an HTTP message is complete, or its body has reached the inspection limit
};

struct CompiledRule {
  const Rule* rule = nullptr;
  std::array<uint8_t, 2> moments{};                  // RuleMoment, by Direction
  std::vector<CompiledGroup> groups;                 // cheapest first, unless a variable ties them to their order
  std::vector<CompiledFlowbits> flowbit_questions;   // isset and isnotset
  std::vector<CompiledFlowbits> flowbit_changes;     // set, unset and toggle, in the order written
  bool any_source = false, any_destination = false;  // addresses and ports both
  std::array<uint32_t, 2> literal_ends_within{UINT32_MAX, UINT32_MAX};  // the literal's end, by Direction
  bool positional = false;          // counts from the start of the payload: in a stream, only its own start will do
  bool may_complete_later = false;  // in a stream: bytes after its literal can still make it match
  bool passes_flow = false;         // a pass rule about more than a packet: its match on a packet passes the whole flow
};

}  // namespace gatetape
