// Elements that look at positions and numbers: isdataat, bsize, urilen, byte_test, byte_jump, byte_extract.
#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "rules/language/keywords.h"
#include "rules/language/option_values.h"
#include "rules/language/rule_draft.h"

namespace gatetape {
namespace {

constexpr int64_t kPositionMax = UINT16_MAX;  // isdataat
constexpr int64_t kByteOffsetMax = INT32_MAX;
constexpr uint64_t kBinaryBytesMax = 8;
constexpr uint64_t kTextBytesMax = 23;
constexpr size_t kVariablesMax = 64;

// "multiplier 4" -> "4"; nullopt when `word` does not start with `name`.
std::optional<std::string_view> argument_of(std::string_view word, std::string_view name) {
  if (!word.starts_with(name) || word.size() == name.size() || !is_space(word[name.size()])) return std::nullopt;
  return trimmed(word.substr(name.size()));
}

// Adds the element where it belongs: a relative one follows the element before it.
void append(RuleDraft& draft, const Option& option, Element element, bool relative) {
  if (relative) return draft.groups.append_relative(option.name, std::move(element));
  draft.groups.append(option.name, std::move(element));
}

// ---- isdataat, bsize, urilen ----

void add_is_data_at(RuleDraft& draft, const Option& option) {
  IsDataAtElement element;
  std::string_view rest = option.value;
  if (rest.starts_with('!')) {
    element.negated = true;
    rest = trimmed(rest.substr(1));
  }
  if (!draft.read_operand(next_part(rest, ','), kPositionMax, element.position)) return;
  if (!element.position.is_variable() && element.position.number < 0) {
    return draft.problems.syntax(option.value, "isdataat cannot be negative");
  }
  while (rest.data() != nullptr) {
    const std::string_view word = next_part(rest, ',');
    if (word == "relative") {
      element.relative = true;
    } else if (word != "rawbytes") {
      return draft.problems.syntax(word, "unknown isdataat option: '{}'", word);
    }
  }
  // Nothing after a content's end means that the content is at the buffer's end.
  if (element.relative && element.negated && element.position == Operand{1, -1}) {
    const bool any_buffer = !draft.groups.selects();
    Element* previous = draft.groups.last_element([&](const Element& e) {
      return any_buffer || std::holds_alternative<ContentElement>(e) || std::holds_alternative<PcreElement>(e);
    });
    auto* content = previous != nullptr ? std::get_if<ContentElement>(previous) : nullptr;
    if (content != nullptr) {
      content->ends_with = true;
      return;
    }
  }
  append(draft, option, element, element.relative);
}

void add_buffer_size(RuleDraft& draft, const Option& option) {
  const auto test = parse_number_test(option.value, UINT64_MAX);
  if (!test) return draft.problems.syntax(option.value, "bad bsize: {}", option.value);
  if (!draft.groups.selects()) return draft.problems.conflict(option.name, "bsize needs a sticky buffer before it");
  draft.groups.append(option.name, BufferSizeElement{*test});
}

void add_uri_length(RuleDraft& draft, const Option& option) {
  std::string_view which = option.value;
  const auto test = parse_number_test(next_part(which, ','), UINT16_MAX);
  which = trimmed(which);
  if (!test || (!which.empty() && which != "norm" && which != "raw")) {
    return draft.problems.syntax(option.value, "bad urilen: {}", option.value);
  }
  draft.groups.append_to(which == "raw" ? buffer_named("http.uri.raw") : buffer_named("http.uri"), option.name,
                         BufferSizeElement{*test});
}

// ---- byte_test, byte_jump, byte_extract ----

bool read_byte_count(RuleDraft& draft, std::string_view text, ByteField& field) {
  if (!draft.read_operand(text, static_cast<int64_t>(kTextBytesMax), field.count)) return false;
  if (!field.count.is_variable() && field.count.number < 0) {
    draft.problems.syntax(text, "number of bytes is negative: {}", text);
    return false;
  }
  return true;
}

bool read_bitmask(RuleDraft& draft, std::string_view text, ByteField& field) {
  const auto mask = parse_unsigned(text, UINT32_MAX);
  if (!mask || *mask == 0) {
    draft.problems.syntax(text, "bad bitmask: {}", text);
    return false;
  }
  field.bitmask = *mask;
  return true;
}

// Reads a word that byte_test, byte_jump and byte_extract share. False: it is none of them.
bool read_field_word(RuleDraft& draft, const Option& option, std::string_view word, ByteField& field) {
  if (word == "relative") {
    field.relative = true;
  } else if (word == "little") {
    field.little_endian = true;
  } else if (word == "big") {
    field.little_endian = false;
  } else if (word == "string") {
    field.text_base = field.text_base == 0 ? 10 : field.text_base;
  } else if (word == "dec" || word == "hex" || word == "oct") {
    field.text_base = word == "dec" ? 10 : word == "hex" ? 16 : 8;
  } else if (word == "dce") {
    draft.problems.unsupported(word, "keyword", draft.shared.keep(fmt::format("{}:dce", option.info->name)));
  } else if (const auto mask = argument_of(word, "bitmask")) {
    read_bitmask(draft, *mask, field);
  } else {
    return false;
  }
  return true;
}

// Reports a number of bytes that cannot be read. In text, 0 bytes stand for as many digits as there are.
bool check_field(RuleDraft& draft, const Option& option, ByteField& field, uint64_t count_min) {
  if (field.count.is_variable()) return true;
  if (field.text_base != 0) count_min = 0;
  const uint64_t most = field.text_base != 0 ? kTextBytesMax : kBinaryBytesMax;
  const auto count = static_cast<uint64_t>(field.count.number);
  if (count >= count_min && count <= most) return true;
  draft.problems.syntax(option.value, "{} reads {} to {} bytes here, not {}", option.name, count_min, most, count);
  return false;
}

void add_byte_test(RuleDraft& draft, const Option& option) {
  constexpr std::pair<std::string_view, ByteOperator> kOperators[] = {{"=", ByteOperator::kEqual},
                                                                      {"<", ByteOperator::kLess},
                                                                      {">", ByteOperator::kGreater},
                                                                      {"<=", ByteOperator::kLessOrEqual},
                                                                      {">=", ByteOperator::kGreaterOrEqual},
                                                                      {"&", ByteOperator::kAnd},
                                                                      {"^", ByteOperator::kXor}};
  const std::vector<std::string_view> parts = split(option.value, ',');
  if (parts.size() < 4) return draft.problems.syntax(option.value, "byte_test needs BYTES, OPERATOR, VALUE, OFFSET");
  ByteTestElement element;
  if (!read_byte_count(draft, parts[0], element.field)) return;
  std::string_view compare = parts[1];
  if (compare.starts_with('!')) {
    element.negated = true;
    compare = trimmed(compare.substr(1));
  }
  const auto* found = std::find_if(std::begin(kOperators), std::end(kOperators),
                                   [&](const auto& candidate) { return candidate.first == compare; });
  const bool bare_negation = compare.empty() && element.negated;  // "!" alone: not equal
  if (found == std::end(kOperators) && !bare_negation) {
    return draft.problems.syntax(parts[1], "unknown byte_test operator: '{}'", parts[1]);
  }
  element.compare = bare_negation ? ByteOperator::kEqual : found->second;
  if (starts_variable_name(parts[2])) {
    if (!draft.read_variable(parts[2], element.value)) return;
  } else {
    const auto value = parse_unsigned(parts[2]);
    if (!value) return draft.problems.syntax(parts[2], "not a value: '{}'", parts[2]);
    element.value.number = static_cast<int64_t>(*value);
  }
  if (!draft.read_operand(parts[3], kByteOffsetMax, element.field.offset)) return;
  for (size_t i = 4; i < parts.size(); ++i) {
    if (!read_field_word(draft, option, parts[i], element.field)) {
      return draft.problems.syntax(parts[i], "unknown byte_test option: '{}'", parts[i]);
    }
  }
  if (!check_field(draft, option, element.field, 1)) return;
  append(draft, option, element, element.field.relative);
}

void add_byte_jump(RuleDraft& draft, const Option& option) {
  const std::vector<std::string_view> parts = split(option.value, ',');
  if (parts.size() < 2) return draft.problems.syntax(option.value, "byte_jump needs BYTES, OFFSET");
  ByteJumpElement element;
  if (!read_byte_count(draft, parts[0], element.field) ||
      !draft.read_operand(parts[1], kByteOffsetMax, element.field.offset))
    return;
  for (size_t i = 2; i < parts.size(); ++i) {
    const std::string_view word = parts[i];
    if (word == "align") {
      element.align = true;
    } else if (word == "from_beginning") {
      element.from_beginning = true;
    } else if (word == "from_end") {
      element.from_end = true;
    } else if (const auto offset = argument_of(word, "post_offset")) {
      if (!draft.read_operand(*offset, kByteOffsetMax, element.post_offset)) return;
    } else if (const auto factor = argument_of(word, "multiplier")) {
      const auto number = parse_unsigned(*factor, UINT16_MAX);
      if (!number || *number == 0) return draft.problems.syntax(*factor, "bad multiplier: {}", *factor);
      element.multiplier = static_cast<uint32_t>(*number);
    } else if (!read_field_word(draft, option, word, element.field)) {
      return draft.problems.syntax(word, "unknown byte_jump option: '{}'", word);
    }
  }
  if (element.from_beginning && element.from_end) {
    return draft.problems.syntax(option.value, "byte_jump cannot count from the beginning and from the end");
  }
  if (!check_field(draft, option, element.field, 0)) return;
  append(draft, option, element, element.field.relative);
}

void add_byte_extract(RuleDraft& draft, const Option& option) {
  const std::vector<std::string_view> parts = split(option.value, ',');
  if (parts.size() < 3) return draft.problems.syntax(option.value, "byte_extract needs BYTES, OFFSET, NAME");
  ByteExtractElement element;
  if (!read_byte_count(draft, parts[0], element.field) ||
      !draft.read_operand(parts[1], kByteOffsetMax, element.field.offset))
    return;
  const std::string_view name = parts[2];
  if (!starts_variable_name(name)) return draft.problems.syntax(name, "not a variable name: '{}'", name);
  if (std::find(draft.variables.begin(), draft.variables.end(), name) != draft.variables.end()) {
    return draft.problems.syntax(name, "variable {} is extracted twice", name);
  }
  for (size_t i = 3; i < parts.size(); ++i) {
    const std::string_view word = parts[i];
    const auto factor = argument_of(word, "multiplier"), align = argument_of(word, "align");
    const auto number = parse_unsigned(factor ? *factor : align.value_or(""), UINT16_MAX);
    if (factor && number && *number > 0) {
      element.multiplier = static_cast<uint32_t>(*number);
    } else if (align && number && (*number == 2 || *number == 4)) {
      element.align = static_cast<uint8_t>(*number);
    } else if (!read_field_word(draft, option, word, element.field)) {
      return draft.problems.syntax(word, "unknown byte_extract option: '{}'", word);
    }
  }
  if (!check_field(draft, option, element.field, 1)) return;
  if (draft.variables.size() >= kVariablesMax) return draft.problems.syntax(name, "too many variables in one rule");
  element.variable = static_cast<int16_t>(draft.variables.size());
  draft.variables.push_back(name);
  append(draft, option, element, element.field.relative);
}

using enum ValueShape;

constexpr KeywordInfo kKeywords[] = {
    {"isdataat", kRequired, &add_is_data_at}, {"bsize", kRequired, &add_buffer_size},
    {"urilen", kRequired, &add_uri_length},   {"byte_test", kRequired, &add_byte_test},
    {"byte_jump", kRequired, &add_byte_jump}, {"byte_extract", kRequired, &add_byte_extract},
};

}  // namespace

std::span<const KeywordInfo> byte_keywords() {
  return kKeywords;
}

}  // namespace gatetape
