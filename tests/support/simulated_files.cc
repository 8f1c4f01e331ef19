#include "tests/support/simulated_files.h"

#include <algorithm>
#include <cerrno>
#include <random>

namespace gatetape::test {

struct SimulatedFiles::Node {
  struct Write {
    uint64_t offset;
    Bytes bytes;
    bool truncates;       // to `offset`; else `bytes` are written there
    bool doomed = false;  // no sync will write it
  };
  uint64_t number = 0;
  uint32_t rights = 0600;
  Bytes now, synced;
  std::vector<Write> unsynced;
  bool was_final = false;  // since damage made it look otherwise
  const void* locked_by = nullptr;

  static void apply(Bytes& bytes, const Write& write) {
    if (write.truncates) return bytes.resize(write.offset);
    bytes.resize(std::max<size_t>(bytes.size(), write.offset + write.bytes.size()));
    std::copy(write.bytes.begin(), write.bytes.end(), bytes.begin() + static_cast<ptrdiff_t>(write.offset));
  }
  void change(Write write) {
    apply(now, write);
    unsynced.push_back(std::move(write));
  }
  std::shared_ptr<Node> after_power_cut(std::mt19937_64& random, Survivors survivors) const;
};

std::shared_ptr<SimulatedFiles::Node> SimulatedFiles::Node::after_power_cut(std::mt19937_64& random,
                                                                            Survivors survivors) const {
  constexpr size_t kSector = 512;
  auto survivor = std::make_shared<Node>();
  survivor->number = number;
  survivor->rights = rights;
  survivor->now = synced;
  survivor->was_final = was_final;
  const size_t writes = random() % (unsynced.size() + 1);
  for (size_t i = 0; i < unsynced.size(); i++) {
    Write write = unsynced[i];
    if (survivors == Survivors::kBeginning) {
      if (i >= writes) break;
      if (i + 1 == writes && !write.truncates) write.bytes.resize(random() % (write.bytes.size() + 1));
      apply(survivor->now, write);
    } else if (write.truncates) {
      if (random() % 2 == 0) apply(survivor->now, write);
    } else {
      for (size_t at = 0; at < write.bytes.size(); at += kSector) {
        if (random() % 2 == 0) continue;
        const auto from = write.bytes.begin() + static_cast<ptrdiff_t>(at);
        const auto size = static_cast<ptrdiff_t>(std::min(kSector, write.bytes.size() - at));
        apply(survivor->now, {write.offset + at, {from, from + size}, false});
      }
    }
  }
  survivor->synced = survivor->now;
  return survivor;
}

struct SimulatedFiles::NameChange {
  std::string path;
  std::shared_ptr<Node> node;  // nullptr: removed
  bool with_next = false;      // a rename: both happen or neither does
};

class SimulatedFiles::OpenFile final : public File {
 public:
  OpenFile(SimulatedFiles& files, std::string path, std::shared_ptr<Node> node)
      : files_(files), path_(std::move(path)), node_(std::move(node)) {}
  ~OpenFile() override {
    const std::lock_guard lock(files_.mutex_);
    if (node_->locked_by == this) node_->locked_by = nullptr;
  }

  Result<size_t> read_at(uint64_t offset, std::span<uint8_t> out) override {
    if (const int code = files_.ask(Operation::kRead, path_).code; code != 0) return fail_with(code, "{}", path_);
    const std::lock_guard lock(files_.mutex_);
    if (offset >= node_->now.size()) return size_t{0};
    const size_t n = std::min<size_t>(out.size(), node_->now.size() - offset);
    std::copy_n(node_->now.begin() + static_cast<ptrdiff_t>(offset), n, out.begin());
    return n;
  }

  Result<void> write_at(uint64_t offset, std::span<const uint8_t> bytes) override {
    Outcome outcome = files_.ask(Operation::kWrite, path_, bytes.size());
    const std::lock_guard lock(files_.mutex_);
    size_t n = outcome.code == 0 ? bytes.size() : std::min(outcome.bytes_written, bytes.size());
    const uint64_t end = offset + n, grown = end - std::min<uint64_t>(end, node_->now.size());
    if (files_.used_ + grown > files_.capacity_) {  // as much as fits is written, as on a real disk
      n -= std::min<uint64_t>(n, files_.used_ + grown - files_.capacity_);
      outcome.code = ENOSPC;
      files_.times_full_++;
    }
    const uint64_t before = node_->now.size();
    if (n != 0) files_.note_change(*node_, path_);
    if (n != 0) node_->change({offset, {bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n)}, false});
    files_.used_ += node_->now.size() - before;
    if (outcome.code != 0) return fail_with(outcome.code, "{}", path_);
    return {};
  }

