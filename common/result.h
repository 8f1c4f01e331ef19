// The result of an operation that can fail for reasons outside the program: a full disk, a broken rule, a missing file.
// Malformed traffic is not an error but an enum and a counter; a bug is a GT_CHECK (common/check.h).
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace gatetape {

// What went wrong, in words for the user: names the file, line, key or option it is about. No trailing newline.
struct Error {
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;

// return fail("{}: {}", path, strerror(errno));
template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{fmt::format(format, std::forward<Args>(args)...)});
}

// Passes an error on, unchanged, as another result type.
template <class T>
[[nodiscard]] tl::unexpected<Error> pass_on(tl::expected<T, Error>& failed) {
  return tl::unexpected<Error>(std::move(failed.error()));
}

}  // namespace gatetape
