// Turns Rules back into text for tests. describe() shows everything that the parser decided; to_rule_text() writes a
// rule that must parse to the same Rule.
#pragma once

#include <fmt/format.h>
#include <bit>

#include <string>
#include <string_view>

#include "rules/language/parser.h"

namespace gatetape::test {

inline std::string operand(const Operand& o) {
  return o.is_variable() ? fmt::format("v{}", o.variable) : fmt::format("{}", o.number);
}

// Writes values as the language does: tests both compare these texts and parse them again.
inline std::string number_test(const NumberTest& t) {
  const std::string sign = t.negated ? "!" : "";
  if (t.low == t.high) return fmt::format("{}{}", sign, t.low);
  if (t.low == 0) return fmt::format("{}<={}", sign, t.high);
  if (t.high == UINT64_MAX) return fmt::format("{}>={}", sign, t.low);
  return fmt::format("{}{}<>{}", sign, t.low - 1, t.high + 1);
}

inline std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{}{:02x}", out.empty() ? "" : " ", static_cast<uint8_t>(c));
  return out;
}

inline std::string field_words(const ByteField& f) {
  std::string out;
  if (f.relative) out += ",relative";
  if (f.little_endian) out += ",little";
  if (f.text_base != 0) out += fmt::format(",string,{}", f.text_base == 10 ? "dec" : f.text_base == 16 ? "hex" : "oct");
  if (f.bitmask != 0) out += fmt::format(",bitmask 0x{:x}", f.bitmask);
  return out;
}

inline std::string text_of(const ContentElement& c) {
  std::string out = fmt::format("content:{}\"|{}|\";", c.negated ? "!" : "", hex(c.bytes));
  if (c.nocase) out += " nocase;";
  if (c.starts_with) out += " startswith;";
  if (c.ends_with) out += " endswith;";
  if (c.offset != Operand{}) out += fmt::format(" offset:{};", operand(c.offset));
  if (c.depth && !c.starts_with) out += fmt::format(" depth:{};", operand(*c.depth));
  if (c.relative && (c.distance != Operand{} || !c.within)) out += fmt::format(" distance:{};", operand(c.distance));
  if (c.within) out += fmt::format(" within:{};", operand(*c.within));
  const FastPattern& f = c.fast_pattern;
  if (f.only) {
    out += " fast_pattern:only;";
  } else if (f.chopped) {
    out += fmt::format(" fast_pattern:{},{};", f.offset, f.length);
  } else if (f.wanted) {
    out += " fast_pattern;";
  }
  return out;
}

inline std::string text_of(const PcreElement& p) {
  std::string flags;
  for (const auto& [letter, on] : {std::pair{'i', p.caseless},
                                   {'m', p.multiline},
                                   {'s', p.dot_all},
                                   {'x', p.extended},
                                   {'A', p.anchored},
                                   {'E', p.dollar_end_only},
                                   {'G', p.ungreedy},
                                   {'R', p.relative}}) {
    if (on) flags += letter;
  }
  return fmt::format("pcre:{}\"/{}/{}\";", p.negated ? "!" : "", p.pattern, flags);
}

inline std::string text_of(const IsDataAtElement& e) {
  return fmt::format("isdataat:{}{}{};", e.negated ? "!" : "", operand(e.position), e.relative ? ",relative" : "");
}

inline std::string text_of(const BufferSizeElement& e) {
  return fmt::format("bsize:{};", number_test(e.size));
}

inline std::string text_of(const ByteTestElement& e) {
  constexpr const char* kOperators[] = {"=", "<", ">", "<=", ">=", "&", "^"};
  return fmt::format(
      "byte_test:{},{}{},{},{}{};", operand(e.field.count), e.negated ? "!" : "",
      kOperators[static_cast<size_t>(e.compare)],
      e.value.is_variable() ? operand(e.value) : fmt::format("{}", static_cast<uint64_t>(e.value.number)),
      operand(e.field.offset), field_words(e.field));
}

inline std::string text_of(const ByteJumpElement& e) {
  std::string out =
      fmt::format("byte_jump:{},{}{}", operand(e.field.count), operand(e.field.offset), field_words(e.field));
  if (e.multiplier != 1) out += fmt::format(",multiplier {}", e.multiplier);
  if (e.align) out += ",align";
  if (e.from_beginning) out += ",from_beginning";
  if (e.from_end) out += ",from_end";
  if (e.post_offset != Operand{}) out += fmt::format(",post_offset {}", operand(e.post_offset));
  return out + ";";
}

