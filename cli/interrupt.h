// Signals as flags that long work asks for, so that none of them ends the program in the middle of something.
#pragma once

#include <atomic>
#include <cstdint>

namespace gatetape {

// SIGHUP asks for log files to be opened anew and never ends anything: main() calls this first, for every command.
void catch_hangups();
// Returns how many hangups there were.
const std::atomic<uint32_t>& hangup_count();

// SIGUSR2 asks for the configuration to be read again, from now on. Returns how many there were.
const std::atomic<uint32_t>& catch_reloads();

// Makes SIGINT (Ctrl-C) and SIGTERM set a flag from now on. Interrupted system calls are not restarted. The first
// signal lets the command end cleanly: it removes its temporary file and writes no packet by half. A second one ends
// the process at once.
void catch_interrupts();
bool interrupted();  // whether the flag is set
// Returns the flag itself, for threads that watch it.
const std::atomic<bool>& interrupt_flag();

// From here on a reader that goes away, and a limit on the size of files, are errors of the write (EPIPE, EFBIG).
// Commands that do not call this end silently when their reader goes away (`| head`), as tcpdump does.
void ignore_write_signals();

}  // namespace gatetape
