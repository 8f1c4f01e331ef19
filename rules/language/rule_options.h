// Tells the options of a rule apart, reads their values, and gives each to the handler of its keyword.
#pragma once

#include <string_view>

namespace gatetape {

struct RuleDraft;

// Applies the options in parentheses to the draft. What is wrong with an option is reported, and the others are read
// all the same. False: the options could not be read to the end.
bool parse_rule_options(std::string_view rest, RuleDraft& draft);

}  // namespace gatetape
