#include "expression/own_term.h"

namespace gatetape {

namespace {

using Value = OwnNameInfo::Value;

struct OwnNameRow {
  std::string_view word;
  OwnName name;
  Value value;
  uint64_t number_max;
};

constexpr OwnNameRow kOwnNames[] = {
    {"any.host", OwnName::kAnyHost, Value::kPrefix, 0},
    {"any.port", OwnName::kAnyPort, Value::kNumber, 65535},
    {"vlan.id", OwnName::kVlanId, Value::kNumber, 4095},
    {"flow_id", OwnName::kFlowId, Value::kNumber, UINT64_MAX},
    {"community_id", OwnName::kCommunityId, Value::kText, 0},
    {"sid", OwnName::kSid, Value::kNumber, UINT32_MAX},
    {"inner.host", OwnName::kAnyHost, Value::kUnsupported, 0},
    {"tunnel.id", OwnName::kAnyHost, Value::kUnsupported, 0},
    {"tls.sni", OwnName::kAnyHost, Value::kUnsupported, 0},
};

template <class Ordered>
bool compare(Comparison comparison, const Ordered& left, const Ordered& right) {
  switch (comparison) {
    case Comparison::kEqual:
      return left == right;
    case Comparison::kNotEqual:
      return left != right;
    case Comparison::kLess:
      return left < right;
    case Comparison::kLessEqual:
      return left <= right;
    case Comparison::kGreater:
      return left > right;
    case Comparison::kGreaterEqual:
      return left >= right;
    case Comparison::kContains:
      return false;
  }
  return false;
}

}  // namespace

std::optional<OwnNameInfo> find_own_name(std::string_view word) {
  for (const OwnNameRow& row : kOwnNames) {
    if (row.word == word) return OwnNameInfo{word, row.name, row.value, row.number_max};
  }
  std::optional<FieldRef> field = FieldRef::find(word);
  if (!field || field->of_connection() == 0) return std::nullopt;
  const bool needs_comparison = field->is_named_value() || word.find('.') == std::string_view::npos;
  return OwnNameInfo{.word = word, .field = std::move(field), .needs_comparison = needs_comparison};
}

std::optional<Comparison> comparison_of(std::string_view text) {
  if (text == "==" || text == "=") return Comparison::kEqual;
  if (text == "!=") return Comparison::kNotEqual;
  if (text == "<") return Comparison::kLess;
  if (text == "<=") return Comparison::kLessEqual;
  if (text == ">") return Comparison::kGreater;
  if (text == ">=") return Comparison::kGreaterEqual;
  if (text == "contains") return Comparison::kContains;
  return std::nullopt;
}

bool OwnTerm::holds(uint64_t value) const {
  return compare(comparison, value, number);
}

bool OwnTerm::holds(std::string_view value) const {
  if (comparison == Comparison::kContains) return value.find(text) != std::string_view::npos;
  return compare(comparison, value, std::string_view(text));
}

bool OwnTerm::holds(const FieldValue& value) const {
  if (const auto* words = std::get_if<std::string>(&value)) return holds(std::string_view(*words));
  const auto* count = std::get_if<int64_t>(&value);
  return count != nullptr && is_number && compare(comparison, *count, static_cast<int64_t>(number));
}

bool OwnNameInfo::allows(Comparison comparison) const {
  if (field && field->is_named_value()) return true;
  if (comparison == Comparison::kEqual || comparison == Comparison::kNotEqual) return true;
  const bool is_text = field ? field->kind() == FieldKind::kText : value == Value::kText;
  return is_text == (comparison == Comparison::kContains);
}

}  // namespace gatetape
