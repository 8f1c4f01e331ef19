#include "packet/record_values.h"

#include <catch2/catch.hpp>
#include <string>

using namespace gatetape;

namespace {

std::string shown(std::string_view values) {
  std::string out;
  const bool whole = for_each_value(values, [&](std::string_view name, const RecordValue& value) {
    out += std::string(name) + '=';
    if (const auto* number = std::get_if<uint64_t>(&value)) {
      out += std::to_string(*number);
    } else {
      out += '"' + std::string(std::get<std::string_view>(value)) + '"';
    }
    out += ' ';
  });
  return out + (whole ? "ok" : "malformed");
}

}  // namespace

TEST_CASE("values come back in their order") {
  RecordValues values;
  values.text("name", "example.com").number("size", UINT64_MAX).text("empty", "");
  CHECK(shown(values.bytes()) == "name=\"example.com\" size=18446744073709551615 empty=\"\" ok");
  values.clear();
  CHECK(shown(values.bytes()) == "ok");
}

TEST_CASE("values cut anywhere are malformed, and those before the cut come back") {
  RecordValues values;
  values.text("a", "xy").number("b", 7);
  const std::string bytes(values.bytes());
  for (size_t length = 0; length < bytes.size(); ++length) {
    const std::string out = shown(std::string_view(bytes).substr(0, length));
    const size_t first = 1 + 1 + 1 + 4 + 2;
    CHECK(out == (length == 0       ? "ok"
                  : length < first  ? "malformed"
                  : length == first ? "a=\"xy\" ok"
                                    : "a=\"xy\" malformed"));
  }
  std::string kind = bytes;
  kind[2] = 2;  // no such kind
  CHECK(shown(kind) == "malformed");
}

TEST_CASE("values have a limit") {
  RecordValues values;
  values.text("long", std::string(100'000, 'x'));
  CHECK(values.bytes().size() == RecordValues::kBytesMax);
  values.number("no_room", 1).text("neither", "y");
  CHECK(values.bytes().size() == RecordValues::kBytesMax);
  CHECK(shown(values.bytes()).ends_with("x\" ok"));
}
