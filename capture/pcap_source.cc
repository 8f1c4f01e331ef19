#include "capture/pcap_source.h"

#include <fcntl.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <optional>
#include <vector>

#include "capture/burst_pool.h"

namespace gatetape {
namespace {

constexpr size_t kFileBufferBytes = 1 << 20;
// Bytes of a burst's packets. Small, so that the few bursts in use stay in the cache between reader and worker.
constexpr size_t kArenaBytes = 256 << 10;

struct FileBurst : Burst {
  std::atomic<bool> taken{false};
  std::vector<uint8_t> arena = std::vector<uint8_t>(kArenaBytes);
  size_t used = 0;
};

struct PcapCloser {
  void operator()(pcap_t* pcap) const { pcap_close(pcap); }
};

// The files of a directory in the order of their names, or the one file.
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

  Result<void> open_next() {
    const std::string& path = files_[next_file_++];
    file_packets_ = 0;
    current_file_ = path == "-" ? "standard input" : path;
    FILE* file = path == "-" ? stdin : std::fopen(path.c_str(), "rbe");
    if (file == nullptr) return fail("pcap:{}: {}", path, std::strerror(errno));
    std::setvbuf(file, nullptr, _IOFBF, kFileBufferBytes);
    posix_fadvise(fileno(file), 0, 0, POSIX_FADV_SEQUENTIAL);
    char error[PCAP_ERRBUF_SIZE] = "";
    pcap_.reset(pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, error));
    if (!pcap_) {
      if (file != stdin) std::fclose(file);
      return fail("pcap:{}: {}", path, error);
    }
    return enter_interface(path);
  }

  unsigned queue_count() const override { return 1; }

  Result<PollResult> poll(unsigned) override {
    if (failure_) return tl::unexpected<Error>(*failure_);
    FileBurst* burst = pool_.take();
    if (burst == nullptr) return PollResult{PollStatus::kIdle, nullptr};
    fill(*burst);
    if (burst->count > 0) return PollResult{PollStatus::kPackets, burst};
    pool_.give_back(burst);
    if (failure_) return tl::unexpected<Error>(*failure_);
    return PollResult{PollStatus::kEnd, nullptr};
  }

  void release(Burst* burst) override { pool_.give_back(static_cast<FileBurst*>(burst)); }

  void stop() override { stopped_.store(true, std::memory_order_relaxed); }

  PortAccount account() const override {
    PortAccount account;
    account.received = received_.load(std::memory_order_relaxed);
    account.received_bytes = received_bytes_.load(std::memory_order_relaxed);
    account.offered = account.received;
    return account;
  }

  std::vector<InterfaceInfo> interfaces() const override {
    std::lock_guard lock(interfaces_mutex_);
    return interfaces_;
  }

  bool live() const override { return false; }

 private:
  // One interface per link type: packets of a directory's files belong together unless they are of another kind.
  Result<void> enter_interface(const std::string& path) {
    std::lock_guard lock(interfaces_mutex_);
    link_type_ = static_cast<LinkType>(pcap_datalink(pcap_.get()));
    auto same = [&](const InterfaceInfo& info) { return info.link_type == link_type_; };
    const auto found = std::find_if(interfaces_.begin(), interfaces_.end(), same);
    interface_id_ = static_cast<uint16_t>(found - interfaces_.begin());
    if (found == interfaces_.end()) {
      interfaces_.push_back({path, link_type_, static_cast<uint32_t>(pcap_snapshot(pcap_.get()))});
    }
    return {};
  }

  void fill(FileBurst& burst) {
    burst.used = 0;
    uint64_t bytes = 0;
    while (burst.count < kBurstPacketsMax && !failure_ && !stopped_.load(std::memory_order_relaxed)) {
      if (!held_ && !read_packet()) {
        if (failure_ || next_file_ == files_.size()) break;
        if (auto opened = open_next(); !opened) failure_ = opened.error();
        continue;
      }
      held_ = true;
      if (!append_held(burst)) break;
      held_ = false;
      bytes += header_->len;
    }
    received_.store(received_.load(std::memory_order_relaxed) + burst.count, std::memory_order_relaxed);
    received_bytes_.store(received_bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  }

  // The next packet into header_ and data_; false at the end of the file or when it is damaged (failure_ then says so).
  bool read_packet() {
    const int status = pcap_next_ex(pcap_.get(), &header_, &data_);
    if (status == 1) {
      file_packets_++;
      return true;
    }
    if (status != PCAP_ERROR_BREAK) {
      failure_ =
          Error{fmt::format("pcap:{}: after packet {}: {}", current_file_, file_packets_, pcap_geterr(pcap_.get()))};
    }
    return false;
  }

  // False when the burst has no room left: the packet waits in libpcap's buffer for the next burst.
  bool append_held(FileBurst& burst) {
    const size_t length = header_->caplen;
    if (burst.arena.size() - burst.used < length) {
      if (burst.count > 0) return false;
      burst.arena.resize(length);
    }
    uint8_t* bytes = burst.arena.data() + burst.used;
    std::memcpy(bytes, data_, length);
    burst.used += length;
    Packet& packet = burst.packets[burst.count++];
    packet.data = bytes;
    packet.captured_length = header_->caplen;
    packet.wire_length = std::max(header_->len, header_->caplen);
    // With nanosecond precision libpcap puts nanoseconds into tv_usec.
    packet.timestamp_ns = int64_t{header_->ts.tv_sec} * 1'000'000'000 + header_->ts.tv_usec;
    packet.ordinal = ordinal_++;
    packet.link_type = link_type_;
    packet.interface_id = interface_id_;
    return true;
  }

  const std::vector<std::string> files_;
  size_t next_file_ = 0;
  BurstPool<FileBurst> pool_;
  std::unique_ptr<pcap_t, PcapCloser> pcap_;
  std::string current_file_;
  uint64_t file_packets_ = 0;
  pcap_pkthdr* header_ = nullptr;
  const u_char* data_ = nullptr;
  bool held_ = false;  // header_ and data_ are a packet that no burst has taken yet
  LinkType link_type_ = LinkType::kEthernet;
  uint16_t interface_id_ = 0;
  uint64_t ordinal_ = 0;
  std::optional<Error> failure_;
  std::atomic<bool> stopped_{false};
  std::atomic<uint64_t> received_{0}, received_bytes_{0};
  mutable std::mutex interfaces_mutex_;
  std::vector<InterfaceInfo> interfaces_;
};

}  // namespace

Result<std::unique_ptr<Source>> open_pcap_source(std::string_view path, const SourceOptions& options) {
  auto files = list_files(std::string(path));
  if (!files) return pass_on(files);
  auto source = std::make_unique<PcapSource>(std::move(*files), options.bursts);
  if (auto opened = source->open_next(); !opened) return pass_on(opened);
  return source;
}

}  // namespace gatetape
