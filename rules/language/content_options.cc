// Sticky buffers and transforms, content with its modifiers, pcre.
#include <algorithm>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "rules/language/option_values.h"
#include "rules/language/rule_builder.h"

namespace gatetape {
namespace {

constexpr size_t kTransformsMax = 16;
constexpr int64_t kDistanceMax = 1 << 20;  // Suricata's limit for distance and within
constexpr int64_t kOffsetMax = UINT16_MAX;

// The buffer that an expression asks for by a letter behind it.
std::optional<Buffer> buffer_of_pcre_letter(char letter) {
  for (size_t i = 0; i < kBufferCount; ++i) {
    if (kBuffers[i].pcre_letter == letter) return static_cast<Buffer>(i);
  }
  return std::nullopt;
}

bool is_content(const Element& element) {
  return std::holds_alternative<ContentElement>(element);
}

}  // namespace

void RuleBuilder::set_sticky(const Option& option) {
  if (sticky_ && !sticky_used_ && !broken_) {
    context_error(sticky_where_, "nothing is looked for in {}", to_string(buffer_));
  }
  sticky_ = true;
  sticky_used_ = false;
  sticky_where_ = option.name;
  buffer_ = static_cast<Buffer>(option.info->detail);
  transforms_.clear();
  sticky_starts_group_ = buffer_info(buffer_).several;
}

void RuleBuilder::leave_sticky() {
  sticky_ = false;
  buffer_ = Buffer::kPayload;
  transforms_.clear();
}

void RuleBuilder::add_transform(const Option& option) {
  // After elements, a transform opens a second group on the same buffer; after transformed elements it is too late. The
  // payload takes no transforms, so there must be a sticky buffer.
  const auto transform = static_cast<Transform>(option.info->detail);
  if (!contains(buffer_info(buffer_).transforms, transform) || (sticky_used_ && !transforms_.empty())) {
    return context_error(option.name, "{} must directly follow a sticky buffer", option.name);
  }
  if (transforms_.size() >= kTransformsMax) return syntax_error(option.name, "too many transforms");
  transforms_.push_back(transform);
  sticky_used_ = false;
}

void RuleBuilder::add_content(const Option& option) {
  std::string storage;
  const auto bytes = decode_content(option.value, storage);
  if (!bytes) return syntax_error(bytes.error().where, "{}", bytes.error().message);
  if (bytes->empty()) return syntax_error(option.value, "content is empty");
  if (bytes->size() > UINT16_MAX) return syntax_error(option.value, "content is longer than {} bytes", UINT16_MAX);
  ContentElement content;
  content.bytes = bytes->data() == storage.data() ? context_.keep(*bytes) : *bytes;
  content.negated = option.negated;
  append(option.name, std::move(content));
}

// An old-style modifier: the payload's last content moves to an HTTP buffer.
void RuleBuilder::move_content(const Option& option) {
  const auto target = static_cast<Buffer>(option.info->detail);
  if (sticky_) {
    return context_error(option.name, "{} cannot follow the sticky buffer {}; reset it with pkt_data first",
                         option.name, to_string(buffer_));
  }
  const auto is_payload = [](const InspectionGroup& group) { return group.buffer == Buffer::kPayload; };
  const auto payload = std::find_if(rule_.groups.begin(), rule_.groups.end(), is_payload);
  if (payload != rule_.groups.end()) {
    const auto found = std::find_if(payload->elements.rbegin(), payload->elements.rend(), is_content);
    if (found != payload->elements.rend()) {
      const auto index = std::distance(found, payload->elements.rend()) - 1;
      std::vector<uint32_t>& orders = group_states_[payload - rule_.groups.begin()].order;
      Element content = std::move(payload->elements[index]);
      const uint32_t order = orders[index];
      payload->elements.erase(payload->elements.begin() + index);
      orders.erase(orders.begin() + index);
      return append_to_group(group_index(option.name, target, {}, false), std::move(content), order);
    }
  }
  context_error(option.name, "{} needs a content before it", option.name);
}

ContentElement* RuleBuilder::last_content(const Option& option) {
  const auto place = last_element(is_content);
  if (!place) {
    context_error(option.name, "{} needs a content before it", option.name);
    return nullptr;
  }
  return &std::get<ContentElement>(rule_.groups[place->group].elements[place->element]);
}

void RuleBuilder::modify_content(const Option& option) {
  ContentElement* content = last_content(option);
  if (content == nullptr) return;
  switch (option.info->keyword) {
    case Keyword::kNocase:
      if (content->nocase) context_error(option.name, "nocase is given twice for this content");
      content->nocase = true;
      return;
    case Keyword::kStartsWith:
      return set_starts_with(option, *content);
    case Keyword::kEndsWith:
      content->ends_with = true;
      return;
    case Keyword::kFastPattern:
      return set_fast_pattern(option, *content);
    case Keyword::kRawBytes:
      return;
    default:
      return set_position(option, *content);
  }
}

void RuleBuilder::set_position(const Option& option, ContentElement& content) {
  const Keyword keyword = option.info->keyword;
  const bool relative = keyword == Keyword::kDistance || keyword == Keyword::kWithin;
  Operand operand;
  if (!read_operand(option.value, relative ? kDistanceMax : kOffsetMax, operand)) return;
  const bool is_length = keyword == Keyword::kDepth || keyword == Keyword::kWithin;
  const bool may_be_negative = keyword == Keyword::kDistance;
  if (!operand.is_variable() && operand.number < 0 && !may_be_negative) {
    return syntax_error(option.value, "{} cannot be negative", option.name);
  }
  if (content.fast_pattern.only || (content.fast_pattern.wanted && content.negated)) {
    return context_error(option.name, "{} cannot be combined with {} on this content", option.name,
                         content.fast_pattern.only ? "fast_pattern:only" : "fast_pattern and negation");
  }
  const bool absolute_given = content.depth || content.offset != Operand{} || content.starts_with;
  if (relative ? absolute_given : content.relative) {
    return context_error(option.name, "{} cannot be combined with {} on the same content", option.name,
                         relative ? "offset, depth or startswith" : "distance or within");
  }
  std::optional<Operand>& length = relative ? content.within : content.depth;
  if (!is_length) {
    (relative ? content.distance : content.offset) = operand;
  } else if (length) {
    return context_error(option.name, "{} is given twice for this content", option.name);
  } else if (!operand.is_variable() && operand.number < static_cast<int64_t>(content.bytes.size())) {
    return context_error(option.value, "{} {} is smaller than the content's {} bytes", option.name, operand.number,
                         content.bytes.size());
  } else {
    length = operand;
  }
  content.relative = content.relative || relative;
}

void RuleBuilder::set_starts_with(const Option& option, ContentElement& content) {
  if (content.relative || content.depth || content.offset != Operand{}) {
    return context_error(option.name, "startswith cannot be combined with offset, depth, distance or within");
  }
  content.starts_with = true;
  content.depth = Operand{static_cast<int64_t>(content.bytes.size()), -1};
}

void RuleBuilder::set_fast_pattern(const Option& option, ContentElement& content) {
  const bool positioned = content.relative || content.depth || content.offset != Operand{};
  if (std::exchange(has_fast_pattern_, true)) return context_error(option.name, "a rule takes one fast_pattern");
  if (content.negated && positioned) {
    return context_error(option.name, "fast_pattern cannot be used on a negated content with a position");
  }
  content.fast_pattern.wanted = true;
  if (option.value.empty()) return;
  if (option.value == "only") {
    if (content.negated || positioned) {
      return context_error(option.value, "fast_pattern:only cannot be used on a negated or positioned content");
    }
    content.fast_pattern.only = true;
    return;
  }
  std::string_view length_text = option.value;
  const auto offset = parse_unsigned(next_part(length_text, ','), UINT16_MAX);
  const auto length = parse_unsigned(trimmed(length_text), UINT16_MAX);
  if (!offset || !length || *length == 0) return syntax_error(option.value, "fast_pattern takes only or OFFSET,LENGTH");
  if (*offset + *length > content.bytes.size()) {
    return context_error(option.value, "fast_pattern reaches beyond the content's {} bytes", content.bytes.size());
  }
  content.fast_pattern.chopped = true;
  content.fast_pattern.offset = static_cast<uint16_t>(*offset);
  content.fast_pattern.length = static_cast<uint16_t>(*length);
}

void RuleBuilder::add_pcre(const Option& option) {
  const std::string_view value = option.value;
  const size_t end = value.rfind('/');
  if (!value.starts_with('/') || end == 0) return syntax_error(value, "expected /expression/ in the value of pcre");
  const std::string_view flags = value.substr(end + 1);
  PcreElement pcre;
  pcre.pattern = value.substr(1, end - 1);
  pcre.negated = option.negated;
  const bool captures = flags.find(',') != std::string_view::npos ||
                        pcre.pattern.find("(?P<flow_") != pcre.pattern.npos ||
                        pcre.pattern.find("(?P<pkt_") != pcre.pattern.npos;
  if (captures) return unsupported(option.name, "keyword", "pcre with captured variables");
  std::optional<Buffer> buffer;
  if (!set_pcre_flags(flags, pcre, buffer)) return;
  // http.response_body and file.data are one buffer in responses, and Q stands for both.
  const bool same_body = buffer == buffer_named("http.response_body") && buffer_ == buffer_named("file.data");
  if (buffer && sticky_ && ((*buffer != buffer_ && !same_body) || !transforms_.empty())) {
    return context_error(flags, "this expression asks for {} while {} is set; reset it with pkt_data first",
                         to_string(*buffer), to_string(buffer_));
  }
  const std::string key = fmt::format("{:x}/{}", pcre.options, pcre.pattern);
  CompiledPattern& shared = context_.patterns[key];
  if (!shared) shared = compile(pcre);
  if (!shared) return;
  pcre.code = shared;
  pcre2_pattern_info_8(shared.get(), PCRE2_INFO_ARGOPTIONS, &pcre.options);
  if (buffer && !sticky_) return append_to(option.name, *buffer, std::move(pcre));
  append(option.name, std::move(pcre));
}

bool RuleBuilder::set_pcre_flags(std::string_view flags, PcreElement& pcre, std::optional<Buffer>& buffer) {
  struct Setting {
    char letter;
    bool PcreElement::*member;
    uint32_t option;
  };
  static constexpr Setting kSettings[] = {
      {'i', &PcreElement::caseless, PCRE2_CASELESS}, {'m', &PcreElement::multiline, PCRE2_MULTILINE},
      {'s', &PcreElement::dot_all, PCRE2_DOTALL},    {'x', &PcreElement::extended, PCRE2_EXTENDED},
      {'A', &PcreElement::anchored, PCRE2_ANCHORED}, {'E', &PcreElement::dollar_end_only, PCRE2_DOLLAR_ENDONLY},
      {'G', &PcreElement::ungreedy, PCRE2_UNGREEDY}, {'R', &PcreElement::relative, 0}};
  for (size_t i = 0; i < flags.size(); ++i) {
    const char letter = flags[i];
    if (letter == 'O' || letter == 'B') continue;  // a match limit we always have; raw bytes, which they always are
    const auto is_letter = [&](const auto& entry) { return entry.letter == letter; };
    if (const auto* set = std::find_if(std::begin(kSettings), std::end(kSettings), is_letter);
        set != std::end(kSettings)) {
      pcre.*(set->member) = true;
      pcre.options |= set->option;
      continue;
    }
    const auto asked = buffer_of_pcre_letter(letter);
    if (!asked) {
      syntax_error(flags.substr(i), "unknown pcre modifier: {}", letter);
      return false;
    }
    if (buffer && buffer != asked) {
      syntax_error(flags.substr(i), "pcre modifiers name two buffers");
      return false;
    }
    buffer = asked;
  }
  return true;
}

// As Suricata does: groups capture nothing unless the expression refers back to one.
CompiledPattern RuleBuilder::compile(const PcreElement& pcre) {
  int error = 0;
  PCRE2_SIZE at = 0;
  const auto try_options = [&](uint32_t options) {
    const auto* bytes = reinterpret_cast<PCRE2_SPTR8>(pcre.pattern.data());  // PCRE2 takes bytes as unsigned
    return pcre2_compile_8(bytes, pcre.pattern.size(), options, &error, &at, nullptr);
  };
  pcre2_code_8* code = try_options(pcre.options | PCRE2_NO_AUTO_CAPTURE);
  if (code == nullptr && error == PCRE2_ERROR_BAD_SUBPATTERN_REFERENCE) code = try_options(pcre.options);
  if (code != nullptr) return CompiledPattern(code, pcre2_code_free_8);
  PCRE2_UCHAR8 message[256];
  pcre2_get_error_message_8(error, message, sizeof message);
  syntax_error(pcre.pattern.substr(std::min<size_t>(at, pcre.pattern.size())), "expression does not compile: {}",
               reinterpret_cast<const char*>(message));
  return nullptr;
}

}  // namespace gatetape
