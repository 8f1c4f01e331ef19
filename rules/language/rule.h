// A rule as the language states it, before it is compiled. The parser (rules/language/parser.h) makes a Rule from text,
// and the engine reads it. Nothing here depends on Hyperscan.
//
// A Rule that comes from the parser is sound: variables are resolved, modifiers are checked and attached to the
// contents that they modify, defaults are filled in, and only keywords that the engine supports occur. All string_views
// point into the RuleText that ParsedRules keeps alive. A Rule is read-only and may be shared between threads.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "packet/app_protocol.h"
#include "packet/buffers.h"
#include "rules/language/address_group.h"

struct pcre2_real_code_8;  // from pcre2.h, which readers of rules do not need

namespace gatetape {

// ---- Header ----

// A passive sensor blocks nothing: drop and reject raise alerts, and EVE reports "allowed", as Suricata does in IDS
// mode. `pass` ends matching for the traffic that it matched (rules/engine/matcher.h). The enumerators are in the order
// in which Suricata applies actions.
enum class RuleAction : uint8_t { kPass, kDrop, kReject, kAlert };

enum class RuleProtocol : uint8_t {
  kIp,         // any packet
  kTcp,        // packets, and the stream where payload is inspected
  kTcpPacket,  // "tcp-pkt": packets only
  kTcpStream,  // "tcp-stream": the reassembled stream only
  kUdp,
  kIcmp,  // ICMP and ICMPv6
  kApp,   // flows that speak one of Rule::app_protocols
};

// ---- Small vocabulary ----

// A test of an unsigned number: low <= value <= high, or the opposite if negated. The parser has turned the language's
// "<", ">" and "<>" into these bounds, both inclusive.
struct NumberTest {
  uint64_t low = 0;
  uint64_t high = UINT64_MAX;
  bool negated = false;

  bool holds(uint64_t value) const { return (value >= low && value <= high) != negated; }
  friend bool operator==(const NumberTest&, const NumberTest&) = default;
};

// A number in the rule, or a variable that byte_extract sets.
struct Operand {
  int64_t number = 0;
  int16_t variable = -1;  // an index below Rule::variable_count; -1: `number` counts

