// The word that somebody probably meant. Pure functions; any thread may call them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gatetape {

// Returns the known word that is nearest to `word`: the one that it begins, or that takes the fewest letters to be
// inserted, left out, exchanged or swapped. Empty when none is near: more than a third of the letters differ.
std::string_view nearest_word(std::string_view word, const std::vector<std::string_view>& known);

// Returns "; did you mean 'since'?" for the nearest word, with `prefix` before it ("--since"), or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known,
                         std::string_view prefix = "");

}  // namespace gatetape
