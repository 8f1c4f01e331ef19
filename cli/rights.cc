#include "cli/rights.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>

#include "common/log.h"

namespace gatetape {
namespace {

constexpr mode_t kOthers = 0007, kGroupAndOthers = 0077, kGroupWritesAndOthers = 0027;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return fd_; }

 private:
  int fd_;
};

Result<gid_t> group_named(const std::string& name) {
  const group* entry = ::getgrnam(name.c_str());
  if (entry == nullptr) return fail("--group {}: there is no such group", name);
  return entry->gr_gid;
}

struct User {
  uid_t uid;
  gid_t gid;
};

Result<User> user_named(const std::string& name) {
  const passwd* entry = ::getpwnam(name.c_str());
  if (entry == nullptr) return fail("--user {}: there is no such user", name);
  return User{entry->pw_uid, entry->pw_gid};
}

Result<void> give(int fd, const std::string& path, gid_t gid, mode_t mode) {
  if (::fchown(fd, static_cast<uid_t>(-1), gid) != 0 || ::fchmod(fd, mode) != 0) {
    return fail("{}: {}", path, std::strerror(errno));
  }
  return {};
}

// Links, pipes and files with a second name are not the store's, and are left alone.
Result<void> open_store_to(const std::string& path, gid_t gid) {
  const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory < 0) return errno == ENOENT ? Result<void>() : fail("{}: {}", path, std::strerror(errno));
  if (Result<void> given = give(directory, path, gid, 0750); !given) return given;
  DIR* entries = ::fdopendir(::dup(directory));
  if (entries == nullptr) return fail("{}: {}", path, std::strerror(errno));
  Result<void> result;
  while (const dirent* entry = ::readdir(entries)) {
    if (!is_of_the_store(entry->d_name)) continue;
    const Descriptor file(::openat(directory, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status;
    if (file < 0 || ::fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1) continue;
    if (result = give(file, path + "/" + entry->d_name, gid, 0640); !result) break;
  }
  ::closedir(entries);
  return result;
}

void say_who_may_look(const std::string& directory, mode_t not_meant) {
  struct stat status;
  if (::stat(directory.c_str(), &status) != 0 || (status.st_mode & not_meant) == 0) return;
  log_info("{}: others may look into this directory (mode {:o}); what is written from now on they cannot read",
           directory, status.st_mode & 07777u);
}

// Missing ones are made with the rights that we have now, and are the user's.
Result<void> make_for(const User& user, const RightsOptions& options) {
  for (const std::string& path : options.directories) {
    std::error_code error;
    if (std::filesystem::exists(path, error)) continue;
    if (std::filesystem::create_directories(path, error); error) return fail("{}: {}", path, error.message());
    if (::lchown(path.c_str(), user.uid, user.gid) != 0) return fail("{}: {}", path, std::strerror(errno));
  }
  for (const std::string& path : options.files) {
    const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640));
    if (file < 0) continue;  // it is there, or whoever writes it will say why it cannot be
    if (::fchown(file, user.uid, user.gid) != 0) return fail("{}: {}", path, std::strerror(errno));
  }
  return {};
}

Result<void> may_write(const RightsOptions& options) {
  for (const std::vector<std::string>* paths : {&options.directories, &options.files}) {
    for (const std::string& path : *paths) {
      if (::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0) continue;
      return fail("{}: {} (for --user {})", path, std::strerror(errno), options.user);
    }
  }
  return {};
}

}  // namespace

bool is_of_the_store(std::string_view name) {
  return name == "lock" || name == "ledger" || name == "account" || name.ends_with(".gtp") || name.ends_with(".gtr");
}

Result<void> check_group(const std::string& name) {
  const Result<gid_t> found = group_named(name);
  return found ? Result<void>() : fail("there is no such group");
}

Result<void> check_user(const std::string& name) {
  const Result<User> found = user_named(name);
  return found ? Result<void>() : fail("there is no such user");
}

void make_files_private() {
  ::umask(kGroupAndOthers);
}

Result<void> restrict_rights(const RightsOptions& options) {
  (void)::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);  // kernels that do not know it have nothing to forbid
  ::umask(options.group.empty() ? kGroupAndOthers : kGroupWritesAndOthers);
  if (options.group.empty()) {
    for (const std::string& directory : options.directories) say_who_may_look(directory, kGroupAndOthers);
    return {};
  }
  Result<gid_t> gid = group_named(options.group);
  if (!gid) return pass_on(gid);
  // The group of new files is the process's.
  if (::setegid(*gid) != 0) {
    return fail("--group {}: {} (it needs root, or that this is the group of who starts it: sg {} -c ...)",
                options.group, std::strerror(errno), options.group);
  }
  for (const std::string& directory : options.directories) {
    say_who_may_look(directory, kOthers);
    if (Result<void> opened = open_store_to(directory, *gid); !opened) return opened;
  }
  return {};
}

Result<void> drop_privileges(const RightsOptions& options) {
  if (options.user.empty()) return {};
  Result<User> user = user_named(options.user);
  if (!user) return pass_on(user);
  if (!options.group.empty()) user->gid = ::getegid();
  if (::geteuid() == 0) {
    if (Result<void> made = make_for(*user, options); !made) return made;
  }
  // The order matters: groups can be changed only as long as we are root. Leaving uid 0 clears all capabilities; the C
  // library does each step on all threads, those of the port's driver included.
  if (::getuid() != user->uid || ::geteuid() != user->uid) {
    if (::initgroups(options.user.c_str(), user->gid) != 0 || ::setresgid(user->gid, user->gid, user->gid) != 0 ||
        ::setresuid(user->uid, user->uid, user->uid) != 0) {
      return fail("--user {}: {} (it needs root)", options.user, std::strerror(errno));
    }
    if (user->uid != 0 && ::setuid(0) == 0) return fail("--user {}: root could be taken back", options.user);
  }
  return may_write(options);
}

}  // namespace gatetape
