// GT_CHECK states an invariant whose breach is a bug: it prints the place and aborts. Release builds keep it, because a
// recorder that continued with broken state would record lies. The store stays readable, as after any crash.
#pragma once

#include <cstdio>
#include <cstdlib>

#define GT_CHECK(condition)                                                               \
  do {                                                                                    \
    if (!(condition)) [[unlikely]] {                                                      \
      std::fprintf(stderr, "gatetape: bug: %s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)