inline std::string text_of(const ByteExtractElement& e) {
  std::string out = fmt::format("byte_extract:{},{},v{}{}", operand(e.field.count), operand(e.field.offset), e.variable,
                                field_words(e.field));
  if (e.multiplier != 1) out += fmt::format(",multiplier {}", e.multiplier);
  if (e.align != 0) out += fmt::format(",align {}", e.align);
  return out + ";";
}

inline std::string text_of(const InspectionGroup& group) {
  std::string out = fmt::format("{};", to_string(group.buffer));
  for (const Transform transform : group.transforms) out += fmt::format(" {};", to_string(transform));
  for (const Element& element : group.elements) {
    out += " " + std::visit([](const auto& e) { return text_of(e); }, element);
  }
  return out;
}

inline std::string text_of_groups(const Rule& rule) {
  std::string out;
  for (const InspectionGroup& group : rule.groups) out += (out.empty() ? "" : " ") + text_of(group);
  return out;
}

inline std::string text_of(const AddressSet& set) {
  if (set.is_all()) return "any";
  std::string out;
  for (const AddressRange& r : set.ranges()) {
    out += fmt::format("{}{}-{}", out.empty() ? "[" : ",", r.first.to_string(), r.last.to_string());
  }
  return out + "]";
}

inline std::string text_of(const PortSet& set) {
  if (set.is_all()) return "any";
  std::string out;
  for (const PortRange& r : set.ranges()) out += fmt::format("{}{}:{}", out.empty() ? "[" : ",", r.first, r.last);
  return out + "]";
}

inline std::string text_of_protocol(const Rule& rule) {
  constexpr const char* kProtocols[] = {"ip", "tcp", "tcp-pkt", "tcp-stream", "udp", "icmp"};
  if (rule.protocol != RuleProtocol::kApp) return kProtocols[static_cast<size_t>(rule.protocol)];
  for (size_t i = 0; i < std::size(kAppProtocols); ++i) {
    if (rule.app_protocols == set_of(static_cast<AppProtocol>(i))) return kAppProtocols[i].rule_name;
  }
  return row_of(static_cast<AppProtocol>(std::countr_zero(rule.app_protocols))).rule_family;
}

inline std::string text_of_header(const Rule& rule) {
  constexpr const char* kActions[] = {"pass", "drop", "reject", "alert"};
  return fmt::format("{} {} {} {} {} {} {}", kActions[static_cast<size_t>(rule.action)], text_of_protocol(rule),
                     text_of(*rule.source), text_of(*rule.source_ports), rule.bidirectional ? "<>" : "->",
                     text_of(*rule.destination), text_of(*rule.destination_ports));
}

inline std::string text_of_flow(const FlowOptions& flow) {
  std::string out;
  const auto add = [&](std::string_view word) { out += fmt::format("{}{}", out.empty() ? "" : ",", word); };
  if (flow.state == FlowState::kEstablished) add("established");
  if (flow.state == FlowState::kNotEstablished) add("not_established");
  if (flow.state == FlowState::kStateless) add("stateless");
  if (flow.direction == FlowDirection::kToServer) add("to_server");
  if (flow.direction == FlowDirection::kToClient) add("to_client");
  if (flow.data == FlowData::kOnlyStream) add("only_stream");
  if (flow.data == FlowData::kNoStream) add("no_stream");
  return out;
}

