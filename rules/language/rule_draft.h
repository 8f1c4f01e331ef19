// One rule while it is being parsed: the rule as far as it is known, and what the parser has to remember of its text
// until the end. The header parser, the handlers of options and the whole-rule checks all work on this.
//
// A draft lives for one rule. parser.cc creates it, lets parse_rule_header(), parse_rule_options() and check_rule()
// fill it in that order, and takes the rule out if problems.finish() says that it is sound.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "rules/language/rule.h"
#include "rules/language/rule_groups.h"
#include "rules/language/rule_lines.h"
#include "rules/language/rule_problems.h"
#include "rules/language/shared_parts.h"

namespace gatetape {

struct RuleDraft {
  // `file` is an index into parsed.files. All arguments must outlive the draft.
  RuleDraft(SharedParts& shared_parts, ParsedRules& parsed, uint32_t file, const RuleLine& line)
      : shared(shared_parts), problems(parsed.report, parsed.files[file], line), groups(rule.groups) {
    rule.file = file;
    rule.line = line.pieces.front().line;
    rule.text = line.text;
  }
  RuleDraft(const RuleDraft&) = delete;
  RuleDraft& operator=(const RuleDraft&) = delete;

  // Reads a number from -max to max, or the name of a variable. False: the value was reported as a problem.
  bool read_operand(std::string_view text, int64_t max, Operand& operand);
  // Reads the name of a variable that an earlier byte_extract sets; else as read_operand().
  bool read_variable(std::string_view name, Operand& operand);

  Rule rule;
  SharedParts& shared;
  RuleProblems problems;
  GroupBuilder groups;  // writes rule.groups

  // Names of the variables that byte_extract sets, by index.
  std::vector<std::string_view> variables;

  // The places in the text that the whole-rule checks name. Empty: there was nothing of the kind.
  std::string_view protocol_where;
  std::string_view packet_where;  // the first thing that ties the rule to single packets
  std::string_view stream_where;  // the first thing that ties it to the stream

  // Options that were given and that the rule does not show.
  bool has_message = false, has_sid = false, has_gid = false, has_rev = false, has_priority = false;
  bool has_fast_pattern = false;
};

// Whether the text starts like a variable's name and not like a number.
bool starts_variable_name(std::string_view text);

}  // namespace gatetape
