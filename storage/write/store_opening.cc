#include "storage/write/store_opening.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <set>

#include "common/log.h"
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

namespace {

Result<void> lock(File& file, const std::string& directory) {
  const auto locked = file.lock();
  if (!locked) return tl::unexpected(locked.error());
  if (!*locked) return fail("{}: another gatetape is recording into this store", directory);
  return {};
}

// Some network file systems lock only what is open for writing.
bool cannot_be_locked(const Error& error) {
  return error.code == EBADF || error.code == EINVAL || error.code == ENOLCK || error.code == EOPNOTSUPP;
}

}  // namespace

Result<DirectoryLock> lock_directory(FileSystem& files, const std::string& directory) {
  if (auto made = files.make_directories(directory); !made) return pass_on(made);
  const std::string path = directory + "/lock";
  DirectoryLock taken;
  auto file = files.open_to_change(path);
  if (!file) file = files.create(path);
  if (!file) file = files.open_to_change(path);  // made by another in between
  if (!file) return pass_on(file);
  if (auto locked = lock(**file, directory); !locked) return pass_on(locked);
  taken.file = std::move(*file);
  auto itself = files.open_directory(directory);
  if (!itself) return pass_on(itself);
  if (auto locked = lock(**itself, directory); !locked && !cannot_be_locked(locked.error())) return pass_on(locked);
  taken.directory = std::move(*itself);
  return taken;
}

Result<UsableDirectories> lock_usable(FileSystem& files, const std::vector<std::string>& directories) {
  UsableDirectories usable;
  for (const std::string& directory : directories) {
    auto lock = lock_directory(files, directory);
    if (!lock && lock.error().code == 0) return pass_on(lock);  // another has it
    Result<void> used = lock ? Result<void>() : pass_on(lock);
    if (const auto names = files.list(directory); used && !names) used = tl::unexpected<Error>(names.error());
    if (used) {
      usable.locks.emplace(directory, std::move(*lock));
    } else if (usable.failure) {
      usable.failure = used;
    }
  }
  if (usable.locks.empty()) return tl::unexpected<Error>(usable.failure.error());
  return usable;
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
    Ring::Segment entry;
    entry.sequence = file->sequence;
    entry.path = file->path;
    entry.kind = file->kind;
    entry.pinned = file->path.ends_with("-pinned.gtp");
    const std::string stream = stream_name(std::string(file_name(file->path)));
    auto opened = SegmentReader::open(files, file->path, [](const std::string&, uint64_t, const char*) {});
    count_number(file->sequence);
    if (opened) existing.last_sequence = std::max(existing.last_sequence, file->sequence);
    const bool newest = !existing.tails.contains(stream);
    if (opened) entry.bytes = (*opened)->file_bytes();
    if (opened && (newest || !(*opened)->sealed())) {
      const auto sealed = seal_segment(files, file->path);
      if (!sealed) {
        log_warning("{}", sealed.error().message);
      } else {
        if (!sealed->synced) log_warning("{}", sealed->synced.error().message);
        entry.bytes = sealed->file_bytes;
        if (newest) existing.tails[stream] = {file->sequence, sealed->summary.root};
        existing.recovered += !sealed->was_sealed;
        if (!sealed->was_sealed) existing.torn_bytes += sealed->summary.torn_bytes;
        existing.sealed.push_back({file->path, sealed->header.uuid, sealed->header.run_uuid});
      }
    } else if (opened) {
      existing.sealed.push_back({file->path, (*opened)->header().uuid, (*opened)->header().run_uuid});
    } else {
      const bool headless =
          opened.error().code == 0 && torn_header(files, file->path).value_or(TornHeader::kNo) != TornHeader::kNo;
      headless ? existing.headless.push_back(*file) : log_warning("{}: left alone", opened.error().message);
      continue;  // not the ring's to remove
    }
    const SegmentSummary summary = (*opened)->summary();
    entry.time_min_ns = summary.packets != 0 ? summary.time_min_ns : INT64_MIN;
    entry.time_max_ns = summary.packets != 0 ? summary.time_max_ns : INT64_MIN;
    // Holes take no room: a file that was only made longer must not evict the others.
    if (const auto status = files.status(file->path)) entry.bytes = std::min(entry.bytes, status->allocated_bytes);
    existing.segments.push_back(std::move(entry));
  }
  if (existing.last_sequence > kSequenceMax / 2) {
    return fail("a segment of this store has the number {}: numbers end soon after; record into another directory",
                existing.last_sequence);
  }
  return existing;
}

