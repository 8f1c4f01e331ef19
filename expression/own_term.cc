#include "expression/own_term.h"

namespace gatetape {

namespace {

using Value = OwnNameInfo::Value;

constexpr OwnNameInfo kOwnNames[] = {
    {"any.host", OwnName::kAnyHost, Value::kPrefix, 0},
    {"any.port", OwnName::kAnyPort, Value::kNumber, 65535},
    {"vlan.id", OwnName::kVlanId, Value::kNumber, 4095},
    {"flow_id", OwnName::kFlowId, Value::kNumber, UINT64_MAX},
    {"community_id", OwnName::kCommunityId, Value::kText, 0},
    {"sid", OwnName::kSid, Value::kNumber, UINT32_MAX},
    {"http.host", OwnName::kHttpHost, Value::kText, 0},
    {"http.status", OwnName::kHttpStatus, Value::kNumber, 999},
    {"http.uri", OwnName::kHttpUri, Value::kText, 0},
    {"http.method", OwnName::kHttpMethod, Value::kText, 0},
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

const OwnNameInfo* find_own_name(std::string_view word) {
  for (const OwnNameInfo& entry : kOwnNames) {
    if (entry.word == word) return &entry;
  }
  return nullptr;
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

const char* to_string(OwnName name) {
  for (const OwnNameInfo& entry : kOwnNames) {
    if (entry.name == name && entry.value != Value::kUnsupported) return entry.word.data();
  }
  return "?";
}

bool OwnTerm::holds(uint64_t value) const {
  return compare(comparison, value, number);
}

bool OwnTerm::holds(std::string_view value) const {
  if (comparison == Comparison::kContains) return value.find(text) != std::string_view::npos;
  return compare(comparison, value, std::string_view(text));
}

bool OwnNameInfo::allows(Comparison comparison) const {
  if (comparison == Comparison::kEqual || comparison == Comparison::kNotEqual) return true;
  return comparison == Comparison::kContains ? value == Value::kText : value == Value::kNumber;
}

}  // namespace gatetape
