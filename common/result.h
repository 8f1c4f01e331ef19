// Result<T> is returned by operations that can fail for reasons outside the program: a full disk, a broken rule.
// Malformed traffic is not an error: it has an enum and a counter. Bugs stop at GT_CHECK (common/check.h).
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace gatetape {

// An error in words for the user. The message names the file, line, key or option; it has no trailing newline.
struct Error {
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;

// Makes an error from a format string:  return fail("{}: {}", path, strerror(errno));
template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{fmt::format(format, std::forward<Args>(args)...)});
}

// Passes the error of `failed` on, unchanged, as another result type. Leaves `failed` without its message.
template <class T>
[[nodiscard]] tl::unexpected<Error> pass_on(tl::expected<T, Error>& failed) {
  return tl::unexpected<Error>(std::move(failed.error()));
}

}  // namespace gatetape
