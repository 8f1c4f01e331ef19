// The system calls that a recorder gives up once it records (seccomp).
#pragma once

#include "common/result.h"

namespace gatetape {

// Forbids, for good and on all threads, to start programs, to look into other processes, to become another user, and to
// change the machine (mounts, modules, clock, namespaces): such calls fail with EPERM from now on. Fails where the
// kernel has no such filters. Precondition: the process gets no new privileges (restrict_rights()).
Result<void> forbid_system_calls();

}  // namespace gatetape
