// Reads the capture file of a bundle. Strict: whatever our own writer does not write, and whatever could make a reader
// show a packet otherwise than it was recorded, is damage. Memory is bounded by the largest block. One thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/file.h"
#include "packet/packet.h"
#include "packet/stored_packet.h"

namespace gatetape {

class BundlePackets {
 public:
  enum class Next {
    kPacket,
    kEnd,
    kDamaged,     // problem() says what, offset() where
    kUnreadable,  // problem() says why
  };

  static Result<BundlePackets> open(FileSystem& files, const std::string& path);
  uint64_t file_bytes() const { return file_bytes_; }
  // Its bytes live until the next call. packet.interface_id counts interfaces().
  Next next(Packet& packet);
  const std::vector<StoreInterface>& interfaces() const { return interfaces_; }
  // Where the last block begins.
  uint64_t offset() const { return begin_; }
  const std::string& problem() const { return problem_; }

 private:
  BundlePackets(std::unique_ptr<File> file, uint64_t bytes) : file_(std::move(file)), file_bytes_(bytes) {}
  bool take_block(uint32_t& type, std::span<const uint8_t>& body, Next& otherwise);
  Next damaged(std::string problem);
  bool add_interface(std::span<const uint8_t> body);

  std::unique_ptr<File> file_;
  uint64_t file_bytes_;
  uint64_t begin_ = 0, next_ = 0;
  bool ended_ = false;  // statistics follow the packets
  std::vector<StoreInterface> interfaces_;
  std::vector<uint64_t> offsets_ns_;  // by interface; added to its times, modulo 2^64
  std::vector<uint8_t> window_;
  uint64_t window_begin_ = 0;
  std::string problem_;
};

}  // namespace gatetape
