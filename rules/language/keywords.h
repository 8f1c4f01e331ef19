// The vocabulary of the rule language: every keyword that Suricata 8 knows, each with the function that applies it to a
// rule.
//
// To add a keyword, write its handler and its row in the file of its kind: about_options.cc, content_options.cc,
// pcre_option.cc, byte_options.cc or packet_options.cc. If Suricata knows the keyword, take it off the list of
// unsupported names in keywords.cc. Keywords of sticky buffers and transforms come from packet/buffers.h.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace gatetape {

struct KeywordInfo;
struct RuleDraft;

// One option of a rule as it was read, such as content:!"abc".
struct Option {
  const KeywordInfo* info = nullptr;
  std::string_view name;  // as written
  // Trimmed, without the quotes and the '!' that the shape allows. It points into the rule even when it is empty.
  std::string_view value;
  bool negated = false;  // there was a '!' before the value
};

// Applies one option to the rule, or reports why it cannot.
using OptionHandler = void (*)(RuleDraft& draft, const Option& option);

// The shape of a keyword's value. rule_options.cc reports a value that does not have it and does not call the handler.
enum class ValueShape : uint8_t {
  kNone,
  kNoneOrSide,  // Suricata 8 takes to_server or to_client here, which is not supported
  kOptional,
  kRequired,
  kText,                  // required; quotes are part of it
  kQuoted,                // may be empty
  kNegatableQuoted,       // not empty; a '!' may stand before the quotes
  kNegatableMaybeQuoted,  // the same, but the quotes may be missing
};

struct KeywordInfo {
  std::string_view name;
  ValueShape value = ValueShape::kOptional;
  OptionHandler handler = nullptr;  // null: Suricata knows the keyword and Gatetape does not, so the rule is not loaded
  uint8_t detail = 0;               // the Buffer or Transform that the keyword is for
};

// The keyword of this name, compared without case as Suricata does; null: no version of Suricata that we know has it.
const KeywordInfo* find_keyword(std::string_view name);

// All keywords, sorted by name.
std::span<const KeywordInfo> all_keywords();

// Whether Suricata has this protocol for rule headers and Gatetape does not.
bool is_known_protocol(std::string_view name);

// The keywords that each file of options supplies.
std::span<const KeywordInfo> about_keywords();
std::span<const KeywordInfo> content_keywords();
std::span<const KeywordInfo> pcre_keywords();
std::span<const KeywordInfo> byte_keywords();
std::span<const KeywordInfo> packet_keywords();

// Handlers of the keywords of buffers and transforms, in content_options.cc. `detail` says which one is meant.
void select_buffer(RuleDraft& draft, const Option& option);
void select_payload(RuleDraft& draft, const Option& option);
void move_content_to_buffer(RuleDraft& draft, const Option& option);
void add_transform(RuleDraft& draft, const Option& option);

}  // namespace gatetape
