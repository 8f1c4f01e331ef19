#include "common/count_text.h"

#include <catch2/catch.hpp>

using namespace gatetape;

TEST_CASE("counts have separators and a plural") {
  CHECK(format_count(999) == "999");
  CHECK(format_count(1000) == "1,000");
  CHECK(format_count(1'234'567) == "1,234,567");
  CHECK(counted(0, "packet", "packets") == "0 packets");
  CHECK(counted(1, "packet", "packets") == "1 packet");
  CHECK(counted(12'000, "packet", "packets") == "12,000 packets");
}
