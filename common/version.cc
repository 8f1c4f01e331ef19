#include "common/version.h"

namespace gatetape {

const char* const kVersion = GATETAPE_VERSION;

}  // namespace gatetape
