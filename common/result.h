// Result<T> is returned by operations that can fail for reasons outside the program: a full disk, a broken rule.
// Malformed traffic is not an error: it has an enum and a counter. Bugs stop at GT_CHECK (common/check.h).
#pragma once

#include <fmt/format.h>

#include <cstring>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace gatetape {

// An error in words for the user.
struct Error {
  // For the user: names the file, line, key or option that it is about. No trailing newline.
  std::string message;
  // The errno behind it, for callers that act on it; 0 when there is none.
  int code = 0;
};

template <class T>
using Result = tl::expected<T, Error>;

// Makes an error from a format string:  return fail("{}: {} is not a number", path, word);
template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{fmt::format(format, std::forward<Args>(args)...)});
}

// Makes the error of a system call that failed:  return fail_with(errno, "{}", path);  gives "PATH: No such file or
// directory".
template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail_with(int code, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(
      Error{fmt::format(format, std::forward<Args>(args)...) + ": " + std::strerror(code), code});
}

// Passes the error of `failed` on, unchanged, as another result type. Leaves `failed` without its message.
template <class T>
[[nodiscard]] tl::unexpected<Error> pass_on(tl::expected<T, Error>& failed) {
  return tl::unexpected<Error>(std::move(failed.error()));
}

}  // namespace gatetape
