#include "capture/sources/pcap_source.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <vector>

#include "capture/sources/burst_pool.h"
#include "capture/sources/capture_file.h"
#include "capture/sources/capture_paths.h"
#include "common/log.h"

namespace gatetape {
namespace {

constexpr size_t kInterfacesMax = 256;     // that are told apart
constexpr uint16_t kNoInterface = 0xffff;  // packets beyond that, or of a link type not met before have it
constexpr size_t kNameBytesMax = 200;

std::string display_name(const FileInterface& described, const std::string& path) {
  std::string name = described.name.empty() ? path : described.name;
  if (described.ordinal > 0) name += fmt::format(" (interface {})", described.ordinal);
  // The end of a path tells more than its beginning.
  if (name.size() > kNameBytesMax) name = "..." + name.substr(name.size() - kNameBytesMax + 3);
  return name;
}

// Numbers the interfaces of all files. Those of a directory's files that are described alike are one.
class InterfaceNumbers {
 public:
  // Returns the number of an interface; adds it while `announcing`.
  uint16_t number(const FileInterface& described, const FoundFile& file, bool announcing) {
    const auto same = [&](const Known& known) { return known.group == file.group && known.about.same_as(described); };
    auto found = std::find_if(known_.begin(), known_.end(), same);
    if (found == known_.end() && announcing && known_.size() < kInterfacesMax) {
      known_.push_back({described, file.group});
      infos_.push_back({display_name(described, file.path), described.link_type, described.snap_length});
      return static_cast<uint16_t>(known_.size() - 1);
    }
    if (found == known_.end()) {
      // The next best: one of the same link type, at least from the same path.
      found = std::find_if(known_.begin(), known_.end(), [&](const Known& known) {
        return known.group == file.group && known.about.link_type == described.link_type;
      });
    }
    if (found == known_.end()) return kNoInterface;
    const auto id = static_cast<uint16_t>(found - known_.begin());
    if (announcing) infos_[id].snap_length = wider_snap_length(infos_[id].snap_length, described.snap_length);
    return id;
  }
  const std::vector<InterfaceInfo>& infos() const { return infos_; }

 private:
  struct Known {
    FileInterface about;
    unsigned group;
  };
  std::vector<Known> known_;
  std::vector<InterfaceInfo> infos_;
};

class PcapSource final : public Source {
 public:
  PcapSource(std::vector<FoundFile> files, const SourceOptions& options)
      : files_(std::move(files)),
        mode_{.follow = options.follow, .stop = options.stop},
        pool_(options.bursts, BurstPool<FileBurst>::Making::kAsNeeded) {
    for (FoundFile& file : files_) {
      for (const FileInterface& described : file.interfaces) interfaces_.number(described, file, true);
    }
    open_next();
  }

  unsigned queue_count() const override { return 1; }

  Result<PollResult> poll(unsigned) override {
    if (stopped_.load(std::memory_order_relaxed)) return PollResult{PollStatus::kEnd, nullptr};
    FileBurst* burst = pool_.take();
    if (burst == nullptr) return PollResult{PollStatus::kIdle, nullptr};
    auto status = read(*burst);
    if (status && *status == ReadStatus::kPackets) {
      number(*burst);
      return PollResult{PollStatus::kPackets, burst};
    }
    pool_.give_back(burst);
    if (status) return PollResult{*status == ReadStatus::kEnd ? PollStatus::kEnd : PollStatus::kIdle, nullptr};
    return pass_on(status);
  }

  void release(Burst* burst) override { pool_.give_back(static_cast<FileBurst*>(burst)); }

  void stop() override { stopped_.store(true, std::memory_order_relaxed); }

  PortAccount account() const override {
    PortAccount account;
    account[PortCounter::kReceived] = received_.load(std::memory_order_relaxed);
    account[PortCounter::kReceivedBytes] = received_bytes_.load(std::memory_order_relaxed);
    account[PortCounter::kOffered] = account[PortCounter::kReceived];
    return account;
  }

  std::vector<InterfaceInfo> interfaces() const override { return interfaces_.infos(); }

  bool live() const override { return false; }

 private:
  // Reads from the current file, or from the next ones when it has ended. Fails in the end, when something was wrong.
  Result<ReadStatus> read(FileBurst& burst) {
    for (; file_ != nullptr; open_next()) {
      auto status = file_->read(burst);
      if (status && *status != ReadStatus::kEnd) return status;
      if (!status) note_failure(status.error());
    }
    if (failure_) return tl::unexpected<Error>(*failure_);
    return ReadStatus::kEnd;
  }

  void open_next() {
    file_.reset();
    ids_.clear();
    while (file_ == nullptr && next_file_ < files_.size()) {
      FoundFile& next = files_[next_file_++];
      auto opened = next.open != nullptr ? std::move(next.open) : open_capture_file(next.path, mode_);
      if (opened) {
        file_ = std::move(*opened);
      } else {
        note_failure(opened.error());
      }
    }
  }

  void note_failure(const Error& error) {
    if (next_file_ < files_.size()) {
      log_warning("{}; going on with the next file", error.message);
    } else if (failure_) {
      log_warning("{}", error.message);
    }
    if (!failure_) failure_ = error;
  }

  // Numbers packets and their interfaces, which so far are those of the file.
  void number(FileBurst& burst) {
    const FoundFile& file = files_[next_file_ - 1];
    while (ids_.size() < file_->interfaces().size()) {
      ids_.push_back(interfaces_.number(file_->interfaces()[ids_.size()], file, false));
    }
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < burst.count; i++) {
      Packet& packet = burst.packets[i];
      packet.ordinal = ordinal_++;
      packet.interface_id = ids_[packet.interface_id];
      bytes += packet.wire_length;
    }
    received_.store(ordinal_, std::memory_order_relaxed);
    received_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }

  std::vector<FoundFile> files_;
  const OpenMode mode_;
  InterfaceNumbers interfaces_;
  size_t next_file_ = 0;               // the number of the file after file_
  std::unique_ptr<CaptureFile> file_;  // null: all are read
  std::vector<uint16_t> ids_;          // by the number that file_ gives an interface
  BurstPool<FileBurst> pool_;
  uint64_t ordinal_ = 0;
  std::optional<Error> failure_;  // the first one
  std::atomic<bool> stopped_{false};
  std::atomic<uint64_t> received_{0}, received_bytes_{0};
};

}  // namespace

Result<std::unique_ptr<Source>> open_pcap_source(const std::vector<std::string>& paths, const SourceOptions& options) {
  if (options.follow && paths.size() > 1) return fail("one capture file can be followed, {} are given", paths.size());
  auto files = find_capture_files(paths, {.follow = options.follow, .stop = options.stop});
  if (!files) return pass_on(files);
  return std::make_unique<PcapSource>(std::move(*files), options);
}

}  // namespace gatetape
