// Ctrl-C and SIGTERM as a flag that long work asks for, so that it can end cleanly: a temporary file removed, a packet
// not half written. A second signal ends the process at once.
#pragma once

#include <atomic>

namespace gatetape {

// From here on SIGINT and SIGTERM set the flag; interrupted system calls are not restarted. SIGPIPE is left as it is:
// a reader who goes away (`| head`) ends us silently, as it does tcpdump.
void catch_interrupts();
bool interrupted();
// The flag itself, for threads that watch it.
const std::atomic<bool>& interrupt_flag();

}  // namespace gatetape
