#include "rules/engine/content_inspection.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "common/check.h"

namespace gatetape {
namespace {

constexpr uint32_t kPcreMatchLimit = 3500;
constexpr uint32_t kPcreDepthLimit = 1500;
constexpr size_t kJitStackBytesMin = 32u << 10, kJitStackBytesMax = 512u << 10;
constexpr size_t kTextDigitsMax = 23;

constexpr std::array<uint8_t, 256> make_lower() {
  std::array<uint8_t, 256> table{};
  for (size_t i = 0; i < table.size(); ++i) {
    table[i] = static_cast<uint8_t>(i >= 'A' && i <= 'Z' ? i + ('a' - 'A') : i);
  }
  return table;
}
constexpr std::array<uint8_t, 256> kLower = make_lower();

bool equals_caseless(const uint8_t* text, std::string_view needle) {
  for (size_t i = 0; i < needle.size(); ++i) {
    if (kLower[text[i]] != static_cast<uint8_t>(needle[i])) return false;
  }
  return true;
}

int64_t find_caseless(const uint8_t* text, int64_t from, int64_t last, std::string_view needle) {
  const auto lower = static_cast<uint8_t>(needle.front());
  const auto end = static_cast<uint8_t>(needle.back());
  const size_t last_index = needle.size() - 1;
  for (int64_t i = from; i <= last; ++i) {
    if (kLower[text[i]] == lower && kLower[text[i + last_index]] == end && equals_caseless(text + i, needle)) return i;
  }
  return -1;
}

// Digits in text, as strtoull reads them: leading white space, a sign, 0x in base 16.
bool read_text(std::span<const uint8_t> bytes, int base, uint64_t& value, size_t& consumed) {
  char digits[kTextDigitsMax + 1];
  const size_t n = std::min(bytes.size(), kTextDigitsMax);
  std::memcpy(digits, bytes.data(), n);
  digits[n] = '\0';
  char* end = nullptr;
  errno = 0;
  value = std::strtoull(digits, &end, base);
  consumed = static_cast<size_t>(end - digits);
  return consumed > 0 && errno == 0;
}

uint64_t read_binary(std::span<const uint8_t> bytes, bool little_endian) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const size_t at = little_endian ? bytes.size() - 1 - i : i;
    value = value << 8 | bytes[at];
  }
  return value;
}

bool compare(ByteOperator op, uint64_t value, uint64_t with) {
  switch (op) {
    case ByteOperator::kEqual:
      return value == with;
    case ByteOperator::kLess:
      return value < with;
    case ByteOperator::kGreater:
      return value > with;
    case ByteOperator::kLessOrEqual:
      return value <= with;
    case ByteOperator::kGreaterOrEqual:
      return value >= with;
    case ByteOperator::kAnd:
      return (value & with) != 0;
    case ByteOperator::kXor:
      return (value ^ with) != 0;
  }
  return false;
}

}  // namespace

uint8_t to_lower(uint8_t c) {
  return kLower[c];
}

int64_t find_bytes(std::span<const uint8_t> text, int64_t from, int64_t to, std::string_view needle, bool caseless) {
  to = std::min(to, static_cast<int64_t>(text.size()));
  const int64_t last = to - static_cast<int64_t>(needle.size());
  if (from < 0 || from > last) return -1;
  if (caseless) return find_caseless(text.data(), from, last, needle);
  const void* found = memmem(text.data() + from, static_cast<size_t>(to - from), needle.data(), needle.size());
  return found == nullptr ? -1 : static_cast<const uint8_t*>(found) - text.data();
}

struct ContentInspector::Walk {
  const CompiledGroup& group;
  std::span<const uint8_t> buffer;
  uint32_t steps = 0;

  int64_t size() const { return static_cast<int64_t>(buffer.size()); }
};

ContentInspector::ContentInspector()
    : match_data_(pcre2_match_data_create(1, nullptr)),
      match_context_(pcre2_match_context_create(nullptr)),
      jit_stack_(pcre2_jit_stack_create(kJitStackBytesMin, kJitStackBytesMax, nullptr)) {
  GT_CHECK(match_data_ != nullptr && match_context_ != nullptr && jit_stack_ != nullptr);
  pcre2_set_match_limit(match_context_, kPcreMatchLimit);
  pcre2_set_depth_limit(match_context_, kPcreDepthLimit);
  pcre2_jit_stack_assign(match_context_, nullptr, jit_stack_);
}

