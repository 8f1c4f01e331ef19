// Ctrl-C and SIGTERM set a flag that long work asks for, so that it can end cleanly, with no temporary file left and no
// packet half written. A second signal ends the process at once.
#pragma once

#include <atomic>

namespace gatetape {

// Makes SIGINT and SIGTERM set the flag from now on. Interrupted system calls are not restarted. SIGPIPE is left as it
// is: a reader that goes away (`| head`) ends the process silently, as with tcpdump.
void catch_interrupts();
bool interrupted();  // whether the flag is set
// Returns the flag itself, for threads that watch it.
const std::atomic<bool>& interrupt_flag();

}  // namespace gatetape
