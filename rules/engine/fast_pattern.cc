#include "rules/engine/fast_pattern.h"

#include <algorithm>
#include <bitset>

#include "rules/engine/content_inspection.h"

namespace gatetape {
namespace {

// Literals that are in almost every message and therefore filter nothing.
constexpr std::string_view kCommonLiterals[] = {"get",
                                                "post",
                                                "200",
                                                "ok",
                                                "http/1.1",
                                                "http/1.0",
                                                "http/1.",
                                                "http",
                                                "host",
                                                "keep-alive",
                                                "close",
                                                "gzip",
                                                "*/*",
                                                "mozilla/5.0",
                                                "mozilla/4.0",
                                                "mozilla/",
                                                "text/html",
                                                "application/x-www-form-urlencoded",
                                                "user-agent",
                                                "accept",
                                                "\r\n",
                                                "\r\n\r\n",
                                                "content-type",
                                                "content-length",
                                                "text/plain",
                                                "0",
                                                "application/octet-stream"};

// The transforms after which what the pre-filter scans (the buffer as it is, or with a dot before it) still holds the
// literal, at least without regard to case.
bool scannable(const InspectionGroup& group) {
  return std::all_of(group.transforms.begin(), group.transforms.end(), [&](Transform t) {
    return t == Transform::kToLowercase || (t == Transform::kDotPrefix && buffer_info(group.buffer).dotted);
  });
}

bool lowercased(const InspectionGroup& group) {
  return std::find(group.transforms.begin(), group.transforms.end(), Transform::kToLowercase) != group.transforms.end();
}

// How rare a literal is likely to be: each byte counts, repeated and padding bytes less.
double rarity(std::string_view literal, bool caseless) {
  std::string lower(literal);
  for (char& c : lower) c = static_cast<char>(to_lower(static_cast<uint8_t>(c)));
  if (std::find(std::begin(kCommonLiterals), std::end(kCommonLiterals), lower) != std::end(kCommonLiterals)) return 0.5;
  std::bitset<256> seen;
  double sum = 0;
  for (const char c : literal) {
    const auto byte = static_cast<uint8_t>(c);
    const double weight = byte == 0 || byte == 0xff || byte == ' ' ? 0.4 : 1.0;
    sum += seen[byte] ? weight * 0.5 : weight;
    seen.set(byte);
  }
  return caseless ? sum * 0.95 : sum;
}

// Returns the part of a long literal to scan for.
std::string_view best_part(std::string_view literal, bool caseless) {
  if (literal.size() <= kFastPatternBytesMax) return literal;
  size_t best = 0;
  double best_rarity = -1;
  for (size_t i = 0; i + kFastPatternBytesMax <= literal.size(); ++i) {
    const double r = rarity(literal.substr(i, kFastPatternBytesMax), caseless);
    if (r > best_rarity) best = i, best_rarity = r;
  }
  return literal.substr(best, kFastPatternBytesMax);
}

uint32_t end_bound(const InspectionGroup& group, const ContentElement& content) {
  if (content.relative || !content.depth || content.depth->is_variable() || content.offset.is_variable()) {
    return UINT32_MAX;
  }
  // A dot before the buffer, or a part of a longer literal, only makes the true bound smaller or one larger.
  const int64_t bound = content.offset.number + content.depth->number + (group.transforms.empty() ? 0 : 1);
  return bound > 0 && bound < UINT32_MAX ? static_cast<uint32_t>(bound) : UINT32_MAX;
}

}  // namespace

std::optional<FastPatternChoice> choose_fast_pattern(const Rule& rule, Direction direction) {
  const uint8_t side = side_of(direction);
  const ContentElement* chosen = nullptr;
  size_t chosen_group = 0;
  double chosen_score = 0;
  for (size_t g = 0; g < rule.groups.size(); ++g) {
    const InspectionGroup& group = rule.groups[g];
    if (!scannable(group) || (buffer_directions(group.buffer) & side) == 0) continue;
    for (const Element& element : group.elements) {
      const auto* content = std::get_if<ContentElement>(&element);
      if (content == nullptr || content->negated) continue;
      double score = rarity(content->bytes.substr(0, kFastPatternBytesMax), content->nocase) *
                     buffer_info(group.buffer).scan_weight;
      if (content->fast_pattern.wanted || content->fast_pattern.only) score += 1000;
      // Bytes near the start of a payload are cheap to look at.
      if (group.buffer == Buffer::kPayload && end_bound(group, *content) != UINT32_MAX) score *= 1.3;
      if (score <= chosen_score) continue;
      chosen = content;
      chosen_group = g;
      chosen_score = score;
    }
  }
  if (chosen == nullptr) return std::nullopt;
  const InspectionGroup& group = rule.groups[chosen_group];
  FastPatternChoice choice;
  choice.group = chosen_group;
  choice.caseless = chosen->nocase || lowercased(group);
  std::string_view literal = chosen->bytes;
  if (chosen->fast_pattern.chopped) literal = literal.substr(chosen->fast_pattern.offset, chosen->fast_pattern.length);
  choice.literal = best_part(literal, choice.caseless);
  if (choice.caseless) {
    for (char& c : choice.literal) c = static_cast<char>(to_lower(static_cast<uint8_t>(c)));
  }
  choice.ends_within = end_bound(group, *chosen);
  return choice;
}

}  // namespace gatetape
