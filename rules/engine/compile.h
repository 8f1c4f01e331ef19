// The immutable rule set that matchers share. It says which rule is looked at when, and its pre-filters find for most
// traffic that no rule has to be looked at.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"
#include "rules/engine/address_zones.h"
#include "rules/engine/compiled_rule.h"
#include "rules/engine/prefilter.h"
#include "rules/language/parser.h"

namespace gatetape {

// Rules for one moment: a pre-filter (null: no literals) and the rules that have none and are looked at every time.
struct RuleList {
  const Prefilter* prefilter = nullptr;
  std::vector<uint32_t> always;

  bool empty() const { return prefilter == nullptr && always.empty(); }
};

// The rules that can match in one direction of flows between addresses of two zones.
struct ZoneRules {
  struct PacketRules {
    const Prefilter* near = nullptr;   // literals that lie near the payload's start; only that is scanned
    const Prefilter* whole = nullptr;  // anywhere in the payload
    std::vector<uint32_t> always;
    std::vector<uint32_t> always_payload;  // need a payload
  };
  std::array<PacketRules, kPacketKindCount> packet;
  RuleList stream;
  std::array<const Prefilter*, kBufferCount> head{};
  std::vector<Buffer> head_buffers;  // those of `head` that are not null
  std::vector<uint32_t> head_always;
  RuleList body;

  bool http() const { return !head_buffers.empty() || !head_always.empty() || !body.empty(); }
};

// A database's place and size, for the report and the benchmark.
struct PrefilterInfo {
  std::string name;  // "body, to client"
  const Prefilter* prefilter = nullptr;
};

class RuleSet {
 public:
  // Compiles all rules. An expression that PCRE2's JIT refuses runs interpreted. Databases come from the cache where it
  // has them. Fails when Hyperscan refuses a pre-filter, or when the process has too many names of flowbits.
  static Result<std::shared_ptr<const RuleSet>> compile(ParsedRules parsed, DatabaseCache& cache);

  size_t size() const { return rules_.size(); }
  const CompiledRule& rule(uint32_t index) const { return rules_[index]; }
  size_t zone_of(const IpAddress& address) const { return zones_.zone_of(address); }
  const ZoneRules& zone_rules(size_t source_zone, size_t destination_zone, Direction direction) const {
    return zone_rules_[source_zone][destination_zone][static_cast<size_t>(index(direction))];
  }
  const std::vector<PrefilterInfo>& prefilters() const { return prefilter_info_; }

  // rule_set_identity.cc. SHA-256 over the files as they were read, in hexadecimal; and the numbers of the rules that
  // were loaded from them.
  std::string identity() const;
  std::vector<uint32_t> sids() const;

 private:
  friend class RuleSetBuilder;
  ParsedRules parsed_;
  std::vector<CompiledRule> rules_;  // in the order in which they are looked at
  std::deque<std::string> needles_;  // CompiledElement::needle points into them, where it is not the rule's text
  AddressZones zones_;
  std::array<std::array<std::array<ZoneRules, 2>, AddressZones::kZonesMax>, AddressZones::kZonesMax> zone_rules_;
  std::vector<std::unique_ptr<const Prefilter>> prefilters_;
  std::vector<PrefilterInfo> prefilter_info_;
};

}  // namespace gatetape
