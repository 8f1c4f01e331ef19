#include "capture/sources/pcap_source.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <optional>
#include <vector>

#include "capture/sources/burst_pool.h"
#include "capture/sources/capture_file.h"

namespace gatetape {
namespace {

// Returns the capture files of a directory in the order of their names, or the one file.
Result<std::vector<std::string>> list_files(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code code;
  if (path == "-" || !fs::is_directory(path, code)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (fs::directory_iterator entry(path, code), end; !code && entry != end; entry.increment(code)) {
    const std::string extension = entry->path().extension();
    const bool capture = extension == ".pcap" || extension == ".pcapng" || extension == ".cap";
    if (capture && !entry->is_directory(code)) files.push_back(entry->path());
  }
  if (code) return fail("pcap:{}: cannot read the directory: {}", path, code.message());
  if (files.empty()) return fail("pcap:{}: no *.pcap, *.pcapng or *.cap file in this directory", path);
  std::sort(files.begin(), files.end());
  return files;
}

class PcapSource final : public Source {
 public:
  PcapSource(std::vector<std::string> files, unsigned bursts) : files_(std::move(files)), pool_(bursts) {}

  // Reads the header of every file, so that a wrong one is reported now and all link types are known from the start.
  Result<void> open() {
    for (const std::string& path : files_) {
      auto opened = open_capture_file(path);
      if (!opened) return pass_on(opened);
      file_ = std::move(*opened);
      enter_interface(file_->interface());
    }
    if (files_.size() > 1) return open_next();
    next_file_ = 1;  // standard input cannot be opened twice
    return {};
  }

  unsigned queue_count() const override { return 1; }

  Result<PollResult> poll(unsigned) override {
    if (failure_) return tl::unexpected<Error>(*failure_);
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
    failure_ = status.error();
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

  std::vector<InterfaceInfo> interfaces() const override { return interfaces_; }

  bool live() const override { return false; }

 private:
  // Makes one interface per link type, since the files of a directory usually belong together.
  void enter_interface(const InterfaceInfo& entered) {
    auto same = [&](const InterfaceInfo& known) { return known.link_type == entered.link_type; };
    const auto found = std::find_if(interfaces_.begin(), interfaces_.end(), same);
    interface_ids_.push_back(static_cast<uint16_t>(found - interfaces_.begin()));
    if (found == interfaces_.end()) {
      interfaces_.push_back(entered);
    } else {
      found->snap_length = std::max(found->snap_length, entered.snap_length);
    }
  }

  Result<void> open_next() {
    auto opened = open_capture_file(files_[next_file_]);
    if (!opened) return pass_on(opened);
    file_ = std::move(*opened);
    next_file_++;
    return {};
  }

  // Reads from the current file, or from the next ones when it has ended.
  Result<ReadStatus> read(FileBurst& burst) {
    for (;;) {
      auto status = file_->read(burst);
      if (!status || *status != ReadStatus::kEnd || next_file_ == files_.size()) return status;
      if (auto opened = open_next(); !opened) return pass_on(opened);
    }
  }

  void number(FileBurst& burst) {
    const uint16_t interface_id = interface_ids_[next_file_ - 1];
    const LinkType link_type = interfaces_[interface_id].link_type;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < burst.count; i++) {
      Packet& packet = burst.packets[i];
      packet.ordinal = ordinal_++;
      packet.link_type = link_type;
      packet.interface_id = interface_id;
      bytes += packet.wire_length;
    }
    received_.store(ordinal_, std::memory_order_relaxed);
    received_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }

  const std::vector<std::string> files_;
  size_t next_file_ = 0;  // the number of the file after file_
  std::unique_ptr<CaptureFile> file_;
  BurstPool<FileBurst> pool_;
  uint64_t ordinal_ = 0;
  std::optional<Error> failure_;  // stays once it is set
  std::atomic<bool> stopped_{false};
  std::atomic<uint64_t> received_{0}, received_bytes_{0};
  std::vector<InterfaceInfo> interfaces_;
  std::vector<uint16_t> interface_ids_;  // by file
};

}  // namespace

Result<std::unique_ptr<Source>> open_pcap_source(std::string_view path, const SourceOptions& options) {
  auto files = list_files(std::string(path));
  if (!files) return pass_on(files);
  auto source = std::make_unique<PcapSource>(std::move(*files), options.bursts);
  if (auto opened = source->open(); !opened) return pass_on(opened);
  return source;
}

}  // namespace gatetape
