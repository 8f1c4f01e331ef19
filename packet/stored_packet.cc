#include "packet/stored_packet.h"

namespace gatetape {

const char* to_string(RetentionClass retention) {
  switch (retention) {
    case RetentionClass::kFull:
      return "full";
    case RetentionClass::kCut:
      return "cut";
    case RetentionClass::kHeaders:
      return "headers";
    case RetentionClass::kPinned:
      return "pinned";
  }
  return "unknown";
}

}  // namespace gatetape
