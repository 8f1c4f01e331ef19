// GT_CHECK: an invariant whose breach is a bug in Gatetape. On in release builds: a recorder that goes on with broken
// state records lies. Prints the place and aborts; the store on disk stays readable, as after any crash.
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
