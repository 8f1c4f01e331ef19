// SHA-256 of a whole file, of any size.
#pragma once

#include <string>

#include "common/file.h"
#include "storage/format/sha256.h"

namespace gatetape {

Result<Sha256Digest> file_hash(FileSystem& files, const std::string& path);
// All bytes of a file that should be small. Fails when it has more than `bytes_max`.
Result<std::string> read_whole_file(FileSystem& files, const std::string& path, size_t bytes_max);

}  // namespace gatetape