  Result<void> append(std::span<const uint8_t> bytes) override {
    auto written = write_at(appended_, bytes);
    if (written) appended_ += bytes.size();
    return written;
  }

  Result<void> truncate(uint64_t bytes) override {
    if (const int code = files_.ask(Operation::kTruncate, path_).code; code != 0) return fail_with(code, "{}", path_);
    const std::lock_guard lock(files_.mutex_);
    files_.used_ = files_.used_ - node_->now.size() + bytes;
    files_.note_change(*node_, path_);
    node_->change({bytes, {}, true});
    return {};
  }

  Result<void> sync() override {
    const Outcome outcome = files_.ask(Operation::kSync, path_);
    const int code = outcome.code;
    const std::lock_guard lock(files_.mutex_);
    if (code != 0) {
      if (files_.failed_syncs_lose_ && outcome.reached) {
        for (Node::Write& write : node_->unsynced) write.doomed = true;
      }
      return fail_with(code, "{}", path_);
    }
    for (const Node::Write& write : node_->unsynced) {
      if (!write.doomed) Node::apply(node_->synced, write);
    }
    node_->unsynced.clear();
    return {};
  }

  Result<FileStatus> status() override {
    if (const int code = files_.ask(Operation::kFileStatus, path_).code; code != 0) return fail_with(code, "{}", path_);
    const std::lock_guard lock(files_.mutex_);
    const uint64_t bytes = node_->now.size();
    return FileStatus{FileStatus::Kind::kRegular, bytes, bytes, node_->rights, {1, node_->number}, 0, 0};
  }

  Result<bool> lock() override {
    if (const int code = files_.ask(Operation::kLock, path_).code; code != 0) return fail_with(code, "{}", path_);
    const std::lock_guard guard(files_.mutex_);
    if (node_->locked_by != nullptr && node_->locked_by != this) return false;
    node_->locked_by = this;
    return true;
  }

 private:
  SimulatedFiles& files_;
  const std::string path_;
  const std::shared_ptr<Node> node_;
  uint64_t appended_ = 0;
};

SimulatedFiles::SimulatedFiles() = default;
SimulatedFiles::~SimulatedFiles() = default;

void SimulatedFiles::set_fault(Fault fault) {
  const std::lock_guard lock(mutex_);
  fault_ = std::move(fault);
  calls_ = 0;
}

void SimulatedFiles::set_capacity(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_ = bytes;
}

uint64_t SimulatedFiles::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

uint64_t SimulatedFiles::used() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

uint64_t SimulatedFiles::times_full() const {
  const std::lock_guard lock(mutex_);
  return times_full_;
}

SimulatedFiles::Outcome SimulatedFiles::ask(Operation operation, const std::string& path, uint64_t bytes) {
  Call call{0, operation, path, bytes};
  Fault fault;
  {
    const std::lock_guard lock(mutex_);
    call.number = calls_++;
    fault = fault_;
  }
  return fault ? fault(call) : Outcome{};
}

void SimulatedFiles::apply(Names& names, const NameChange& change) {
  if (change.node == nullptr) {
    names.erase(change.path);
  } else {
    names[change.path] = change.node;
  }
}

void SimulatedFiles::set_name(const std::string& path, std::shared_ptr<Node> node) {
  unsynced_names_.push_back({path, std::move(node)});
  apply(names_, unsynced_names_.back());
}

// The changes of names that survive: a beginning of them, or any.
void SimulatedFiles::keep_names(std::mt19937_64& random, Survivors survivors) {
  size_t beginning = random() % (unsynced_names_.size() + 1);
  while (beginning != 0 && unsynced_names_[beginning - 1].with_next) beginning--;
  for (size_t i = 0; i < unsynced_names_.size(); i++) {
    const bool pair = unsynced_names_[i].with_next;
    if (survivors == Survivors::kAnything ? random() % 2 == 0 : i < beginning) {
      apply(synced_names_, unsynced_names_[i]);
      if (pair) apply(synced_names_, unsynced_names_[i + 1]);
    }
    if (pair) i++;
  }
  unsynced_names_.clear();
}

void SimulatedFiles::cut_power(uint64_t seed, Survivors survivors) {
  std::mt19937_64 random(seed);
  const std::lock_guard lock(mutex_);
  keep_names(random, survivors);
  names_.clear();
  used_ = 0;
  for (auto& [path, node] : synced_names_) {
    node = node->after_power_cut(random, survivors);
    used_ += node->now.size();
  }
  names_ = synced_names_;
  directory_nodes_.clear();
}