inline std::string text_of_tests(const Rule& rule, const ParsedRules& parsed) {
  constexpr const char* kFields[] = {"dsize", "ttl", "itype", "icode", "ip_proto"};
  constexpr const char* kMatches[] = {"", "+", "*", "!"};
  constexpr const char* kSides[] = {"server", "client", "both", "either"};
  constexpr const char* kOperations[] = {"set", "unset", "toggle", "isset", "isnotset"};
  std::string out;
  for (const PacketTest& t : rule.packet_tests) {
    const bool upper = t.field == PacketField::kIpProtocol && t.test.high == 255 && t.test.low != 255;
    const bool lower = t.field == PacketField::kIpProtocol && t.test.low == 0 && t.test.high != 0;
    const std::string test = upper   ? fmt::format(">{}", t.test.low - 1)
                             : lower ? fmt::format("<{}", t.test.high + 1)
                                     : number_test(t.test);
    out += fmt::format(" {}:{};", kFields[static_cast<size_t>(t.field)], test);
  }
  for (const TcpFlagsTest& t : rule.tcp_flags) {
    const auto letters = [](uint8_t bits) {
      std::string text;
      for (int bit = 0; bit < 8; ++bit) text += (bits >> bit & 1) != 0 ? std::string(1, "FSRPAUEC"[bit]) : "";
      return text.empty() ? std::string("0") : text;
    };
    out += fmt::format(" flags:{}{},{};", kMatches[static_cast<size_t>(t.match)], letters(t.flags), letters(t.ignored));
  }
  for (const StreamSizeTest& t : rule.stream_sizes) {
    // stream_size takes the operator as a part of its own.
    const std::string test = number_test(t.test);
    const size_t digits = test.find_first_of("0123456789");
    out += fmt::format(" stream_size:{},{},{};", kSides[static_cast<size_t>(t.side)],
                       digits == 0 ? "=" : test.substr(0, digits), test.substr(digits));
  }
  for (const FlowbitTest& t : rule.flowbits) {
    std::string names;
    for (const uint32_t bit : t.bits) names += fmt::format("{}{}", names.empty() ? "" : "|", parsed.flowbit_names[bit]);
    out += fmt::format(" flowbits:{},{};", kOperations[static_cast<size_t>(t.operation)], names);
  }
  return out;
}

inline std::string text_of_threshold(const Threshold& t) {
  constexpr const char* kKinds[] = {"", "limit", "threshold", "both", "backoff", ""};
  constexpr const char* kTracks[] = {"by_src", "by_dst", "by_both", "by_rule", "by_flow"};
  if (t.kind == ThresholdKind::kNone) return "";
  const char* track = kTracks[static_cast<size_t>(t.track)];
  if (t.kind == ThresholdKind::kDetectionFilter) {
    return fmt::format(" detection_filter:track {}, count {}, seconds {};", track, t.count, t.seconds);
  }
  const bool backoff = t.kind == ThresholdKind::kBackoff;
  return fmt::format(" threshold:type {}, track {}, count {}, {} {};", kKinds[static_cast<size_t>(t.kind)], track,
                     t.count, backoff ? "multiplier" : "seconds", backoff ? t.multiplier : t.seconds);
}

inline std::string escaped(std::string_view message) {
  std::string out;
  for (const char c : message) {
    if (c == '"' || c == ';' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

// The rule in one canonical form: new-style buffers, hex contents, resolved groups.
inline std::string to_rule_text(const Rule& rule, const ParsedRules& parsed) {
  std::string out = fmt::format("{} (msg:\"{}\";", text_of_header(rule), escaped(rule.message));
  const std::string flow = rule.flow.given ? text_of_flow(rule.flow) : "";
  if (!flow.empty()) out += fmt::format(" flow:{};", flow);
  out += text_of_tests(rule, parsed);
  if (!rule.groups.empty()) out += " " + text_of_groups(rule);
  out += text_of_threshold(rule.threshold);
  if (rule.noalert) out += " noalert;";
  if (rule.target != RuleTarget::kNone) {
    out += fmt::format(" target:{};", rule.target == RuleTarget::kSource ? "src_ip" : "dest_ip");
  }
  for (const RuleReference& r : rule.references) out += fmt::format(" reference:{},{};", r.system, r.id);
  if (!rule.classtype.empty()) out += fmt::format(" classtype:{};", rule.classtype);
  if (!rule.metadata.empty()) out += fmt::format(" metadata:{};", rule.metadata);
  out += fmt::format(" priority:{}; gid:{}; sid:{};", rule.priority, rule.gid, rule.sid);
  if (rule.rev != 0) out += fmt::format(" rev:{};", rule.rev);
  return out + ")";
}

// The canonical text, and everything that it leaves implied.
inline std::string describe(const Rule& rule, const ParsedRules& parsed) {
  return fmt::format("{} | transactions={} variables={} category={} flow={}:{}", to_rule_text(rule, parsed),
                     rule.transactional, rule.variable_count, rule.category, rule.flow.given, text_of_flow(rule.flow));
}

inline ParsedRules parse(std::string_view text) {
  return parse_rule_text("t", text, RuleVariables::defaults());
}

// A rule on TCP with these options.
inline ParsedRules parse_options(std::string_view options, std::string_view protocol = "tcp") {
  return parse(fmt::format("alert {} any any -> any any ({} sid:1;)\n", protocol, options));
}

}  // namespace gatetape::test
