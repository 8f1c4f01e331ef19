// The option pcre: an expression, and letters behind it that set its options and select a buffer.
#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "rules/language/keywords.h"
#include "rules/language/rule_draft.h"

namespace gatetape {
namespace {

// The buffer that a letter behind an expression selects.
std::optional<Buffer> buffer_of_letter(char letter) {
  for (size_t i = 0; i < kBufferCount; ++i) {
    if (kBuffers[i].pcre_letter == letter && letter != 0) return static_cast<Buffer>(i);
  }
  return std::nullopt;
}

// Reads the letters behind an expression. False after reporting one that cannot be read.
bool read_letters(RuleDraft& draft, std::string_view flags, PcreElement& pcre, std::optional<Buffer>& buffer) {
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
    if (letter == 'O' || letter == 'B') continue;  // a match limit is always set, and bytes are always raw
    const auto is_letter = [&](const auto& entry) { return entry.letter == letter; };
    if (const auto* set = std::find_if(std::begin(kSettings), std::end(kSettings), is_letter);
        set != std::end(kSettings)) {
      pcre.*(set->member) = true;
      pcre.options |= set->option;
      continue;
    }
    const auto asked = buffer_of_letter(letter);
    if (!asked) {
      draft.problems.syntax(flags.substr(i), "unknown pcre modifier: {}", letter);
      return false;
    }
    if (buffer && buffer != asked) {
      draft.problems.syntax(flags.substr(i), "pcre modifiers name two buffers");
      return false;
    }
    buffer = asked;
  }
  return true;
}

// Compiles an expression as Suricata does: groups capture nothing unless the expression refers back to one. Null after
// reporting that it does not compile.
CompiledPattern compile(RuleDraft& draft, const PcreElement& pcre) {
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
  draft.problems.syntax(pcre.pattern.substr(std::min<size_t>(at, pcre.pattern.size())),
                        "expression does not compile: {}", reinterpret_cast<const char*>(message));
  return nullptr;
}

void add_pcre(RuleDraft& draft, const Option& option) {
  const std::string_view value = option.value;
  const size_t end = value.rfind('/');
  if (!value.starts_with('/') || end == 0)
    return draft.problems.syntax(value, "expected /expression/ in the value of pcre");
  const std::string_view flags = value.substr(end + 1);
  PcreElement pcre;
  pcre.pattern = value.substr(1, end - 1);
  pcre.negated = option.negated;
  const bool captures = flags.find(',') != std::string_view::npos ||
                        pcre.pattern.find("(?P<flow_") != pcre.pattern.npos ||
                        pcre.pattern.find("(?P<pkt_") != pcre.pattern.npos;
  if (captures) return draft.problems.unsupported(option.name, "keyword", "pcre with captured variables");
  std::optional<Buffer> buffer;
  if (!read_letters(draft, flags, pcre, buffer)) return;
  // http.response_body and file.data are one buffer in responses, and Q selects both.
  const Buffer selected = draft.groups.buffer();
  const bool same_body = buffer == buffer_named("http.response_body") && selected == buffer_named("file.data");
  const bool fits = (buffer == selected || same_body) && draft.groups.transforms().empty();
  if (buffer && draft.groups.selects() && !fits) {
    return draft.problems.conflict(flags, "this expression asks for {} while {} is set; reset it with pkt_data first",
                                   to_string(*buffer), to_string(selected));
  }
  CompiledPattern& shared = draft.shared.expression(pcre.pattern, pcre.options);
  if (!shared) shared = compile(draft, pcre);
  if (!shared) return;
  pcre.code = shared;
  pcre2_pattern_info_8(shared.get(), PCRE2_INFO_ARGOPTIONS, &pcre.options);
  if (buffer && !draft.groups.selects()) return draft.groups.append_to(*buffer, option.name, std::move(pcre));
  draft.groups.append(option.name, std::move(pcre));
}

constexpr KeywordInfo kKeywords[] = {
    {"pcre", ValueShape::kNegatableMaybeQuoted, &add_pcre},
};

}  // namespace

std::span<const KeywordInfo> pcre_keywords() {
  return kKeywords;
}

}  // namespace gatetape
