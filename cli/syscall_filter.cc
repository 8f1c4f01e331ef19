#include "cli/syscall_filter.h"

#include <seccomp.h>

#include <cerrno>
#include <memory>

namespace gatetape {
namespace {

constexpr int kForbidden[] = {
    // programs and other processes
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
    SCMP_SYS(kcmp), SCMP_SYS(pidfd_getfd), SCMP_SYS(userfaultfd),
    // other users
    SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid),
    SCMP_SYS(setresgid), SCMP_SYS(setgroups), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid), SCMP_SYS(capset),
    // the machine
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare),
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(reboot),
    SCMP_SYS(kexec_file_load), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(quotactl),
    SCMP_SYS(clock_settime), SCMP_SYS(settimeofday), SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(iopl),
    SCMP_SYS(ioperm), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(syslog), SCMP_SYS(personality),
    // keys of the kernel
    SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl)};

// The address sanitizer's build looks for leaks when it ends, and attaches to its own threads for that.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kTracesItself = true;
#else
constexpr bool kTracesItself = false;
#endif

}  // namespace

Result<void> forbid_system_calls() {
  const std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter(::seccomp_init(SCMP_ACT_ALLOW), ::seccomp_release);
  if (filter == nullptr) return fail("out of memory");
  int error = ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  for (const int call : kForbidden) {
    if (kTracesItself && call == SCMP_SYS(ptrace)) continue;
    if (error == 0) error = ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0);
  }
  if (error == 0) error = ::seccomp_load(filter.get());
  return error == 0 ? Result<void>() : fail_with(-error, "system calls cannot be forbidden");
}

}  // namespace gatetape