ContentInspector::~ContentInspector() {
  pcre2_jit_stack_free(jit_stack_);
  pcre2_match_context_free(match_context_);
  pcre2_match_data_free(match_data_);
}

bool ContentInspector::inspect(const CompiledGroup& group, std::span<const uint8_t> buffer) {
  static constexpr uint8_t kNothing = 0;
  if (buffer.data() == nullptr) buffer = {&kNothing, 0};
  Walk walk{group, buffer};
  const bool matched = step(walk, 0, 0) == Outcome::kMatch;
  if (walk.steps > kInspectionStepsMax) ++limits_hit_;
  return matched;
}

int64_t ContentInspector::value_of(const Operand& operand) const {
  if (!operand.is_variable()) return operand.number;
  // A number from traffic: kept where sums with buffer offsets cannot overflow.
  const uint64_t value = variables_[static_cast<size_t>(operand.variable)];
  return static_cast<int64_t>(std::min<uint64_t>(value, uint64_t{1} << 48));
}

ContentInspector::Outcome ContentInspector::step(Walk& walk, size_t position, int64_t previous_end) {
  const auto& elements = walk.group.elements;
  for (; position < elements.size(); ++position) {
    if (++walk.steps > kInspectionStepsMax) return Outcome::kNowhere;
    const Element& element = *elements[position].element;
    bool holds = true;
    if (std::holds_alternative<ContentElement>(element)) return content(walk, position, previous_end);
    if (std::holds_alternative<PcreElement>(element)) return pcre(walk, position, previous_end);
    if (const auto* data_at = std::get_if<IsDataAtElement>(&element)) {
      const int64_t at = value_of(data_at->position);
      const bool there = data_at->relative ? previous_end + at <= walk.size() : at < walk.size();
      holds = there != data_at->negated;
    } else if (const auto* size = std::get_if<BufferSizeElement>(&element)) {
      if (!size->size.holds(walk.buffer.size())) return Outcome::kNowhere;
    } else if (const auto* test = std::get_if<ByteTestElement>(&element)) {
      holds = byte_test(walk, *test, previous_end);
    } else if (const auto* jump = std::get_if<ByteJumpElement>(&element)) {
      holds = byte_jump(walk, *jump, previous_end);
    } else if (const auto* extract = std::get_if<ByteExtractElement>(&element)) {
      holds = byte_extract(walk, *extract, previous_end);
    }
    if (!holds) return Outcome::kNoMatch;
  }
  return Outcome::kMatch;
}

ContentInspector::Outcome ContentInspector::content(Walk& walk, size_t position, int64_t previous_end) {
  const CompiledElement& compiled = walk.group.elements[position];
  const auto& content = std::get<ContentElement>(*compiled.element);
  if (content.fast_pattern.only) {
    const bool there = find_bytes(walk.buffer, 0, walk.size(), compiled.needle, content.nocase) >= 0;
    return there != content.negated ? step(walk, position + 1, previous_end) : Outcome::kNowhere;
  }
  const int64_t length = static_cast<int64_t>(compiled.needle.size());
  int64_t from = value_of(content.offset);
  int64_t to = walk.size();
  if (content.relative) {
    from = std::max(from, std::max<int64_t>(0, previous_end + value_of(content.distance)));
    if (content.within) to = std::min(to, previous_end + value_of(content.distance) + value_of(*content.within));
    if (content.depth) to = std::min(to, previous_end + value_of(*content.depth));
  } else if (content.depth) {
    to = std::min(to, from + value_of(*content.depth));
  }
  const Outcome failure = content.relative ? Outcome::kNoMatch : Outcome::kNowhere;
  if (content.ends_with) from = std::max(from, walk.size() - length);

  for (;;) {
    int64_t found = find_bytes(walk.buffer, from, to, compiled.needle, content.nocase);
    while (found >= 0 && content.ends_with && found + length != walk.size()) {
      found = find_bytes(walk.buffer, found + 1, to, compiled.needle, content.nocase);
    }
    if (content.negated) return found < 0 ? step(walk, position + 1, previous_end) : failure;
    if (found < 0) return failure;
    const Outcome rest = step(walk, position + 1, found + length);
    if (rest == Outcome::kMatch || rest == Outcome::kNowhere) return rest;
    // The next element depends on where this one ends only if it is relative to it.
    if (!compiled.next_is_relative) return Outcome::kNowhere;
    if (++walk.steps > kInspectionStepsMax) return Outcome::kNowhere;
    from = found + 1;
  }
}

