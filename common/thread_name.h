// Names threads for whoever looks at them with top -H, ps -L or perf.
#pragma once

#include <pthread.h>

namespace gatetape {

// At most 15 characters; a longer name is not taken. Only affects how the calling thread is shown.
inline void name_this_thread(const char* name) {
  (void)pthread_setname_np(pthread_self(), name);
}

}  // namespace gatetape
