// The options of a rule: how they are told apart and read, and which handler gets which.
#include <algorithm>

#include "rules/language/option_values.h"
#include "rules/language/rule_builder.h"

namespace gatetape {
namespace {

std::string_view trimmed_left(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}

// Where the option at the start of `text` ends: at a ';' without a backslash before it, be it in quotes or not.
size_t option_end(std::string_view text) {
  size_t end = text.find(';');
  while (end != std::string_view::npos && end > 0 && text[end - 1] == '\\') end = text.find(';', end + 1);
  return end;
}

}  // namespace

bool RuleBuilder::parse_options(std::string_view rest) {
  rest = trimmed(rest);
  const std::string_view open = rest;
  if (!rest.starts_with('(')) {
    syntax_error(open, "expected '(' and the rule's options");
    return false;
  }
  rest.remove_prefix(1);
  if (!rest.ends_with(')')) {
    syntax_error(open, "missing ')' at the end of the rule");
    return false;
  }
  rest.remove_suffix(1);
  for (rest = trimmed_left(rest); !rest.empty(); rest = trimmed_left(rest)) {
    const size_t end = option_end(rest);
    if (end == std::string_view::npos) {
      syntax_error(rest, "missing ';' after this option");
      return false;
    }
    parse_option(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  return true;
}

void RuleBuilder::parse_option(std::string_view text) {
  Option option;
  const size_t colon = std::min(text.find(':'), text.size());
  option.name = trimmed(text.substr(0, colon));
  if (option.name.empty()) return syntax_error(text, "empty option");
  option.info = find_keyword(option.name);
  if (option.info == nullptr) {
    broken_ = true;
    return add_problem(RuleProblemKind::kSyntax, option.name, fmt::format("unknown keyword: {}", option.name),
                       option.name);
  }
  if (option.info->keyword == Keyword::kUnsupported) return unsupported(option.name, "keyword", option.info->name);
  const bool has_colon = colon < text.size();
  if (read_value(option, has_colon ? text.substr(colon + 1) : text.substr(text.size()))) apply(option);
}

bool RuleBuilder::read_value(Option& option, std::string_view value) {
  const KeywordValue expected = option.info->value;
  value = trimmed(value);
  if (value.empty()) {
    option.value = option.name.substr(option.name.size());
    if (expected == KeywordValue::kNone || expected == KeywordValue::kOptional) return true;
    syntax_error(option.name, "{} needs a value", option.name);
    return false;
  }
  // Suricata 8 lets a transactional rule say which side's buffer it means.
  if (option.info->keyword == Keyword::kSticky && (value == "to_server" || value == "to_client")) {
    unsupported(option.name, "keyword", context_.keep(fmt::format("{}:{}", option.info->name, value)));
    return false;
  }
  if (expected == KeywordValue::kNone) {
    syntax_error(value, "{} takes no value", option.name);
    return false;
  }
  const bool maybe_quoted = expected == KeywordValue::kNegatableMaybeQuoted;
  if ((maybe_quoted || expected == KeywordValue::kNegatableQuoted) && value.starts_with('!')) {
    option.negated = true;
    value = trimmed(value.substr(1));
  }
  const bool must_be_quoted = expected == KeywordValue::kQuoted || expected == KeywordValue::kNegatableQuoted;
  if (must_be_quoted || (maybe_quoted && value.starts_with('"'))) return strip_quotes(option, value);
  option.value = value;
  // Some writers quote everything; where a quote cannot be part of the value it is harmless in metadata only.
  if (value.starts_with('"') && option.info->keyword != Keyword::kMetadata) {
    syntax_error(value, "{} takes no quotes", option.name);
    return false;
  }
  return true;
}

bool RuleBuilder::strip_quotes(Option& option, std::string_view value) {
  if (!value.starts_with('"')) {
    syntax_error(value.empty() ? option.name : value, "the value of {} must be in double quotes", option.name);
    return false;
  }
  if (value.size() < 2 || !value.ends_with('"')) {
    syntax_error(value, "missing closing quote or ';' in the value of {}", option.name);
    return false;
  }
  option.value = value.substr(1, value.size() - 2);
  if (option.value.empty() && option.info->keyword != Keyword::kMessage) {
    syntax_error(value, "{} is empty", option.name);
    return false;
  }
  return true;
}

void RuleBuilder::apply(const Option& option) {
  switch (option.info->keyword) {
    case Keyword::kUnsupported:  // reported by parse_option
    case Keyword::kIgnored:
      return;
    case Keyword::kSticky:
      return set_sticky(option);
    case Keyword::kPacketData:
      return leave_sticky();
    case Keyword::kTransform:
      return add_transform(option);
    case Keyword::kContent:
    case Keyword::kUriContent:
    case Keyword::kModifier:
    case Keyword::kNocase:
    case Keyword::kDepth:
    case Keyword::kOffset:
    case Keyword::kDistance:
    case Keyword::kWithin:
    case Keyword::kStartsWith:
    case Keyword::kEndsWith:
    case Keyword::kFastPattern:
    case Keyword::kRawBytes:
      return apply_content(option);
    case Keyword::kPcre:
    case Keyword::kIsDataAt:
    case Keyword::kBufferSize:
    case Keyword::kUriLength:
    case Keyword::kByteTest:
    case Keyword::kByteJump:
    case Keyword::kByteExtract:
      return apply_element(option);
    case Keyword::kPacketNumber:
    case Keyword::kIpProtocol:
    case Keyword::kTcpFlags:
    case Keyword::kStreamSize:
      return apply_packet(option);
    default:
      return apply_about_rule(option);
  }
}

void RuleBuilder::apply_content(const Option& option) {
  if (option.info->keyword == Keyword::kContent) return add_content(option);
  if (option.info->keyword == Keyword::kModifier) return move_content(option);
  if (option.info->keyword != Keyword::kUriContent) return modify_content(option);
  if (sticky_) return context_error(option.name, "uricontent cannot follow the sticky buffer {}", to_string(buffer_));
  sticky_ = true;
  buffer_ = buffer_named("http.uri");
  transforms_.clear();
  add_content(option);
  leave_sticky();
}

void RuleBuilder::apply_element(const Option& option) {
  switch (option.info->keyword) {
    case Keyword::kPcre:
      return add_pcre(option);
    case Keyword::kIsDataAt:
      return add_is_data_at(option);
    case Keyword::kBufferSize:
      return add_buffer_size(option);
    case Keyword::kUriLength:
      return add_uri_length(option);
    case Keyword::kByteTest:
      return add_byte_test(option);
    case Keyword::kByteJump:
      return add_byte_jump(option);
    default:
      return add_byte_extract(option);
  }
}

void RuleBuilder::apply_packet(const Option& option) {
  switch (option.info->keyword) {
    case Keyword::kPacketNumber:
      return add_packet_number(option);
    case Keyword::kIpProtocol:
      return add_ip_protocol(option);
    case Keyword::kTcpFlags:
      return add_tcp_flags(option);
    default:
      return add_stream_size(option);
  }
}

}  // namespace gatetape
