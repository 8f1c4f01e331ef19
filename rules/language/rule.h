// A rule as the language says it, before anything is compiled: what rules/language/parser.h makes of text, and what the
// engine reads. Nothing here knows Hyperscan.
//
// A Rule that left the parser is sound: variables are resolved, modifiers are checked and attached to what they modify,
// defaults are filled in, and only keywords that the engine supports occur. All string_views point into the RuleText
// that ParsedRules (rules/language/parser.h) keeps alive; a Rule is read-only and may be shared between threads.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "packet/buffers.h"
#include "rules/language/address_group.h"

struct pcre2_real_code_8;  // pcre2.h, which nobody who only reads rules needs

namespace gatetape {

// ---- Header ----

// A sensor that only listens blocks nothing: drop and reject alert, and EVE says "allowed", as Suricata's does in IDS
// mode. `pass` ends matching for what it matched (see the matcher). The order is the order in which Suricata applies
// them.
enum class RuleAction : uint8_t { kPass, kDrop, kReject, kAlert };

enum class RuleProtocol : uint8_t {
  kIp,         // any packet
  kTcp,        // packets, and the stream where payload is inspected
  kTcpPacket,  // "tcp-pkt": packets only
  kTcpStream,  // "tcp-stream": the reassembled stream only
  kUdp,
  kIcmp,   // ICMP and ICMPv6
  kHttp,   // HTTP/1 and HTTP/2
  kHttp1,  // HTTP/1 only
};

// ---- Small vocabulary ----

// A test of an unsigned number: low <= value <= high, or not. "<" and ">" and "<>" of the language are already turned
// into these inclusive bounds.
struct NumberTest {
  uint64_t low = 0;
  uint64_t high = UINT64_MAX;
  bool negated = false;

  bool holds(uint64_t value) const { return (value >= low && value <= high) != negated; }
  friend bool operator==(const NumberTest&, const NumberTest&) = default;
};

// A number in the rule, or the variable (an index below Rule::variable_count) that byte_extract sets.
struct Operand {
  int64_t number = 0;
  int16_t variable = -1;  // -1: `number` counts

  bool is_variable() const { return variable >= 0; }
  friend bool operator==(const Operand&, const Operand&) = default;
};

// ---- Detection elements ----

// How elements are walked, as Suricata does it: in the order written, each search starting from the buffer's start, or,
// when `relative`, from the end of the previous match; a failed relative element sends the search back to the next
// occurrence of what it is relative to.

struct FastPattern {
  bool wanted = false;   // "fast_pattern": the author wants this one as pre-filter
  bool only = false;     // "fast_pattern:only": the pre-filter's hit is the whole test, position does not matter
  bool chopped = false;  // "fast_pattern:offset,length": only this part of the pattern is pre-filtered
  uint16_t offset = 0;
  uint16_t length = 0;
  friend bool operator==(const FastPattern&, const FastPattern&) = default;
};

struct ContentElement {
  std::string_view bytes;  // decoded: no escapes, no |hex|; never empty; case as written
  bool negated = false;
  bool nocase = false;
  bool starts_with = false;  // offset 0 and depth bytes.size() are then set, too
  bool ends_with = false;
  bool relative = false;  // distance or within given
  // Absolute: the match lies in [offset, offset + depth); relative: in [distance, distance + within) after the previous
  // match's end. No depth or within: to the end of the buffer.
  Operand offset, distance;
  std::optional<Operand> depth, within;
  FastPattern fast_pattern;
};

// A compiled expression, shared between rules that wrote the same one. PCRE2, without JIT code: the engine decides.
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

// Is there data at `position`? Absolute: position < size. Relative: previous match's end + position <= size.
struct IsDataAtElement {
  Operand position;
  bool relative = false;
  bool negated = false;
};

// bsize on this buffer, and urilen (as an element of http.uri or http.uri.raw).
struct BufferSizeElement {
  NumberTest size;
};

// How byte_test, byte_jump and byte_extract read their number.
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
  Operand value;  // a number is to be read as unsigned
};

// Moves the "previous match's end": from the number's end (or from the buffer's start or end) by
// number * multiplier, rounded up to 4 when aligned, + post_offset.
struct ByteJumpElement {
  ByteField field;
  uint32_t multiplier = 1;
  bool align = false;
  bool from_beginning = false;
  bool from_end = false;
  Operand post_offset;
};

// Stores number * multiplier in a variable and moves the previous match's end behind the number.
struct ByteExtractElement {
  ByteField field;
  int16_t variable = 0;
  uint32_t multiplier = 1;
  uint8_t align = 0;  // 0, 2 or 4
};

using Element = std::variant<ContentElement, PcreElement, IsDataAtElement, BufferSizeElement, ByteTestElement,
                             ByteJumpElement, ByteExtractElement>;

// Elements on one buffer, in the order written. Returning to a buffer continues its group; the same buffer with other
// transforms is another group. Buffers with several instances (header fields, file.data) start
// a new group each time they are named. A group with no element cannot occur.
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

// flags: of the packet's TCP flags without `ignored`, compared with `flags`.
enum class FlagsMatch : uint8_t { kExactly, kAllOf /* + */, kAnyOf /* * */, kNoneOf /* ! */ };
struct TcpFlagsTest {
  uint8_t flags = 0;
  uint8_t ignored = 0;
  FlagsMatch match = FlagsMatch::kExactly;
  friend bool operator==(const TcpFlagsTest&, const TcpFlagsTest&) = default;
};

// stream_size: bytes of the TCP stream so far.
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
  bool given = false;  // a flow keyword was there: the packet must belong to a flow, unless stateless
  FlowState state = FlowState::kAny;
  // As written, else that of a buffer which only one direction has (then also without `given`).
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
  RuleProtocol protocol = RuleProtocol::kIp;  // as written; see `http` below
  bool bidirectional = false;                 // "<>": source and destination may be swapped
  // Never null. Shared between the rules that wrote the same group; compare pointers to group rules by header.
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
  bool http = false;  // looks at HTTP transactions: the protocol says so, or a group's buffer is one of HTTP's

  std::vector<InspectionGroup> groups;
  std::vector<PacketTest> packet_tests;  // all must hold, as must all of the following
  std::vector<TcpFlagsTest> tcp_flags;
  std::vector<StreamSizeTest> stream_sizes;
  std::vector<FlowbitTest> flowbits;  // in the order written
  uint16_t variable_count = 0;        // byte_extract's
  bool noalert = false;               // "noalert" or "flowbits:noalert": side effects only
  Threshold threshold;

  // Where and how it was written.
  uint32_t file = 0;  // index into ParsedRules::files
  uint32_t line = 0;  // of its first line, from 1
  std::string_view text;
};

}  // namespace gatetape
