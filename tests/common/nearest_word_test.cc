#include "common/nearest_word.h"

#include <catch2/catch.hpp>

using namespace gatetape;

TEST_CASE("the nearest word is found, and none where none is near") {
  const std::vector<std::string_view> known = {"since", "store", "statement", "sid", "until", "checksums"};
  CHECK(nearest_word("sinse", known) == "since");
  CHECK(nearest_word("Since", known) == "since");
  CHECK(nearest_word("utnil", known) == "until");
  CHECK(nearest_word("stor", known) == "store");
  CHECK(nearest_word("state", known) == "statement");
  CHECK(nearest_word("checksum", known) == "checksums");
  CHECK(nearest_word("si", known) == "sid");
  CHECK(nearest_word("banana", known).empty());
  CHECK(nearest_word("", known).empty());
  CHECK(nearest_word(std::string(1000, 's'), known).empty());
  CHECK(nearest_word("x", {}).empty());
  CHECK(did_you_mean("sinse", known, "--") == "; did you mean '--since'?");
  CHECK(did_you_mean("banana", known).empty());
}
