// The configuration file: an error names a place in the text, and each entry lies where it says. The text includes
// itself, too.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "cli/config_text.h"
#include "common/check.h"

using namespace gatetape;

namespace {

void check_place(const ConfigPlace& place, std::string_view text) {
  GT_CHECK(place.line >= 1 && place.line <= 1 + static_cast<size_t>(std::ranges::count(text, '\n')));
  GT_CHECK(place.column >= 1 && place.column <= text.size() + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kTextBytesMax = 16384;
  const std::string text(reinterpret_cast<const char*>(data), std::min(size, kTextBytesMax));
  const auto entries = parse_config_text(text, "conf");
  if (entries) {
    for (const ConfigEntry& entry : *entries) {
      GT_CHECK(!entry.name.empty());
      check_place(entry.place, text);
      check_place(entry.whole.place, text);
      for (const ConfigValue& value : entry.list) {
        check_place(value.place, text);
        GT_CHECK(value.text.find('\n') == std::string::npos);
      }
    }
  } else {
    GT_CHECK(entries.error().message.starts_with("conf:"));
  }
  (void)read_config("conf", [&](const std::string& path) -> Result<std::string> {
    if (path != "conf" && path != "other") return fail_with(ENOENT, "{}", path);
    return path == "conf" ? text : "a = 1\ninclude conf\n";
  });
  return 0;
}
