// The rights of a recorder: who may read what it writes, and what it may do itself once its ports are open. What it
// records is everybody's passwords and cookies, so that both are as narrow as they can be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace gatetape {

struct RightsOptions {
  std::string group;                     // --group: may read what is written; empty: nobody but the user
  std::string user;                      // --user: to become once the ports are open; empty: stay
  std::vector<std::string> directories;  // the store's
  std::vector<std::string> files;        // written beside it, until the end of the run
};

// Whether a file of this name in a directory shows that it is a store's.
bool is_of_the_store(std::string_view name);

// Fails when the group or the user does not exist.
Result<void> check_group(const std::string& name);
Result<void> check_user(const std::string& name);

// From here on the process makes files with 0600 and directories with 0700, whatever the umask it was started with.
void make_files_private();

// The same for a recorder, and more. From here on the process makes files with 0600 and directories with 0700, whatever
// the umask it was started with; with a group, 0640 and 0750 and of that group. It never gets more rights than it has
// (no_new_privs). A store that is there already is opened to the group, where one is given; that others may read its
// directory is said on stderr. Call before the process has threads. Fails when the group does not exist, or when it is
// not ours to give.
Result<void> restrict_rights(const RightsOptions& options);

// Becomes the user, for good, on all threads, without any capability. Directories and files that are missing are made
// first, and are his. Does nothing without a user. Fails when he does not exist, when we may not become him, or when he
// may not write where he will have to.
Result<void> drop_privileges(const RightsOptions& options);

}  // namespace gatetape