std::unique_ptr<SimulatedFiles> SimulatedFiles::synced_copy() const {
  const std::lock_guard lock(mutex_);
  auto copy = std::make_unique<SimulatedFiles>();
  copy->directories_ = directories_;
  copy->next_number_ = next_number_;
  for (const auto& [path, node] : synced_names_) {
    auto same = std::make_shared<Node>();
    same->number = node->number;
    same->rights = node->rights;
    same->now = same->synced = node->synced;
    copy->used_ += same->now.size();
    copy->names_[path] = copy->synced_names_[path] = same;
  }
  return copy;
}

void SimulatedFiles::lose_what_fails_to_sync() {
  const std::lock_guard lock(mutex_);
  failed_syncs_lose_ = true;
}

void SimulatedFiles::set_final(std::function<bool(std::span<const uint8_t>)> final) {
  const std::lock_guard lock(mutex_);
  final_ = std::move(final);
}

void SimulatedFiles::note_change(Node& node, const std::string& path) {
  if (final_ && (node.was_final || final_(node.now))) changed_final_files_.push_back(path);
}

std::vector<std::string> SimulatedFiles::changed_final_files() const {
  const std::lock_guard lock(mutex_);
  return changed_final_files_;
}

void SimulatedFiles::for_each_file(const std::string& directory,
                                   const std::function<void(const std::string& path, uint64_t bytes)>& visit) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [path, node] : names_) {
    if (parent_directory(path) == directory) visit(path, node->now.size());
  }
}

std::vector<uint8_t> SimulatedFiles::content(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  return found == names_.end() ? Bytes() : found->second->now;
}

bool SimulatedFiles::flip(const std::string& path, uint64_t offset, uint8_t mask) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end() || offset >= found->second->now.size()) return false;
  Node& node = *found->second;
  node.was_final |= final_ && final_(node.now);
  node.now[offset] ^= mask;
  if (offset < node.synced.size()) node.synced[offset] ^= mask;
  return true;
}

bool SimulatedFiles::take_away(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end()) return false;
  used_ -= found->second->now.size();
  names_.erase(found);
  synced_names_.erase(path);
  return true;
}

std::unique_ptr<SimulatedFiles> SimulatedFiles::copy() const {
  const std::lock_guard lock(mutex_);
  auto copy = std::make_unique<SimulatedFiles>();
  copy->used_ = used_;
  copy->next_number_ = next_number_;
  copy->directories_ = directories_;
  for (const auto& [path, node] : names_) {
    auto same = std::make_shared<Node>(*node);
    same->locked_by = nullptr;
    copy->names_[path] = copy->synced_names_[path] = same;
  }
  return copy;
}

Result<std::unique_ptr<File>> SimulatedFiles::open(const std::string& path) {
  if (const int code = ask(Operation::kOpen, path).code; code != 0) return fail_with(code, "{}", path);
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end()) return fail_with(ENOENT, "{}", path);
  return std::make_unique<OpenFile>(*this, path, found->second);
}

Result<std::unique_ptr<File>> SimulatedFiles::open_to_read(const std::string& path) {
  return open(path);
}
Result<std::unique_ptr<File>> SimulatedFiles::open_to_change(const std::string& path) {
  return open(path);
}
Result<std::unique_ptr<File>> SimulatedFiles::open_stream(const std::string& path, Stop) {
  return open(path);
}

Result<std::unique_ptr<File>> SimulatedFiles::open_directory(const std::string& path) {
  if (const int code = ask(Operation::kOpen, path).code; code != 0) return fail_with(code, "{}", path);
  const std::lock_guard lock(mutex_);
  if (!directories_.contains(path)) return fail_with(ENOENT, "{}", path);
  auto& node = directory_nodes_[path];
  if (node == nullptr) node = std::make_shared<Node>();
  return std::make_unique<OpenFile>(*this, path, node);
}

Result<std::unique_ptr<File>> SimulatedFiles::create(const std::string& path) {
  if (const int code = ask(Operation::kCreate, path).code; code != 0) return fail_with(code, "{}", path);
  const std::lock_guard lock(mutex_);
  if (!directories_.contains(parent_directory(path))) return fail_with(ENOENT, "{}", path);
  if (names_.contains(path)) return fail_with(EEXIST, "{}", path);
  if (used_ >= capacity_) {
    times_full_++;
    return fail_with(ENOSPC, "{}", path);
  }
  auto node = std::make_shared<Node>();
  node->number = next_number_++;
  set_name(path, node);
  return std::make_unique<OpenFile>(*this, path, node);
}

