#include "common/nearest_word.h"

#include <fmt/format.h>

#include <algorithm>

namespace gatetape {
namespace {

constexpr size_t kLettersMax = 64;  // longer words are nobody's typing mistake

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Returns how many letters must be inserted, left out, exchanged or swapped with their neighbour.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), row(b.size() + 1), next(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    next[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      next[j] = std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + (same ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) next[j] = std::min(next[j], before[j - 2] + 1);
    }
    std::swap(before, row);
    std::swap(row, next);
  }
  return row[b.size()];
}

}  // namespace

std::string_view nearest_word(std::string_view word, const std::vector<std::string_view>& known) {
  constexpr size_t kBeginningMin = 3;
  if (word.empty() || word.size() > kLettersMax) return {};
  std::string_view nearest;
  size_t least = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    if (const size_t d = distance(word, candidate); d < least) {
      least = d;
      nearest = candidate;
    }
  }
  if (!nearest.empty() || word.size() < kBeginningMin) return nearest;
  const auto begun =
      std::ranges::find_if(known, [&](std::string_view candidate) { return candidate.starts_with(word); });
  return begun == known.end() ? std::string_view() : *begun;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known, std::string_view prefix) {
  const std::string_view nearest = nearest_word(word, known);
  return nearest.empty() ? "" : fmt::format("; did you mean '{}{}'?", prefix, nearest);
}

}  // namespace gatetape
