#include "tests/support/simulated_files.h"

#include <algorithm>
#include <cerrno>
#include <random>

namespace gatetape::test {

struct SimulatedFiles::Node {
  struct Write {
    uint64_t offset;
    Bytes bytes;
    bool truncates;  // to `offset`; else `bytes` are written there
  };
  uint64_t number = 0;
  uint32_t rights = 0600;
  Bytes now, synced;
  std::vector<Write> unsynced;
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
};

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
    Outcome outcome = files_.ask(Operation::kWrite, path_);
    const std::lock_guard lock(files_.mutex_);
    size_t n = outcome.code == 0 ? bytes.size() : std::min(outcome.bytes_written, bytes.size());
    const uint64_t end = offset + n, grown = end - std::min<uint64_t>(end, node_->now.size());
    if (files_.used_ + grown > files_.capacity_) {  // as much as fits is written, as on a real disk
      n -= std::min<uint64_t>(n, files_.used_ + grown - files_.capacity_);
      outcome.code = ENOSPC;
    }
    const uint64_t before = node_->now.size();
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
    node_->change({bytes, {}, true});
    return {};
  }

  Result<void> sync() override {
    if (const int code = files_.ask(Operation::kSync, path_).code; code != 0) return fail_with(code, "{}", path_);
    const std::lock_guard lock(files_.mutex_);
    node_->synced = node_->now;
    node_->unsynced.clear();
    return {};
  }

  Result<FileStatus> status() override {
    if (const int code = files_.ask(Operation::kFileStatus, path_).code; code != 0) return fail_with(code, "{}", path_);
    const std::lock_guard lock(files_.mutex_);
    return FileStatus{FileStatus::Kind::kRegular, node_->now.size(), node_->rights, {1, node_->number}, 0, 0};
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

SimulatedFiles::Outcome SimulatedFiles::ask(Operation operation, const std::string& path) {
  Call call{0, operation, path};
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

void SimulatedFiles::cut_power(uint64_t seed) {
  std::mt19937_64 random(seed);
  const std::lock_guard lock(mutex_);
  size_t kept = random() % (unsynced_names_.size() + 1);
  while (kept != 0 && unsynced_names_[kept - 1].with_next) kept--;
  for (size_t i = 0; i < kept; i++) apply(synced_names_, unsynced_names_[i]);
  unsynced_names_.clear();
  names_.clear();
  used_ = 0;
  for (auto& [path, node] : synced_names_) {
    auto survivor = std::make_shared<Node>();
    survivor->number = node->number;
    survivor->rights = node->rights;
    survivor->now = node->synced;
    const size_t writes = random() % (node->unsynced.size() + 1);
    for (size_t i = 0; i < writes; i++) {
      Node::Write write = node->unsynced[i];
      if (i + 1 == writes && !write.truncates) write.bytes.resize(random() % (write.bytes.size() + 1));
      Node::apply(survivor->now, write);
    }
    survivor->synced = survivor->now;
    used_ += survivor->now.size();
    node = survivor;
  }
  names_ = synced_names_;
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
Result<std::unique_ptr<File>> SimulatedFiles::open_to_append(const std::string& path) {
  return open(path);
}

Result<std::unique_ptr<File>> SimulatedFiles::create(const std::string& path) {
  if (const int code = ask(Operation::kCreate, path).code; code != 0) return fail_with(code, "{}", path);
  const std::lock_guard lock(mutex_);
  if (!directories_.contains(parent_directory(path))) return fail_with(ENOENT, "{}", path);
  if (names_.contains(path)) return fail_with(EEXIST, "{}", path);
  if (used_ >= capacity_) return fail_with(ENOSPC, "{}", path);
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
    return FileStatus{FileStatus::Kind::kDirectory, 0, directory->second, {1, 0}, 0, 0};
  const auto found = names_.find(path);
  if (found == names_.end()) return fail_with(ENOENT, "{}", path);
  const Node& node = *found->second;
  return FileStatus{FileStatus::Kind::kRegular, node.now.size(), node.rights, {1, node.number}, 0, 0};
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
