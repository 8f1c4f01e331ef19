// Times as people write them: an error quotes the text; what is understood can be written down and read again.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "common/human_time.h"
#include "common/time_text.h"

using namespace gatetape;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), std::min<size_t>(size, 200));
  constexpr int64_t kNow = 1'795'168'800'000'000'000;
  const Result<HumanTime> time = parse_human_time(text, kNow);
  if (!time) {
    GT_CHECK(time.error().message.starts_with("time '"));
    return 0;
  }
  const Result<HumanTime> again = parse_human_time(format_time(time->ns), kNow);
  // Relative times and seconds since the epoch reach beyond the whole years that a date may name.
  constexpr int64_t kWhole = 9'200'000'000'000'000'000;
  if (time->ns > -kWhole && time->ns < kWhole) GT_CHECK(again && again->ns == time->ns && !again->local);
  return 0;
}
