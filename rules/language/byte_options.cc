// Elements that look at positions and numbers: isdataat, bsize, urilen, byte_test, byte_jump, byte_extract.
#include <algorithm>

#include "rules/language/option_values.h"
#include "rules/language/rule_builder.h"

namespace gatetape {
namespace {

constexpr int64_t kPositionMax = UINT16_MAX;  // isdataat
constexpr int64_t kByteOffsetMax = INT32_MAX;
constexpr uint64_t kBinaryBytesMax = 8;
constexpr uint64_t kTextBytesMax = 23;
constexpr size_t kVariablesMax = 64;

bool starts_name(std::string_view text) {
  if (text.empty()) return false;
  const char c = text.front();
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// "multiplier 4" -> "4"; nullopt when `word` does not start with `name`.
std::optional<std::string_view> argument_of(std::string_view word, std::string_view name) {
  if (!word.starts_with(name) || word.size() == name.size() || !is_space(word[name.size()])) return std::nullopt;
  return trimmed(word.substr(name.size()));
}

}  // namespace

bool RuleBuilder::read_variable(std::string_view name, Operand& operand) {
  const auto found = std::find(variable_names_.begin(), variable_names_.end(), name);
  if (found == variable_names_.end()) {
    context_error(name, "unknown variable: {}", name);
    return false;
  }
  operand = Operand{0, static_cast<int16_t>(found - variable_names_.begin())};
  return true;
}

bool RuleBuilder::read_operand(std::string_view text, int64_t max, Operand& operand) {
  if (starts_name(text)) return read_variable(text, operand);
  const auto number = parse_signed(text, max);
  if (!number) {
    syntax_error(text, "not a number from -{} to {}: '{}'", max, max, text);
    return false;
  }
  operand = Operand{*number, -1};
  return true;
}

void RuleBuilder::add_is_data_at(const Option& option) {
  IsDataAtElement element;
  std::string_view rest = option.value;
  if (rest.starts_with('!')) {
    element.negated = true;
    rest = trimmed(rest.substr(1));
  }
  if (!read_operand(next_part(rest, ','), kPositionMax, element.position)) return;
  if (!element.position.is_variable() && element.position.number < 0) {
    return syntax_error(option.value, "isdataat cannot be negative");
  }
  while (rest.data() != nullptr) {
    const std::string_view word = next_part(rest, ',');
    if (word == "relative") {
      element.relative = true;
    } else if (word != "rawbytes") {
      return syntax_error(word, "unknown isdataat option: '{}'", word);
    }
  }
  // Nothing after a content's end: that content is at the buffer's end.
  if (element.relative && element.negated && element.position == Operand{1, -1}) {
    const auto previous = last_element([&](const Element& e) {
      return !sticky_ || std::holds_alternative<ContentElement>(e) || std::holds_alternative<PcreElement>(e);
    });
    auto* content =
        previous ? std::get_if<ContentElement>(&rule_.groups[previous->group].elements[previous->element]) : nullptr;
    if (content != nullptr) {
      content->ends_with = true;
      return;
    }
  }
  append_following(option.name, element, element.relative);
}

void RuleBuilder::add_buffer_size(const Option& option) {
  const auto test = parse_number_test(option.value, UINT64_MAX);
  if (!test) return syntax_error(option.value, "bad bsize: {}", option.value);
  if (!sticky_) return context_error(option.name, "bsize needs a sticky buffer before it");
  append(option.name, BufferSizeElement{*test});
}

void RuleBuilder::add_uri_length(const Option& option) {
  std::string_view which = option.value;
  const auto test = parse_number_test(next_part(which, ','), UINT16_MAX);
  which = trimmed(which);
  if (!test || (!which.empty() && which != "norm" && which != "raw")) {
    return syntax_error(option.value, "bad urilen: {}", option.value);
  }
  append_to(option.name, which == "raw" ? buffer_named("http.uri.raw") : buffer_named("http.uri"),
            BufferSizeElement{*test});
}

bool RuleBuilder::read_byte_count(std::string_view text, ByteField& field) {
  if (!read_operand(text, static_cast<int64_t>(kTextBytesMax), field.count)) return false;
  if (!field.count.is_variable() && field.count.number < 0) {
    syntax_error(text, "number of bytes is negative: {}", text);
    return false;
  }
  return true;
}

bool RuleBuilder::read_bitmask(std::string_view text, ByteField& field) {
  const auto mask = parse_unsigned(text, UINT32_MAX);
  if (!mask || *mask == 0) {
    syntax_error(text, "bad bitmask: {}", text);
    return false;
  }
  field.bitmask = *mask;
  return true;
}

bool RuleBuilder::read_field_word(const Option& option, std::string_view word, ByteField& field) {
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
    unsupported(word, "keyword", context_.keep(fmt::format("{}:dce", option.info->name)));
  } else if (const auto mask = argument_of(word, "bitmask")) {
    read_bitmask(*mask, field);
  } else {
    return false;
  }
  return true;
}

// As text, 0 bytes stand for as many digits as there are.
bool RuleBuilder::check_field(const Option& option, ByteField& field, uint64_t count_min) {
  if (field.count.is_variable()) return true;
  if (field.text_base != 0) count_min = 0;
  const uint64_t most = field.text_base != 0 ? kTextBytesMax : kBinaryBytesMax;
  const auto count = static_cast<uint64_t>(field.count.number);
  if (count >= count_min && count <= most) return true;
  syntax_error(option.value, "{} reads {} to {} bytes here, not {}", option.name, count_min, most, count);
  return false;
}

void RuleBuilder::add_byte_test(const Option& option) {
  constexpr std::pair<std::string_view, ByteOperator> kOperators[] = {{"=", ByteOperator::kEqual},
                                                                      {"<", ByteOperator::kLess},
                                                                      {">", ByteOperator::kGreater},
                                                                      {"<=", ByteOperator::kLessOrEqual},
                                                                      {">=", ByteOperator::kGreaterOrEqual},
                                                                      {"&", ByteOperator::kAnd},
                                                                      {"^", ByteOperator::kXor}};
  const std::vector<std::string_view> parts = split(option.value, ',');
  if (parts.size() < 4) return syntax_error(option.value, "byte_test needs BYTES, OPERATOR, VALUE, OFFSET");
  ByteTestElement element;
  if (!read_byte_count(parts[0], element.field)) return;
  std::string_view compare = parts[1];
  if (compare.starts_with('!')) {
    element.negated = true;
    compare = trimmed(compare.substr(1));
  }
  const auto* found = std::find_if(std::begin(kOperators), std::end(kOperators),
                                   [&](const auto& candidate) { return candidate.first == compare; });
  const bool bare_negation = compare.empty() && element.negated;  // "!" alone: not equal
  if (found == std::end(kOperators) && !bare_negation) {
    return syntax_error(parts[1], "unknown byte_test operator: '{}'", parts[1]);
  }
  element.compare = bare_negation ? ByteOperator::kEqual : found->second;
  if (starts_name(parts[2])) {
    if (!read_variable(parts[2], element.value)) return;
  } else {
    const auto value = parse_unsigned(parts[2]);
    if (!value) return syntax_error(parts[2], "not a value: '{}'", parts[2]);
    element.value.number = static_cast<int64_t>(*value);
  }
  if (!read_operand(parts[3], kByteOffsetMax, element.field.offset)) return;
  for (size_t i = 4; i < parts.size(); ++i) {
    if (!read_field_word(option, parts[i], element.field)) {
      return syntax_error(parts[i], "unknown byte_test option: '{}'", parts[i]);
    }
  }
  if (!check_field(option, element.field, 1)) return;
  append_following(option.name, element, element.field.relative);
}

void RuleBuilder::add_byte_jump(const Option& option) {
  const std::vector<std::string_view> parts = split(option.value, ',');
  if (parts.size() < 2) return syntax_error(option.value, "byte_jump needs BYTES, OFFSET");
  ByteJumpElement element;
  if (!read_byte_count(parts[0], element.field) || !read_operand(parts[1], kByteOffsetMax, element.field.offset))
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
      if (!read_operand(*offset, kByteOffsetMax, element.post_offset)) return;
    } else if (const auto factor = argument_of(word, "multiplier")) {
      const auto number = parse_unsigned(*factor, UINT16_MAX);
      if (!number || *number == 0) return syntax_error(*factor, "bad multiplier: {}", *factor);
      element.multiplier = static_cast<uint32_t>(*number);
    } else if (!read_field_word(option, word, element.field)) {
      return syntax_error(word, "unknown byte_jump option: '{}'", word);
    }
  }
  if (element.from_beginning && element.from_end) {
    return syntax_error(option.value, "byte_jump cannot count from the beginning and from the end");
  }
  if (!check_field(option, element.field, 0)) return;
  append_following(option.name, element, element.field.relative);
}

