// Walks the elements of one inspection group over one buffer, as Suricata does (Suricata user guide, "Payload
// Keywords"): in the order written; an absolute element searches from the buffer's start, a relative one from the end
// of the previous match; when a relative element fails, the search returns to the next occurrence of what it is
// relative to.
//
// A walk is bounded by kInspectionStepsMax visits of elements per group and buffer, and by PCRE2's own match limits. A
// walk that exceeds a limit does not match and is counted. One inspector per thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "rules/engine/compiled_rule.h"

struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;
struct pcre2_real_jit_stack_8;

namespace gatetape {

inline constexpr uint32_t kInspectionStepsMax = 3000;
inline constexpr size_t kRuleVariablesMax = 64;

class ContentInspector {
 public:
  ContentInspector();
  ~ContentInspector();
  ContentInspector(const ContentInspector&) = delete;
  ContentInspector& operator=(const ContentInspector&) = delete;

  // Forgets the variables of the rule before.
  void begin_rule() { variables_.fill(0); }
  bool inspect(const CompiledGroup& group, std::span<const uint8_t> buffer);

  uint64_t limits_hit() const { return limits_hit_; }

 private:
  enum class Outcome : uint8_t {
    kMatch,
    kNoMatch,  // not from here: the element before may try its next occurrence
    kNowhere,  // not from anywhere: no other occurrence can help
  };
  struct Walk;

  Outcome step(Walk& walk, size_t position, int64_t previous_end);
  Outcome content(Walk& walk, size_t position, int64_t previous_end);
  Outcome pcre(Walk& walk, size_t position, int64_t previous_end);
  bool byte_test(const Walk& walk, const ByteTestElement& test, int64_t previous_end) const;
  bool byte_jump(const Walk& walk, const ByteJumpElement& jump, int64_t& previous_end) const;
  bool byte_extract(const Walk& walk, const ByteExtractElement& extract, int64_t& previous_end);
  bool read_field(const Walk& walk, const ByteField& field, int64_t previous_end, uint64_t& value, int64_t& end) const;
  int64_t value_of(const Operand& operand) const;

  std::array<uint64_t, kRuleVariablesMax> variables_{};
  pcre2_real_match_data_8* match_data_ = nullptr;
  pcre2_real_match_context_8* match_context_ = nullptr;
  pcre2_real_jit_stack_8* jit_stack_ = nullptr;
  uint64_t limits_hit_ = 0;
};

// The first occurrence of `needle` that lies in [from, to) of `text`, or -1. A caseless needle is in lower case.
int64_t find_bytes(std::span<const uint8_t> text, int64_t from, int64_t to, std::string_view needle, bool caseless);
uint8_t to_lower(uint8_t c);

}  // namespace gatetape
