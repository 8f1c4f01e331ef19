// A classic pcap file mapped into memory, for tests and benchmarks only: trusts its headers, native byte order,
// microseconds or nanoseconds. capture/ has the source that trusts nothing.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "common/check.h"
#include "packet/packet.h"

namespace gatetape::test {

class PcapFile {
 public:
  explicit PcapFile(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY);
    struct stat status {};
    if (file < 0) return;
    if (fstat(file, &status) == 0 && status.st_size > 24) {
      size_ = static_cast<size_t>(status.st_size);
      void* address = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
      GT_CHECK(address != MAP_FAILED);
      data_ = static_cast<const uint8_t*>(address);
      uint32_t magic, link_type;
      std::memcpy(&magic, data_, 4);
      std::memcpy(&link_type, data_ + 20, 4);
      GT_CHECK(magic == 0xa1b2c3d4 || magic == 0xa1b23c4d);
      ns_per_tick_ = magic == 0xa1b2c3d4 ? 1000 : 1;
      link_type_ = static_cast<LinkType>(link_type);
    }
    close(file);
  }
  ~PcapFile() {
    if (data_ != nullptr) munmap(const_cast<uint8_t*>(data_), size_);
  }
  PcapFile(const PcapFile&) = delete;
  PcapFile& operator=(const PcapFile&) = delete;

  bool is_open() const { return data_ != nullptr; }
  size_t size() const { return size_; }

  bool next(Packet& packet) {
    if (size_ - at_ < 16) return false;
    uint32_t header[4];
    std::memcpy(header, data_ + at_, 16);
    if (size_ - at_ - 16 < header[2]) return false;
    packet = {.data = data_ + at_ + 16,
              .captured_length = header[2],
              .wire_length = header[3],
              .timestamp_ns = int64_t{header[0]} * 1'000'000'000 + int64_t{header[1]} * ns_per_tick_,
              .ordinal = ordinal_++,
              .link_type = link_type_};
    at_ += 16 + header[2];
    return true;
  }

 private:
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t at_ = 24;
  uint64_t ordinal_ = 0;
  int64_t ns_per_tick_ = 1000;
  LinkType link_type_ = LinkType::kEthernet;
};

}  // namespace gatetape::test