ContentInspector::Outcome ContentInspector::pcre(Walk& walk, size_t position, int64_t previous_end) {
  const CompiledElement& compiled = walk.group.elements[position];
  const auto& expression = std::get<PcreElement>(*compiled.element);
  const int64_t base = expression.relative ? std::clamp<int64_t>(previous_end, 0, walk.size()) : 0;
  const uint8_t* subject = walk.buffer.data() + base;
  const auto length = static_cast<size_t>(walk.size() - base);
  const Outcome failure = expression.relative ? Outcome::kNoMatch : Outcome::kNowhere;

  for (size_t from = 0; from <= length;) {
    const int rc = pcre2_match(expression.code.get(), subject, length, from, 0, match_data_, match_context_);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) ++limits_hit_;
    if (expression.negated) {
      return rc == PCRE2_ERROR_NOMATCH ? step(walk, position + 1, previous_end) : failure;
    }
    if (rc < 0) return failure;
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(match_data_);
    from = bounds[0] + 1;
    const Outcome rest = step(walk, position + 1, base + static_cast<int64_t>(bounds[1]));
    if (rest == Outcome::kMatch || rest == Outcome::kNowhere) return rest;
    if (!compiled.next_is_relative) return Outcome::kNowhere;
    if (++walk.steps > kInspectionStepsMax) return Outcome::kNowhere;
  }
  return failure;
}

bool ContentInspector::read_field(const Walk& walk, const ByteField& field, int64_t previous_end, uint64_t& value,
                                  int64_t& end) const {
  const int64_t start = value_of(field.offset) + (field.relative ? previous_end : 0);
  const int64_t count = value_of(field.count);
  if (start < 0 || start > walk.size() || count < 0 || count > walk.size() - start) return false;
  const auto bytes = walk.buffer.subspan(static_cast<size_t>(start), static_cast<size_t>(count));
  end = start + count;
  if (field.text_base != 0) {
    size_t consumed = 0;
    if (!read_text(bytes, field.text_base, value, consumed)) return false;
    end = start + static_cast<int64_t>(consumed);
  } else {
    if (count > 8) return false;
    value = read_binary(bytes, field.little_endian);
  }
  if (field.bitmask != 0) value = (value & field.bitmask) >> std::countr_zero(field.bitmask);
  return true;
}

bool ContentInspector::byte_test(const Walk& walk, const ByteTestElement& test, int64_t previous_end) const {
  uint64_t value = 0;
  int64_t end = 0;
  if (!read_field(walk, test.field, previous_end, value, end)) return false;
  const uint64_t with = test.value.is_variable() ? variables_[static_cast<size_t>(test.value.variable)]
                                                 : static_cast<uint64_t>(test.value.number);
  return compare(test.compare, value, with) != test.negated;
}

bool ContentInspector::byte_jump(const Walk& walk, const ByteJumpElement& jump, int64_t& previous_end) const {
  uint64_t value = 0;
  int64_t end = 0;
  if (!read_field(walk, jump.field, previous_end, value, end)) return false;
  uint64_t distance = value * jump.multiplier;
  if (jump.align && distance % 4 != 0) distance += 4 - distance % 4;
  const int64_t start = jump.from_beginning ? 0 : jump.from_end ? walk.size() : end;
  if (distance > walk.buffer.size()) return false;
  const int64_t target = start + static_cast<int64_t>(distance) + value_of(jump.post_offset);
  if (target >= walk.size()) return false;
  previous_end = std::max<int64_t>(target, 0);  // a jump to before the buffer ends at its start
  return true;
}

bool ContentInspector::byte_extract(const Walk& walk, const ByteExtractElement& extract, int64_t& previous_end) {
  uint64_t value = 0;
  int64_t end = 0;
  if (!read_field(walk, extract.field, previous_end, value, end)) return false;
  value *= extract.multiplier;
  if (extract.align != 0 && value % extract.align != 0) value += extract.align - value % extract.align;
  variables_[static_cast<size_t>(extract.variable)] = value;
  previous_end = end;
  return true;
}

}  // namespace gatetape
