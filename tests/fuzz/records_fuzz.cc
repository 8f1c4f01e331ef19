// Bytes of a record batch, as a damaged store would give them; what is read must be writable as EVE JSON.
#include <cstdint>
#include <string>

#include "export/eve.h"
#include "packet/records.h"

using namespace gatetape;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string json;
  (void)for_each_record({data, size}, [&](const Record& record) {
    json.clear();
    append_eve(json, record);
  });
  return 0;
}
