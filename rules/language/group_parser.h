// Parses the list syntax that addresses and ports of a rule header share: any, !x, [a,b,!c] and $NAME, also nested.
// address_group.cc uses it with a reader for single addresses and one for single ports.
#pragma once

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "rules/language/address_group.h"
#include "rules/language/option_values.h"

namespace gatetape {

template <class Range>
struct GroupMembers {
  std::vector<Range> positive, negative;
  bool any = false;
  bool not_any = false;
};

// Collects the members of one group, flattened as Suricata does it: negated members are taken out of the whole group,
// at whatever depth they stand, and two negations cancel out. One parser reads one group.
template <class Range>
class GroupParser {
 public:
  using ParseMember = std::optional<Range> (*)(std::string_view);

  GroupParser(const std::map<std::string, std::string>& variables, std::string_view what, ParseMember parse_member)
      : variables_(variables), what_(what), parse_member_(parse_member) {}

  tl::expected<GroupMembers<Range>, GroupError> parse(std::string_view text) {
    base_ = text.data();
    if (!collect(text, false, 0)) return tl::unexpected(std::move(error_));
    return std::move(members_);
  }

 private:
  static constexpr int kDepthMax = 32;          // levels of brackets and of variables in variables
  static constexpr size_t kMembersMax = 65536;  // a bound on what variables in variables can multiply to

  bool collect(std::string_view text, bool negated, int depth) {
    text = trimmed(text);
    while (!text.empty() && text.front() == '!') {
      negated = !negated;
      text = trimmed(text.substr(1));
    }
    if (text.empty()) return fail_at(text, fmt::format("expected {}", what_));
    if (depth > kDepthMax) return fail_at(text, "groups are nested too deeply");
    if (text.front() == '[') return collect_list(text, negated, depth);
    if (text.front() == '$') return collect_variable(text, negated, depth);
    return collect_member(text, negated);
  }

  bool collect_list(std::string_view text, bool negated, int depth) {
    int open = 0;
    size_t start = 1;
    for (size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      open += c == '[' ? 1 : c == ']' ? -1 : 0;
      const bool item_ends = (c == ',' && open == 1) || open == 0;
      if (!item_ends) continue;
      if (!collect(text.substr(start, i - start), negated, depth + 1)) return false;
      start = i + 1;
      if (open == 0 && start != text.size()) return fail_at(text.substr(start), "unexpected text after ']'");
    }
    return open == 0 || fail_at(text, "missing ']'");
  }

  bool collect_variable(std::string_view text, bool negated, int depth) {
    const std::string name(text.substr(1));
    const auto variable = variables_.find(name);
    if (variable == variables_.end()) return fail_at(text, fmt::format("undefined variable: ${}", name));
    const std::string_view outer = in_variable_;
    if (outer.empty()) in_variable_ = text;
    const bool collected = collect(variable->second, negated, depth + 1);
    in_variable_ = outer;
    return collected;
  }

  bool collect_member(std::string_view text, bool negated) {
    if (equal_without_case(text, "any")) {
      (negated ? members_.not_any : members_.any) = true;
      return true;
    }
    const std::optional<Range> range = parse_member_(text);
    if (!range) return fail_at(text, fmt::format("not {}: {}", what_, text));
    if (members_.positive.size() + members_.negative.size() >= kMembersMax) return fail_at(text, "group is too large");
    (negated ? members_.negative : members_.positive).push_back(*range);
    return true;
  }

  // Records an error. An error in the value of a variable gets the place of the variable in the rule.
  bool fail_at(std::string_view where, std::string message) {
    if (!in_variable_.empty()) {
      message += fmt::format(" (in {})", in_variable_);
      where = in_variable_;
    }
    error_ = GroupError{static_cast<size_t>(where.data() - base_), std::move(message)};
    return false;
  }

  const std::map<std::string, std::string>& variables_;
  std::string_view what_;
  ParseMember parse_member_;
  const char* base_ = nullptr;
  std::string_view in_variable_;
  GroupMembers<Range> members_;
  GroupError error_;
};

}  // namespace gatetape