Result<void> SimulatedFiles::rename(const std::string& from, const std::string& to) {
  if (const int code = ask(Operation::kRename, to).code; code != 0) return fail_with(code, "{}", to);
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(from);
  if (found == names_.end()) return fail_with(ENOENT, "{}", from);
  if (const auto replaced = names_.find(to); replaced != names_.end()) used_ -= replaced->second->now.size();
  const auto node = found->second;
  set_name(to, node);
  unsynced_names_.back().with_next = true;
  set_name(from, nullptr);
  return {};
}

Result<void> SimulatedFiles::remove(const std::string& path) {
  if (const int code = ask(Operation::kRemove, path).code; code != 0) return fail_with(code, "{}", path);
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end()) return fail_with(ENOENT, "{}", path);
  used_ -= found->second->now.size();
  set_name(path, nullptr);
  return {};
}

Result<std::vector<std::string>> SimulatedFiles::list(const std::string& directory) {
  if (const int code = ask(Operation::kList, directory).code; code != 0) return fail_with(code, "{}", directory);
  const std::lock_guard lock(mutex_);
  if (!directories_.contains(directory)) return fail_with(ENOENT, "{}", directory);
  std::vector<std::string> names;
  for (const auto& [path, node] : names_) {
    if (parent_directory(path) == directory) names.emplace_back(file_name(path));
  }
  return names;
}

Result<void> SimulatedFiles::make_directories(const std::string& path) {
  if (const int code = ask(Operation::kMakeDirectories, path).code; code != 0) return fail_with(code, "{}", path);
  const std::lock_guard lock(mutex_);
  for (std::string part = path; part != "/" && part != "."; part = parent_directory(part))
    directories_.emplace(part, 0700);
  return {};
}

Result<void> SimulatedFiles::sync_directory(const std::string& path) {
  if (const int code = ask(Operation::kSyncDirectory, path).code; code != 0) return fail_with(code, "{}", path);
  const std::lock_guard lock(mutex_);
  std::erase_if(unsynced_names_, [&](const NameChange& change) {
    if (parent_directory(change.path) != path) return false;
    apply(synced_names_, change);
    return true;
  });
  return {};
}

Result<std::vector<std::string>> SimulatedFiles::list_some(const std::string& directory, size_t names_max) {
  {
    const std::lock_guard lock(mutex_);
    if (!directories_.contains(directory)) return fail_with(ENOENT, "{}", directory);  // nothing to fail at
  }
  auto names = list(directory);
  if (names && names->size() > names_max) names->resize(names_max);
  return names;
}

Result<FileStatus> SimulatedFiles::status(const std::string& path) {
  if (const int code = ask(Operation::kStatus, path).code; code != 0) return fail_with(code, "{}", path);
  const std::lock_guard lock(mutex_);
  if (const auto directory = directories_.find(path); directory != directories_.end())
    return FileStatus{FileStatus::Kind::kDirectory, 0, 0, directory->second, {1, std::hash<std::string>()(path)}, 0, 0};
  const auto found = names_.find(path);
  if (found == names_.end()) return fail_with(ENOENT, "{}", path);
  const Node& node = *found->second;
  return FileStatus{FileStatus::Kind::kRegular, node.now.size(), node.now.size(), node.rights, {1, node.number}, 0, 0};
}

Result<void> SimulatedFiles::set_rights(const std::string& path, uint32_t rights) {
  if (const int code = ask(Operation::kSetRights, path).code; code != 0) return fail_with(code, "{}", path);
  const std::lock_guard lock(mutex_);
  if (const auto directory = directories_.find(path); directory != directories_.end()) {
    directory->second = rights;
    return {};
  }
  const auto found = names_.find(path);
  if (found == names_.end()) return fail_with(ENOENT, "{}", path);
  found->second->rights = rights;
  return {};
}

Result<FreeSpace> SimulatedFiles::free_space(const std::string& path) {
  if (const int code = ask(Operation::kFreeSpace, path).code; code != 0) return fail_with(code, "{}", path);
  const std::lock_guard lock(mutex_);
  constexpr uint64_t kPlenty = uint64_t{1} << 40;
  const uint64_t size = std::min(capacity_, kPlenty);
  return FreeSpace{1, size - std::min(used_, size), size};
}

}  // namespace gatetape::test
