#include <pcap/pcap.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "capture/sources/capture_file.h"
#include "capture/sources/link_type.h"

namespace gatetape {
namespace {

// The input as libpcap reads it, and why it could not.
struct Reader {
  ByteInput input;
  std::string failure = {};
};

ssize_t read_cookie(void* input, char* out, size_t size) {
  auto* reader = static_cast<Reader*>(input);
  Result<size_t> got = reader->input.read_buffered(reinterpret_cast<uint8_t*>(out), size);
  if (got) return static_cast<ssize_t>(*got);
  reader->failure = got.error().message;
  errno = EIO;
  return -1;
}

// Converts libpcap's time, whose tv_usec holds nanoseconds at nanosecond precision. Times that 64 bits of nanoseconds
// cannot hold become the last second that they can.
int64_t timestamp_ns(const timeval& time) {
  constexpr int64_t kSecondsMax = INT64_MAX / 1'000'000'000 - 1;
  return std::clamp<int64_t>(time.tv_sec, -kSecondsMax, kSecondsMax) * 1'000'000'000 + time.tv_usec;
}

struct PcapCloser {
  void operator()(pcap_t* pcap) const { pcap_close(pcap); }
};

// Lets libpcap read from our buffer, so that we know whether it would have to wait for the next packet of a pipe.
class LibpcapFile final : public CaptureFile {
 public:
  explicit LibpcapFile(ByteInput input) : reader_{std::move(input)} {}

  Result<void> open() {
    FILE* file = fopencookie(&reader_, "r", {read_cookie, nullptr, nullptr, nullptr});
    if (file == nullptr) return fail("pcap:{}: {}", reader_.input.name(), std::strerror(errno));
    std::setvbuf(file, nullptr, _IONBF, 0);
    char error[PCAP_ERRBUF_SIZE] = "";
    pcap_.reset(pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, error));
    if (!pcap_) {
      std::fclose(file);
      return fail("pcap:{}: {}", reader_.input.name(), error);
    }
    interfaces_.push_back(
        {"", 0, link_type_of_dlt(pcap_datalink(pcap_.get())), static_cast<uint32_t>(pcap_snapshot(pcap_.get()))});
    return {};
  }

  bool can_be_reopened() const override { return reader_.input.can_be_reopened(); }

  Result<ReadStatus> read(FileBurst& burst) override {
    size_t used = 0;
    while (burst.count < kBurstPacketsMax) {
      if (!held_) {
        const bool wait = burst.count == 0;
        if (!reader_.input.ready(wait ? kPipeWaitMs : 0)) return wait ? ReadStatus::kNothingYet : ReadStatus::kPackets;
        auto more = next_packet(burst);
        if (!more) return pass_on(more);
        if (!*more) break;
      }
      held_ = !append(burst, used);
      if (held_) break;
    }
    return burst.count > 0 ? ReadStatus::kPackets : ReadStatus::kEnd;
  }

 private:
  // Reads the next packet into header_ and data_. Returns false at the end. Damage first ends the burst, and is
  // reported with the next one.
  Result<bool> next_packet(const FileBurst& burst) {
    const int status = failed_ ? PCAP_ERROR : pcap_next_ex(pcap_.get(), &header_, &data_);
    if (status == 1) {
      packets_++;
      return true;
    }
    if (status == PCAP_ERROR_BREAK) return false;
    failed_ = true;
    if (burst.count > 0) return false;
    if (!reader_.failure.empty()) return fail("{} (after packet {})", reader_.failure, packets_);
    return fail("pcap:{}: after packet {}: {}", reader_.input.name(), packets_, pcap_geterr(pcap_.get()));
  }

  // Copies the packet into the burst. Returns false when there is no room; the packet then waits in libpcap's buffer.
  bool append(FileBurst& burst, size_t& used) {
    const size_t length = header_->caplen;
    if (burst.arena.size() - used < length) {
      if (burst.count > 0) return false;
      burst.arena.resize(length);
    }
    uint8_t* bytes = burst.arena.data() + used;
    std::memcpy(bytes, data_, length);
    used += length;
    burst.append(bytes, header_->caplen, header_->len, timestamp_ns(header_->ts)).link_type = interfaces_[0].link_type;
    return true;
  }

  Reader reader_;
  std::unique_ptr<pcap_t, PcapCloser> pcap_;
  pcap_pkthdr* header_ = nullptr;
  const u_char* data_ = nullptr;
  bool held_ = false;  // header_ and data_ are a packet that no burst has taken yet
  bool failed_ = false;
  uint64_t packets_ = 0;
};

}  // namespace

Result<std::unique_ptr<CaptureFile>> open_with_libpcap(ByteInput input) {
  auto file = std::make_unique<LibpcapFile>(std::move(input));
  if (auto opened = file->open(); !opened) return pass_on(opened);
  return file;
}

}  // namespace gatetape