void RuleBuilder::add_byte_extract(const Option& option) {
  const std::vector<std::string_view> parts = split(option.value, ',');
  if (parts.size() < 3) return syntax_error(option.value, "byte_extract needs BYTES, OFFSET, NAME");
  ByteExtractElement element;
  if (!read_byte_count(parts[0], element.field) || !read_operand(parts[1], kByteOffsetMax, element.field.offset))
    return;
  const std::string_view name = parts[2];
  if (!starts_name(name)) return syntax_error(name, "not a variable name: '{}'", name);
  if (std::find(variable_names_.begin(), variable_names_.end(), name) != variable_names_.end()) {
    return syntax_error(name, "variable {} is extracted twice", name);
  }
  for (size_t i = 3; i < parts.size(); ++i) {
    const std::string_view word = parts[i];
    const auto factor = argument_of(word, "multiplier"), align = argument_of(word, "align");
    const auto number = parse_unsigned(factor ? *factor : align.value_or(""), UINT16_MAX);
    if (factor && number && *number > 0) {
      element.multiplier = static_cast<uint32_t>(*number);
    } else if (align && number && (*number == 2 || *number == 4)) {
      element.align = static_cast<uint8_t>(*number);
    } else if (!read_field_word(option, word, element.field)) {
      return syntax_error(word, "unknown byte_extract option: '{}'", word);
    }
  }
  if (!check_field(option, element.field, 1)) return;
  if (variable_names_.size() >= kVariablesMax) return syntax_error(name, "too many variables in one rule");
  element.variable = static_cast<int16_t>(variable_names_.size());
  variable_names_.push_back(name);
  append_following(option.name, element, element.field.relative);
}

}  // namespace gatetape
