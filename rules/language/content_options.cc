// Options about contents: sticky buffers and transforms, content, and the modifiers of the content before them.
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "rules/language/keywords.h"
#include "rules/language/option_values.h"
#include "rules/language/rule_draft.h"

namespace gatetape {

// ---- Buffers and transforms ----

void select_buffer(RuleDraft& draft, const Option& option) {
  GroupBuilder& groups = draft.groups;
  if (groups.selects_unused() && !draft.problems.is_broken()) {
    draft.problems.conflict(groups.selected_where(), "nothing is looked for in {}", to_string(groups.buffer()));
  }
  groups.select(static_cast<Buffer>(option.info->detail), option.name);
}

void select_payload(RuleDraft& draft, const Option&) {
  draft.groups.deselect();
}

void add_transform(RuleDraft& draft, const Option& option) {
  constexpr size_t kTransformsMax = 16;
  const auto transform = static_cast<Transform>(option.info->detail);
  if (!draft.groups.can_transform(transform)) {
    return draft.problems.conflict(option.name, "{} must directly follow a sticky buffer", option.name);
  }
  if (draft.groups.transforms().size() >= kTransformsMax) {
    return draft.problems.syntax(option.name, "too many transforms");
  }
  draft.groups.add_transform(transform);
}

// An old-style modifier moves the payload's last content to another buffer.
void move_content_to_buffer(RuleDraft& draft, const Option& option) {
  if (draft.groups.selects()) {
    return draft.problems.conflict(option.name, "{} cannot follow the sticky buffer {}; reset it with pkt_data first",
                                   option.name, to_string(draft.groups.buffer()));
  }
  if (!draft.groups.move_last_content(static_cast<Buffer>(option.info->detail), option.name)) {
    draft.problems.conflict(option.name, "{} needs a content before it", option.name);
  }
}

namespace {

constexpr int64_t kDistanceMax = 1 << 20;  // Suricata's limit for distance and within
constexpr int64_t kOffsetMax = UINT16_MAX;

// ---- Contents ----

// Reads the content of an option. Nothing is returned after reporting that it cannot be read.
std::optional<ContentElement> read_content(RuleDraft& draft, const Option& option) {
  std::string storage;
  const auto bytes = decode_content(option.value, storage);
  if (!bytes) {
    draft.problems.syntax(bytes.error().where, "{}", bytes.error().message);
  } else if (bytes->empty()) {
    draft.problems.syntax(option.value, "content is empty");
  } else if (bytes->size() > UINT16_MAX) {
    draft.problems.syntax(option.value, "content is longer than {} bytes", UINT16_MAX);
  } else {
    ContentElement content;
    content.bytes = bytes->data() == storage.data() ? draft.shared.keep(*bytes) : *bytes;
    content.negated = option.negated;
    return content;
  }
  return std::nullopt;
}

void add_content(RuleDraft& draft, const Option& option) {
  if (auto content = read_content(draft, option)) draft.groups.append(option.name, std::move(*content));
}

void add_uri_content(RuleDraft& draft, const Option& option) {
  if (draft.groups.selects()) {
    return draft.problems.conflict(option.name, "uricontent cannot follow the sticky buffer {}",
                                   to_string(draft.groups.buffer()));
  }
  auto content = read_content(draft, option);
  if (content) draft.groups.append_to(buffer_named("http.uri"), option.name, std::move(*content));
}

// ---- Modifiers of the last content ----

using ContentModifier = void (*)(RuleDraft& draft, const Option& option, ContentElement& content);

// The handler of a modifier: finds the content that it is about.
template <ContentModifier modify>
void modify_last_content(RuleDraft& draft, const Option& option) {
  ContentElement* content = draft.groups.last_content();
  if (content == nullptr) return draft.problems.conflict(option.name, "{} needs a content before it", option.name);
  modify(draft, option, *content);
}

void set_nocase(RuleDraft& draft, const Option& option, ContentElement& content) {
  if (content.nocase) draft.problems.conflict(option.name, "nocase is given twice for this content");
  content.nocase = true;
}

void set_ends_with(RuleDraft&, const Option&, ContentElement& content) {
  content.ends_with = true;
}

// Buffers are always inspected as they are.
void set_raw_bytes(RuleDraft&, const Option&, ContentElement&) {}

enum class Position : uint8_t { kOffset, kDepth, kDistance, kWithin };

template <Position position>
void set_position(RuleDraft& draft, const Option& option, ContentElement& content) {
  constexpr bool kRelative = position == Position::kDistance || position == Position::kWithin;
  constexpr bool kIsLength = position == Position::kDepth || position == Position::kWithin;
  Operand operand;
  if (!draft.read_operand(option.value, kRelative ? kDistanceMax : kOffsetMax, operand)) return;
  constexpr bool kMayBeNegative = position == Position::kDistance;
  if (!operand.is_variable() && operand.number < 0 && !kMayBeNegative) {
    return draft.problems.syntax(option.value, "{} cannot be negative", option.name);
  }
  if (content.fast_pattern.only || (content.fast_pattern.wanted && content.negated)) {
    return draft.problems.conflict(option.name, "{} cannot be combined with {} on this content", option.name,
                                   content.fast_pattern.only ? "fast_pattern:only" : "fast_pattern and negation");
  }
  const bool absolute_given = content.depth || content.offset != Operand{} || content.starts_with;
  if (kRelative ? absolute_given : content.relative) {
    return draft.problems.conflict(option.name, "{} cannot be combined with {} on the same content", option.name,
                                   kRelative ? "offset, depth or startswith" : "distance or within");
  }
  std::optional<Operand>& length = kRelative ? content.within : content.depth;
  if (!kIsLength) {
    (kRelative ? content.distance : content.offset) = operand;
  } else if (length) {
    return draft.problems.conflict(option.name, "{} is given twice for this content", option.name);
  } else if (!operand.is_variable() && operand.number < static_cast<int64_t>(content.bytes.size())) {
    return draft.problems.conflict(option.value, "{} {} is smaller than the content's {} bytes", option.name,
                                   operand.number, content.bytes.size());
  } else {
    length = operand;
  }
  content.relative = content.relative || kRelative;
}

void set_starts_with(RuleDraft& draft, const Option& option, ContentElement& content) {
  if (content.relative || content.depth || content.offset != Operand{}) {
    return draft.problems.conflict(option.name, "startswith cannot be combined with offset, depth, distance or within");
  }
  content.starts_with = true;
  content.depth = Operand{static_cast<int64_t>(content.bytes.size()), -1};
}

void set_fast_pattern(RuleDraft& draft, const Option& option, ContentElement& content) {
  const bool positioned = content.relative || content.depth || content.offset != Operand{};
  if (std::exchange(draft.has_fast_pattern, true))
    return draft.problems.conflict(option.name, "a rule takes one fast_pattern");
  if (content.negated && positioned) {
    return draft.problems.conflict(option.name, "fast_pattern cannot be used on a negated content with a position");
  }
  content.fast_pattern.wanted = true;
  if (option.value.empty()) return;
  if (option.value == "only") {
    if (content.negated || positioned) {
      return draft.problems.conflict(option.value,
                                     "fast_pattern:only cannot be used on a negated or positioned content");
    }
    content.fast_pattern.only = true;
    return;
  }
  std::string_view length_text = option.value;
  const auto offset = parse_unsigned(next_part(length_text, ','), UINT16_MAX);
  const auto length = parse_unsigned(trimmed(length_text), UINT16_MAX);
  if (!offset || !length || *length == 0)
    return draft.problems.syntax(option.value, "fast_pattern takes only or OFFSET,LENGTH");
  if (*offset + *length > content.bytes.size()) {
    return draft.problems.conflict(option.value, "fast_pattern reaches beyond the content's {} bytes",
                                   content.bytes.size());
  }
  content.fast_pattern.chopped = true;
  content.fast_pattern.offset = static_cast<uint16_t>(*offset);
  content.fast_pattern.length = static_cast<uint16_t>(*length);
}

using enum ValueShape;

constexpr KeywordInfo kKeywords[] = {
    {"content", kNegatableQuoted, &add_content},
    {"uricontent", kNegatableQuoted, &add_uri_content},
    {"nocase", kNone, &modify_last_content<set_nocase>},
    {"offset", kRequired, &modify_last_content<set_position<Position::kOffset>>},
    {"depth", kRequired, &modify_last_content<set_position<Position::kDepth>>},
    {"distance", kRequired, &modify_last_content<set_position<Position::kDistance>>},
    {"within", kRequired, &modify_last_content<set_position<Position::kWithin>>},
    {"startswith", kNone, &modify_last_content<set_starts_with>},
    {"endswith", kNone, &modify_last_content<set_ends_with>},
    {"fast_pattern", kOptional, &modify_last_content<set_fast_pattern>},
    {"rawbytes", kNone, &modify_last_content<set_raw_bytes>},
};

}  // namespace

std::span<const KeywordInfo> content_keywords() {
  return kKeywords;
}

}  // namespace gatetape
