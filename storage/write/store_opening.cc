#include "storage/write/store_opening.h"

#include <algorithm>
#include <set>

#include "common/log.h"
#include "storage/read/segment_directory.h"
#include "storage/read/segment_reader.h"
#include "storage/write/segment_seal.h"

namespace gatetape {
namespace {

void remove_half_made(FileSystem& files, const std::string& directory) {
  const auto names = files.list(directory);
  if (!names) return log_warning("{}", names.error().message);
  for (const std::string& name : *names) {
    if (!name.ends_with(".gtp.new") && !name.ends_with(".gtr.new")) continue;
    const auto removed = files.remove(directory + "/" + name);
    if (!removed) log_warning("{}", removed.error().message);
  }
}

}  // namespace

Result<std::unique_ptr<File>> lock_directory(FileSystem& files, const std::string& directory) {
  if (auto made = files.make_directories(directory); !made) return pass_on(made);
  const std::string path = directory + "/lock";
  auto file = files.open_to_change(path);
  if (!file) file = files.create(path);
  if (!file) file = files.open_to_change(path);  // made by another in between
  if (!file) return file;
  const auto locked = (*file)->lock();
  if (!locked) return tl::unexpected(locked.error());
  if (!*locked) return fail("{}: another gatetape is recording into this store", directory);
  return file;
}

Result<ExistingSegments> take_stock(FileSystem& files, const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) remove_half_made(files, directory);
  std::vector<ForeignEntry> foreign;
  auto segments = list_segments(files, directories, &foreign);
  if (!segments) return pass_on(segments);
  ExistingSegments existing;
  // A foreign entry may have a number, too, which is not to be given again: its name is taken. An absurd one is not
  // counted on from.
  const auto count_number = [&](uint64_t sequence) {
    if (sequence <= kSequenceMax / 2) existing.last_sequence = std::max(existing.last_sequence, sequence);
  };
  for (const ForeignEntry& entry : foreign) {
    log_warning("{}: {}: left alone", entry.path, entry.what);
    count_number(entry.sequence);
  }
  for (auto file = segments->rbegin(); file != segments->rend(); ++file) {
    Ring::Segment entry{file->sequence, file->path, 0, file->path.ends_with("-pinned.gtp"), std::nullopt};
    const std::string stream = stream_name(std::string(file_name(file->path)));
    auto opened = SegmentReader::open(files, file->path, [](const std::string&, uint64_t, const char*) {});
    count_number(file->sequence);
    if (opened) existing.last_sequence = std::max(existing.last_sequence, file->sequence);
    const bool newest = !existing.tails.contains(stream);
    if (opened && (newest || !(*opened)->sealed())) {
      const auto sealed = seal_segment(files, file->path);
      if (!sealed) {
        log_warning("{}", sealed.error().message);
      } else {
        if (!sealed->synced) log_warning("{}", sealed->synced.error().message);
        if (newest) existing.tails[stream] = {file->sequence, sealed->summary.root};
        existing.recovered += !sealed->was_sealed;
        if (!sealed->was_sealed) existing.torn_bytes += sealed->summary.torn_bytes;
        existing.sealed.push_back({file->path, sealed->header.uuid, sealed->header.run_uuid});
      }
    } else if (opened) {
      existing.sealed.push_back({file->path, (*opened)->header().uuid, (*opened)->header().run_uuid});
    } else {
      log_warning("{}: left alone", opened.error().message);
      continue;  // not the ring's to remove
    }
    if (const auto status = files.status(file->path)) entry.bytes = status->bytes;
    existing.segments.push_back(std::move(entry));
  }
  if (existing.last_sequence > kSequenceMax / 2) {
    return fail("a segment of this store has the number {}: numbers end soon after; record into another directory",
                existing.last_sequence);
  }
  return existing;
}

namespace {

struct Space {
  uint64_t free_bytes = 0, size = 0;  // summed over all file systems
  bool known = true;
};

Space space_of(FileSystem& files, const std::vector<std::string>& directories) {
  Space sum;
  std::set<uint64_t> seen;
  for (const std::string& directory : directories) {
    const auto space = files.free_space(directory);
    if (!space) {
      log_warning("{}: how large the file system is cannot be told", space.error().message);
      sum.known = false;
    } else if (seen.insert(space->device).second) {
      sum.free_bytes += space->bytes;
      sum.size += space->size;
    }
  }
  return sum;
}

}  // namespace

Result<void> check_ring_bytes(FileSystem& files, const std::vector<std::string>& directories, uint64_t ring_bytes,
                              uint64_t at_least) {
  if (ring_bytes < at_least) return fail("a ring of {} bytes is too small: it needs at least {}", ring_bytes, at_least);
  const Space space = space_of(files, directories);
  if (space.known && ring_bytes > space.size) {
    return fail("a ring of {} bytes is larger than the file system of {}, which has {}", ring_bytes,
                directories.front(), space.size);
  }
  return {};
}

uint64_t default_ring_bytes(FileSystem& files, const std::vector<std::string>& directories, uint64_t bytes_present,
                            uint64_t at_least) {
  const Space space = space_of(files, directories);
  if (!space.known) return kRingUnbounded;
  return std::max({(space.free_bytes + bytes_present) / 5 * 4, bytes_present, at_least});
}

}  // namespace gatetape
