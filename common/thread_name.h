// Thread names, as top -H, ps -L and perf show them.
#pragma once

#include <pthread.h>

namespace gatetape {

// Names the calling thread, for display alone. The system ignores a name of more than 15 characters.
inline void name_this_thread(const char* name) {
  (void)pthread_setname_np(pthread_self(), name);
}

}  // namespace gatetape
