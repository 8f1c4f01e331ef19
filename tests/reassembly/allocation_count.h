// Counts the calls of operator new in this executable (allocation_count.cc), so that a test can say: none here.
#pragma once

#include <cstdint>

namespace gatetape::test {

uint64_t allocations();

}  // namespace gatetape::test
