// Parses the header of a rule: action, protocol, addresses, ports and direction, up to the options in parentheses.
#pragma once

#include <string_view>

namespace gatetape {

struct RuleDraft;

// Takes the header off the front of `rest` and fills it into the draft. What is wrong with a part is reported, and the
// other parts are read all the same. False: a part is missing, so that the options cannot be found.
bool parse_rule_header(std::string_view& rest, RuleDraft& draft);

}  // namespace gatetape
