// A stored connection, read once more: the bytes of its streams, and one of its transactions in clear, without transfer
// and content codings. The same reassembly and protocols as in a capture; no rules. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "packet/buffers.h"
#include "packet/flow_key.h"
#include "packet/stored_packet.h"

namespace gatetape {

// One side's message, or stream.
struct MessageText {
  std::string start_line;  // "GET / HTTP/1.1"
  std::string fields;      // as sent, a line each
  std::string bytes;       // the first of its body; of a stream: of all of it
  uint64_t length = 0;     // whole
  uint64_t gap_bytes = 0;  // missing in it
};

// The content of a sticky buffer, as rules see it.
struct BufferText {
  Buffer buffer = Buffer::kPayload;
  std::string bytes;
};

struct TranscriptRequest {
  Endpoints client_to_server;
  std::optional<uint64_t> transaction;  // within the connection, from 0
  std::vector<Buffer> buffers;          // those that are wanted of it
  size_t bytes_max = 64 * 1024;         // that are kept of each body and stream
  bool validate_checksums = true;       // as the capture did
};

class Transcript {
 public:
  explicit Transcript(const TranscriptRequest& request);
  Transcript(const Transcript&) = delete;
  Transcript& operator=(const Transcript&) = delete;
  ~Transcript();

  // All packets of the connection, in order.
  void add(const StoredPacket& packet);
  void finish();

  uint64_t packets() const;
  // By Direction. What follows is complete after finish().
  const MessageText& stream(Direction direction) const;
  // Whether the transaction was there.
  bool found() const;
  const MessageText& message(Direction direction) const;
  const std::vector<BufferText>& buffers() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace gatetape