void put_away(FileSystem& files, const std::vector<SegmentPath>& headless) {
  for (const SegmentPath& segment : headless) {
    const auto torn = torn_header(files, segment.path);
    if (!torn || *torn == TornHeader::kNo) continue;
    const bool holds_bytes = *torn == TornHeader::kBytesBehind;
    const std::string aside = segment.path + ".torn";
    const auto done = holds_bytes ? files.rename(segment.path, aside) : files.remove(segment.path);
    if (!done) {
      log_warning("{}", done.error().message);
    } else if (holds_bytes) {
      log_warning("{}: a crash took its header, nothing in it can be read; it is kept as {}", segment.path, aside);
    } else {
      log_warning("{}: a crash left nothing in it; it is removed", segment.path);
    }
  }
}

namespace {

struct Space {
  std::vector<std::string> directories;
  uint64_t free_bytes = 0, size = 0;
  bool known = true;
};

// File systems, each with its directories.
std::vector<Space> spaces_of(FileSystem& files, const std::vector<std::string>& directories) {
  std::map<uint64_t, Space> by_device;
  std::vector<Space> all;
  for (const std::string& directory : directories) {
    const auto space = files.free_space(directory);
    if (space) {
      Space& one = by_device[space->device];
      one.free_bytes = space->bytes;
      one.size = space->size;
      one.directories.push_back(directory);
    } else {
      log_warning("{}: how large the file system is cannot be told", space.error().message);
      all.push_back({{directory}, 0, 0, false});
    }
  }
  for (auto& [device, space] : by_device) all.push_back(std::move(space));
  return all;
}

Result<void> check_part(FileSystem& files, const RingPart& part, uint64_t at_least) {
  if (part.bytes_max < at_least) {
    return fail("a ring of {} bytes is too small for {}: it needs at least {}", part.bytes_max,
                part.directories.front(), at_least);
  }
  uint64_t size = 0;
  for (const Space& space : spaces_of(files, part.directories)) {
    if (!space.known) return {};
    size += space.size;
  }
  if (part.bytes_max <= size) return {};
  return fail("a ring of {} bytes is larger than the file system of {}, which has {}", part.bytes_max,
              part.directories.front(), size);
}

std::vector<RingPart> parts_of_file_systems(FileSystem& files, const RingSizes& sizes,
                                            const std::map<std::string, uint64_t>& present) {
  std::vector<RingPart> parts;
  for (Space& space : spaces_of(files, sizes.directories)) {
    uint64_t bytes_present = 0;
    for (const std::string& directory : space.directories) {
      const auto there = present.find(directory);
      if (there != present.end()) bytes_present += there->second;
    }
    const uint64_t share = (space.free_bytes + bytes_present) / 5 * 4;
    const uint64_t bytes_max = std::max({share, bytes_present, sizes.at_least});
    parts.push_back({std::move(space.directories), space.known ? bytes_max : kRingUnbounded});
  }
  return parts;
}

}  // namespace

Result<void> check_ring(FileSystem& files, const RingSizes& sizes) {
  if (sizes.each.empty()) {
    return sizes.all == 0 ? Result<void>() : check_part(files, {sizes.directories, sizes.all}, sizes.at_least);
  }
  if (sizes.each.size() != sizes.directories.size()) {
    return fail("{} ring sizes for {} directories", sizes.each.size(), sizes.directories.size());
  }
  for (const Space& space : spaces_of(files, sizes.directories)) {
    RingPart together{space.directories, 0};
    for (size_t i = 0; i < sizes.each.size(); i++) {
      if (auto checked = check_part(files, {{sizes.directories[i]}, sizes.each[i]}, sizes.at_least); !checked) {
        return checked;
      }
      if (std::ranges::find(space.directories, sizes.directories[i]) != space.directories.end()) {
        together.bytes_max += sizes.each[i];
      }
    }
    if (auto checked = check_part(files, together, 0); !checked) return checked;
  }
  return {};
}

std::vector<RingPart> ring_parts(FileSystem& files, const RingSizes& sizes,
                                 const std::map<std::string, uint64_t>& present) {
  if (sizes.each.empty() && sizes.all == 0) return parts_of_file_systems(files, sizes, present);
  if (sizes.each.empty()) return {{sizes.directories, sizes.all}};
  std::vector<RingPart> parts;
  for (size_t i = 0; i < sizes.each.size(); i++) parts.push_back({{sizes.directories[i]}, sizes.each[i]});
  return parts;
}

}  // namespace gatetape
