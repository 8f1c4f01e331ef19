#include "storage/evidence/ledger_writer.h"

#include <algorithm>
#include <cerrno>

#include "common/check.h"
#include "storage/format/byte_order.h"

namespace gatetape {
namespace {

constexpr size_t kWaitingBytesMax = 4 << 20;

std::vector<uint8_t> entry_bytes(const LedgerContent& content, const Uuid& store, uint64_t offset, uint64_t leaves) {
  const std::vector<uint8_t> body = serialise(content);
  GT_CHECK(body.size() <= kLedgerBodyBytesMax);
  LedgerEntryHeader header;
  header.type = type_of(content);
  header.flags = LedgerEntryHeader::kRequired;
  if (header.type != LedgerType::kCheckpoint) header.flags |= LedgerEntryHeader::kLeaf;
  header.body_bytes = static_cast<uint32_t>(body.size());
  header.leaves = leaves;
  const uint64_t seed = ledger_seed(store, offset);
  ByteSink out;
  out.bytes(header.serialise(seed));
  out.bytes(body);
  out.put(ledger_checksum(out.bytes(), seed));
  return {out.data(), out.data() + out.size()};
}

tl::unexpected<Error> damaged(const std::string& path, uint64_t offset, std::string_view problem) {
  return tl::unexpected(Error{fmt::format("{}: offset {}: {}", path, offset, problem), EBADMSG});
}

}  // namespace

const std::string* directory_with_ledger(FileSystem& files, const std::vector<std::string>& directories) {
  const auto at = std::find_if(directories.begin(), directories.end(), [&](const std::string& directory) {
    return files.entry_status(ledger_path(directory)).has_value();
  });
  return at == directories.end() ? nullptr : &*at;
}

std::string ledger_path(const std::string& directory) {
  return directory + "/" + kLedgerFileName;
}

Result<std::unique_ptr<LedgerWriter>> LedgerWriter::create(FileSystem& files, const std::string& directory,
                                                           const LedgerHeader& header) {
  const std::string path = ledger_path(directory), unfinished = path + ".new";
  if (const auto there = files.status(path); there) return fail_with(EEXIST, "{}", path);
  if (const auto removed = files.remove(unfinished); !removed && removed.error().code != ENOENT) {
    return tl::unexpected<Error>(removed.error());
  }
  auto file = files.create(unfinished);
  if (!file) return pass_on(file);
  auto made = (*file)->write_at(0, header.serialise());
  if (made) made = (*file)->sync();
  if (made) made = files.rename(unfinished, path);
  if (made) made = files.sync_directory(directory);
  if (!made) return pass_on(made);
  return std::unique_ptr<LedgerWriter>(new LedgerWriter(std::move(*file), header, LedgerHeader::kBytes, MerkleTree()));
}

Result<std::unique_ptr<LedgerWriter>> LedgerWriter::open(FileSystem& files, const std::string& directory,
                                                         const std::function<void(const LedgerEntry&)>& seen) {
  const std::string path = ledger_path(directory);
  auto reader = LedgerReader::open(files, path);
  if (!reader) return pass_on(reader);
  MerkleTree tree;
  LedgerEntry entry;
  auto next = reader->next(entry);
  std::optional<uint64_t> unwritten;  // from here on
  std::string problem;
  for (; next == LedgerReader::Next::kEntry || next == LedgerReader::Next::kDamaged; next = reader->next(entry)) {
    if (next == LedgerReader::Next::kDamaged) {
      if (!unwritten) problem = reader->problem();
      if (!unwritten) unwritten = reader->offset();
      if (!reader->maybe_unwritten()) return damaged(path, *unwritten, problem);
      continue;
    }
    if (unwritten) {
      if (std::holds_alternative<Checkpoint>(entry.content)) return damaged(path, *unwritten, problem);
      continue;
    }
    if (entry.header.leaves != tree.size()) {
      return damaged(path, entry.offset, "an entry is missing or out of order");
    }
    if (entry.header.is_leaf()) tree.add(entry.leaf);
    seen(entry);
  }
  if (next == LedgerReader::Next::kUnreadable) {
    return tl::unexpected<Error>(Error{reader->problem(), reader->error_code()});
  }
  auto file = files.open_to_change(path);
  if (!file) return pass_on(file);
  const uint64_t end = unwritten.value_or(reader->offset());
  if (next == LedgerReader::Next::kTorn || unwritten) {
    if (auto cut = (*file)->truncate(end); !cut) return pass_on(cut);
  }
  return std::unique_ptr<LedgerWriter>(new LedgerWriter(std::move(*file), reader->header(), end, std::move(tree)));
}

Result<void> LedgerWriter::write_waiting() {
  if (gave_up_) return fail_with(ENOSPC, "the ledger could not be written for too long and has been given up");
  if (waiting_.empty()) return {};
  if (auto written = file_->write_at(end_, waiting_); !written) {
    if (waiting_.size() > kWaitingBytesMax) {
      gave_up_ = true;
      waiting_ = {};
    }
    return written;
  }
  end_ += waiting_.size();
  waiting_.clear();
  return {};
}

Result<void> LedgerWriter::append(const LedgerContent& content) {
  GT_CHECK(!std::holds_alternative<std::monostate>(content));
  std::lock_guard lock(mutex_);
  if (!gave_up_) {
    const auto bytes = entry_bytes(content, header_.store_uuid, end_ + waiting_.size(), tree_.size());
    if (!std::holds_alternative<Checkpoint>(content)) {
      tree_.add(ledger_leaf(std::span(bytes).first(bytes.size() - LedgerEntryHeader::kChecksumBytes)));
    }
    waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
  }
  return write_waiting();
}

Result<void> LedgerWriter::sync() {
  std::lock_guard lock(mutex_);
  if (auto written = write_waiting(); !written) return written;
  return file_->sync();
}

std::optional<MerkleTree> LedgerWriter::tree() const {
  std::lock_guard lock(mutex_);
  if (gave_up_ || !waiting_.empty()) return std::nullopt;
  return tree_;
}

}  // namespace gatetape
