// The checks that need the whole rule: contradictions for which Suricata refuses a rule, and settings that follow from
// others.
#pragma once

namespace gatetape {

struct RuleDraft;

// Completes a draft whose header and options were read to the end, and reports what contradicts what. Contradictions
// are not looked for in a rule that already has problems.
void check_rule(RuleDraft& draft);

}  // namespace gatetape
