// The vocabulary of the rule language: every keyword that Suricata 8 knows, and what becomes of it here.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "rules/language/rule.h"

namespace gatetape {

// What a keyword does to the rule being built. Keywords with one shape share one value and differ in
// KeywordInfo::detail.
enum class Keyword : uint8_t {
  kUnsupported,  // Suricata knows it, Gatetape does not (yet): the rule is not loaded
  kIgnored,      // changes nothing about what a passive sensor reports
  kSticky,       // detail: Buffer
  kPacketData,   // back to the payload
  kModifier,     // detail: Buffer that the previous content moves to
  kTransform,    // detail: Transform
  // About the rule
  kMessage,
  kSid,
  kGid,
  kRev,
  kClasstype,
  kPriority,
  kMetadata,
  kReference,
  kTarget,
  kFlow,
  kFlowbits,
  kNoalert,
  kThreshold,
  kDetectionFilter,
  // Content and its modifiers
  kContent,
  kUriContent,
  kNocase,
  kDepth,
  kOffset,
  kDistance,
  kWithin,
  kStartsWith,
  kEndsWith,
  kFastPattern,
  kRawBytes,
  // Other elements
  kPcre,
  kIsDataAt,
  kBufferSize,
  kUriLength,
  kByteTest,
  kByteJump,
  kByteExtract,
  // Packet
  kPacketNumber,  // detail: PacketField
  kIpProtocol,
  kTcpFlags,
  kStreamSize,
};

enum class KeywordValue : uint8_t {
  kNone,
  kOptional,
  kRequired,
  kQuoted,
  kNegatableQuoted,       // may have a '!' before the quotes
  kNegatableMaybeQuoted,  // and may do without the quotes
};

struct KeywordInfo {
  std::string_view name;
  Keyword keyword = Keyword::kUnsupported;
  KeywordValue value = KeywordValue::kOptional;
  uint8_t detail = 0;
};

// Compared without case, as Suricata does. nullptr: no version of Suricata that we know of has it.
const KeywordInfo* find_keyword(std::string_view name);

std::span<const KeywordInfo> all_keywords();  // sorted by name

// A protocol of a rule header that Suricata knows and we do not.
bool is_known_protocol(std::string_view name);

}  // namespace gatetape
