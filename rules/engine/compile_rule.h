// Makes one rule ready to be matched: when it is looked at, its elements in an order that fails early, and flowbits by
// their numbers. Also the order in which rules are looked at.
#pragma once

#include <deque>
#include <span>
#include <string>

#include "rules/engine/compiled_rule.h"

namespace gatetape {

// Suricata's order of rules: by action (pass, drop, reject, alert); by what they do with flowbits (set, set and ask,
// ask, nothing); by priority, the lowest number first; by sid.
bool is_before(const Rule& a, const Rule& b);

// `flowbits` gives the number of each of the rules' flowbit names. The rule must outlive the result, and so must
// `needles`, to which contents in lower case are added.
CompiledRule compile_rule(const Rule& rule, std::span<const FlowbitId> flowbits, std::deque<std::string>& needles);

// Whether the rule can match packets of this kind.
bool applies_to(const Rule& rule, PacketKind kind);

// The moments at which a rule about TCP, or about any IP packet, looks at TCP.
uint8_t tcp_moments(const Rule& rule);

}  // namespace gatetape