  bool is_variable() const { return variable >= 0; }
  friend bool operator==(const Operand&, const Operand&) = default;
};

// ---- Detection elements ----

// The engine walks elements as Suricata does, in the order written. A search starts at the start of the buffer or, if
// the element is `relative`, at the end of the previous match. If a relative element fails, the search goes back to the
// next occurrence of the element that it is relative to.

struct FastPattern {
  bool wanted = false;   // "fast_pattern": the author wants this one as pre-filter
  bool only = false;     // "fast_pattern:only": the pre-filter's hit is the whole test; the position does not matter
  bool chopped = false;  // "fast_pattern:offset,length": only this part of the pattern is pre-filtered
  uint16_t offset = 0;
  uint16_t length = 0;
  friend bool operator==(const FastPattern&, const FastPattern&) = default;
};

struct ContentElement {
  std::string_view bytes;  // decoded: no escapes, no |hex|; never empty; case as written
  bool negated = false;
  bool nocase = false;
  bool starts_with = false;  // then the offset is 0 and the depth is bytes.size()
  bool ends_with = false;
  bool relative = false;  // the rule gives distance or within
  // An absolute match lies in [offset, offset + depth). A relative one lies in [distance, distance + within) after the
  // end of the previous match. Without depth or within, the range extends to the end of the buffer.
  Operand offset, distance;
  std::optional<Operand> depth, within;
  FastPattern fast_pattern;
};

// A compiled PCRE2 expression, shared between rules with the same expression. It has no JIT code yet: the engine adds
// that.
using CompiledPattern = std::shared_ptr<pcre2_real_code_8>;

struct PcreElement {
  std::string_view pattern;  // between the slashes
  bool negated = false;
  bool relative = false;         // R
  bool caseless = false;         // i
  bool multiline = false;        // m
  bool dot_all = false;          // s
  bool extended = false;         // x
  bool anchored = false;         // A
  bool dollar_end_only = false;  // E
  bool ungreedy = false;         // G
  uint32_t options = 0;          // the same as PCRE2_* options, as compiled
  CompiledPattern code;
};

// Holds if there is data at `position`: position < size if absolute, end of the previous match + position <= size if
// relative.
struct IsDataAtElement {
  Operand position;
  bool relative = false;
  bool negated = false;
};

// A test of the buffer's size: bsize, or urilen as an element of http.uri or http.uri.raw.
struct BufferSizeElement {
  NumberTest size;
};

// The number that byte_test, byte_jump and byte_extract read.
struct ByteField {
  Operand count;  // bytes to read: 1 to 8 in binary (0: none, byte_jump only), 1 to 23 as text (0: all digits)
  Operand offset;
  bool relative = false;
  bool little_endian = false;
  uint8_t text_base = 0;  // 0: binary; else 8, 10, 16: digits in text ("string")
  uint64_t bitmask = 0;   // 0: none; else value = (value & bitmask) >> trailing zeros of the mask
};

enum class ByteOperator : uint8_t { kEqual, kLess, kGreater, kLessOrEqual, kGreaterOrEqual, kAnd, kXor };

struct ByteTestElement {
  ByteField field;
  ByteOperator compare = ByteOperator::kEqual;  // kAnd: value & operand != 0; kXor: value ^ operand != 0
  bool negated = false;
  Operand value;  // a number counts as unsigned
};

// Moves the end of the previous match by number * multiplier (rounded up to a multiple of 4 if aligned) + post_offset,
// counted from the end of the number, or from the start or the end of the buffer.
struct ByteJumpElement {
  ByteField field;
  uint32_t multiplier = 1;
  bool align = false;
  bool from_beginning = false;
  bool from_end = false;
  Operand post_offset;
};

// Stores number * multiplier in a variable and moves the end of the previous match to the end of the number.
struct ByteExtractElement {
  ByteField field;
  int16_t variable = 0;
  uint32_t multiplier = 1;
  uint8_t align = 0;  // 0, 2 or 4
};

using Element = std::variant<ContentElement, PcreElement, IsDataAtElement, BufferSizeElement, ByteTestElement,
                             ByteJumpElement, ByteExtractElement>;

// Elements on one buffer, in the order written. A rule that returns to a buffer continues its group. The same buffer
// with other transforms is another group, and so is a buffer with several instances (BufferInfo::several) each time
// that it is named. Every group has an element.
struct InspectionGroup {
  Buffer buffer = Buffer::kPayload;
  std::vector<Transform> transforms;  // applied left to right
  std::vector<Element> elements;
};

// ---- Tests on packet and flow ----

enum class PacketField : uint8_t { kPayloadSize /* dsize */, kTtl, kIcmpType, kIcmpCode, kIpProtocol };

struct PacketTest {
  PacketField field = PacketField::kPayloadSize;
  NumberTest test;
  friend bool operator==(const PacketTest&, const PacketTest&) = default;
};

// The keyword flags: compares the packet's TCP flags, without the `ignored` ones, with `flags`.
enum class FlagsMatch : uint8_t { kExactly, kAllOf /* + */, kAnyOf /* * */, kNoneOf /* ! */ };
struct TcpFlagsTest {
  uint8_t flags = 0;
  uint8_t ignored = 0;
  FlagsMatch match = FlagsMatch::kExactly;
  friend bool operator==(const TcpFlagsTest&, const TcpFlagsTest&) = default;
};

// The keyword stream_size: the number of bytes of the TCP stream so far.
enum class StreamSide : uint8_t { kServer, kClient, kBoth /* each of them */, kEither };
struct StreamSizeTest {
  StreamSide side = StreamSide::kServer;
  NumberTest test;
};

enum class FlowbitOperation : uint8_t { kSet, kUnset, kToggle, kIsSet, kIsNotSet };
struct FlowbitTest {
  FlowbitOperation operation = FlowbitOperation::kSet;
  std::vector<uint32_t> bits;  // indices into ParsedRules::flowbit_names; several (a|b): isset any, isnotset any unset
};

enum class FlowState : uint8_t { kAny, kEstablished, kNotEstablished, kStateless };
enum class FlowDirection : uint8_t { kAny, kToServer, kToClient };
enum class FlowData : uint8_t { kAny, kOnlyStream, kNoStream };

struct FlowOptions {
  bool given = false;  // the rule has the keyword flow: the packet must belong to a flow, unless stateless
  FlowState state = FlowState::kAny;
  // The direction as written, else that of a buffer which only one direction has (even if `given` is false).
  FlowDirection direction = FlowDirection::kAny;
  FlowData data = FlowData::kAny;
};

// ---- How often to report ----

enum class ThresholdKind : uint8_t { kNone, kLimit, kThreshold, kBoth, kBackoff, kDetectionFilter };
enum class ThresholdTrack : uint8_t { kBySource, kByDestination, kByBoth, kByRule, kByFlow };

struct Threshold {
  ThresholdKind kind = ThresholdKind::kNone;
  ThresholdTrack track = ThresholdTrack::kBySource;
  uint32_t count = 0;
  uint32_t seconds = 0;
  uint32_t multiplier = 0;  // backoff
};

// ---- The rule ----

enum class RuleTarget : uint8_t { kNone, kSource, kDestination };

struct RuleReference {
  std::string_view system;  // "url", "cve"
  std::string_view id;
};

struct Rule {
  RuleAction action = RuleAction::kAlert;
  RuleProtocol protocol = RuleProtocol::kIp;
  AppProtocolSet app_protocols = 0;  // those that the header names (packet/app_protocol.h); 0: none
  bool bidirectional = false;        // "<>": source and destination may be swapped
  // Never null. Rules with the same group in their text share it, so pointers can be compared to group rules by header.
  std::shared_ptr<const AddressSet> source, destination;
  std::shared_ptr<const PortSet> source_ports, destination_ports;

  uint32_t gid = 1;
  uint32_t sid = 0;
  uint32_t rev = 0;
  uint8_t priority = 3;        // given, else the class's, else 3
  std::string_view message;    // unescaped; may be empty
  std::string_view classtype;  // "web-application-attack" or empty
  std::string_view category;   // the class's description, EVE's alert.category
  std::string_view metadata;   // "key value, key value", as written; of several metadata options, joined by ", "
  std::vector<RuleReference> references;
  RuleTarget target = RuleTarget::kNone;

  FlowOptions flow;
  // Looks at transactions: the header names an application protocol, or a group is on a buffer of one.
  bool transactional = false;

  std::vector<InspectionGroup> groups;
  // All tests of the following kinds must hold.
  std::vector<PacketTest> packet_tests;
  std::vector<TcpFlagsTest> tcp_flags;
  std::vector<StreamSizeTest> stream_sizes;
  std::vector<FlowbitTest> flowbits;  // in the order written
  uint16_t variable_count = 0;        // that byte_extract sets
  bool noalert = false;               // "noalert" or "flowbits:noalert": side effects only
  Threshold threshold;

  // The place of the rule and its text.
  uint32_t file = 0;  // index into ParsedRules::files
  uint32_t line = 0;  // the first, counted from 1
  std::string_view text;
};

}  // namespace gatetape
