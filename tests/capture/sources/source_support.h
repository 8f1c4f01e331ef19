// Capture files made by hand, and all that a source hands out of them.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "capture/sources/source_spec.h"

namespace gatetape {

namespace fs = std::filesystem;

struct Record {
  std::string bytes;
  uint32_t wire_length = 0;
  int64_t timestamp_ns = 0;
  LinkType link_type = LinkType::kEthernet;
  uint64_t ordinal = 0;
  uint16_t interface_id = 0;
};

struct Outcome {
  std::vector<Record> records;
  std::string error;
  PortAccount account;
  std::vector<InterfaceInfo> interfaces;
};

inline Outcome read_all(Source& source) {
  Outcome outcome;
  for (;;) {
    auto polled = source.poll(0);
    if (!polled) outcome.error = polled.error().message;
    if (!polled || polled->status == PollStatus::kEnd) break;
    if (polled->status == PollStatus::kIdle) continue;
    for (uint32_t i = 0; i < polled->burst->count; i++) {
      const Packet& p = polled->burst->packets[i];
      outcome.records.push_back({std::string(reinterpret_cast<const char*>(p.data), p.captured_length), p.wire_length,
                                 p.timestamp_ns, p.link_type, p.ordinal, p.interface_id});
    }
    source.release(polled->burst);
  }
  outcome.account = source.account();
  outcome.interfaces = source.interfaces();
  return outcome;
}

inline Outcome read_all(const std::string& path) {
  auto source = open_source("pcap:" + path, {});
  if (!source) return {{}, source.error().message, {}, {}};
  return read_all(**source);
}

class Directory {
 public:
  Directory() {
    const char* parent = std::getenv("TMPDIR");
    std::string name = std::string(parent == nullptr ? "/tmp" : parent) + "/capt-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~Directory() { fs::remove_all(path_); }
  std::string write(const std::string& name, const std::string& content) const {
    const std::string path = (path_ / name).string();
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

inline std::string u32(uint32_t value, bool swapped = false) {
  if (swapped) value = __builtin_bswap32(value);
  return std::string(reinterpret_cast<const char*>(&value), 4);
}

inline std::string u16(uint16_t value, bool swapped = false) {
  if (swapped) value = __builtin_bswap16(value);
  return std::string(reinterpret_cast<const char*>(&value), 2);
}

inline std::string file_header(uint32_t link_type, bool nanoseconds, bool swapped) {
  return u32(nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, swapped) + u16(2, swapped) + u16(4, swapped) + u32(0) + u32(0) +
         u32(262144, swapped) + u32(link_type, swapped);
}

inline std::string record(const std::string& bytes, uint32_t seconds, uint32_t fraction, uint32_t wire_length,
                          bool swapped) {
  return u32(seconds, swapped) + u32(fraction, swapped) + u32(static_cast<uint32_t>(bytes.size()), swapped) +
         u32(wire_length, swapped) + bytes;
}

// A pcapng block: type, length, body padded to four bytes, length.
inline std::string block(uint32_t type, std::string body, bool swapped = false) {
  body.resize((body.size() + 3) / 4 * 4);
  const auto length = u32(static_cast<uint32_t>(body.size()) + 12, swapped);
  return u32(type, swapped) + length + body + length;
}

}  // namespace gatetape
