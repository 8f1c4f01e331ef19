// Any packets, written into a segment and read back: each must come back byte for byte, with its times, from the
// unsealed segment as from the sealed one, and the sealed one must verify. Input: commands, see Traffic.
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>

#include "common/check.h"
#include "common/clock.h"
#include "storage/evidence/segment_verify.h"
#include "storage/format/byte_order.h"
#include "storage/read/store_reader.h"
#include "storage/write/segment_seal.h"
#include "storage/write/segment_stream.h"
#include "tests/support/simulated_files.h"

using namespace gatetape;

namespace {

const std::string kDirectory = "/store";

class FixedClock : public Clock {
 public:
  int64_t wall_ns() override { return 1; }
  int64_t monotonic_ns() override { return 1; }
};

struct Sent {
  std::vector<uint8_t> bytes;
  Packet packet;  // its data are `bytes`
  PacketContext context;
};

// Each command is a byte and its operands: 0 closes the frame; of the others bit 0 puts the head of a TCP segment in
// front, bit 1 takes the bytes from those of earlier packets, bit 2 lets time step back, bit 3 cuts the packet, bit 4
// calls it encrypted, bits 5 and 6 choose the flow.
class Traffic {
 public:
  explicit Traffic(std::span<const uint8_t> input) : in_(input) {}

  // False: no more. `closes`: no packet, the frame ends here.
  bool next(Sent& sent, bool& closes) {
    if (in_.remaining() < 4 || !in_.ok()) return false;
    const auto command = in_.get<uint8_t>();
    if ((closes = command == 0)) return true;
    const size_t length = in_.get<uint16_t>() % 4096;
    sent.bytes.clear();
    if ((command & 1) != 0) add_head(command);
    if ((command & 2) != 0 && !earlier_.empty()) {
      const size_t from = in_.get<uint16_t>() % earlier_.size();
      const size_t n = std::min(length, earlier_.size() - from);
      head_.insert(head_.end(), earlier_.begin() + from, earlier_.begin() + from + n);
    } else {
      const auto bytes = in_.view(std::min(length, in_.remaining()));
      head_.insert(head_.end(), bytes.begin(), bytes.end());
    }
    if (head_.empty()) head_.push_back(command);
    sent.bytes.swap(head_);
    head_.clear();
    if (earlier_.size() < (1 << 16)) earlier_.insert(earlier_.end(), sent.bytes.begin(), sent.bytes.end());
    time_ns_ += (command & 4) != 0 ? -1'000'000 : in_.get<uint8_t>() * 1000;
    describe(sent, command);
    return true;
  }

 private:
  void add_head(uint8_t command) {
    const auto flow = static_cast<uint8_t>(command >> 5 & 3);
    head_ = {2, 0, 0,    0,  0, 1, 2,   0,    0,    0, 0,  2, 8, 0, 0x45, 0, 0, 0, 0, 1,    0,    0, 64, 6, 0, 0, 10,
             0, 0, flow, 10, 9, 0, 100, 0x80, flow, 0, 80, 0, 0, 0, 0,    0, 0, 0, 0, 0x50, 0x18, 1, 0,  0, 0, 0, 0};
  }

  void describe(Sent& sent, uint8_t command) {
    sent.packet.data = sent.bytes.data();
    sent.packet.captured_length = static_cast<uint32_t>(sent.bytes.size());
    sent.packet.wire_length = sent.packet.captured_length + ((command & 8) != 0 ? 100 : 0);
    sent.packet.timestamp_ns = time_ns_;
    sent.packet.ordinal = ordinal_++;
    sent.context.flow_id = command >> 5 & 3;
    sent.context.encrypted = (command & 16) != 0;
  }

  ByteSource in_;
  std::vector<uint8_t> earlier_, head_;
  int64_t time_ns_ = 1'700'000'000'000'000'000;
  uint64_t ordinal_ = 0;
};

class Segment {
 public:
  explicit Segment(FileSystem& files)
      : files_(files),
        stream_(base(), {uint64_t{1} << 30, uint64_t{1} << 30}, kReferenceBytes, 1, identities_, clock_) {}

  void add(const Sent& sent) {
    if (!stream_.frame().has_room(sent.packet.captured_length)) close_frame();
    DecodedPacket decoded;
    decode(sent.packet, decoded);
    stream_.frame().add(sent.packet, decoded, sent.context);
  }

  void close_frame() {
    if (stream_.frame().empty()) return;
    ClosedFrame frame;
    stream_.close_frame(next_sequence_, frame);
    if (frame.begins_segment != nullptr) {
      path_ = kDirectory + "/" + segment_file_name(*frame.begins_segment);
      auto file = files_.create(path_);
      GT_CHECK(file);
      file_ = std::move(*file);
      append(frame.begins_segment->serialise());
    }
    append(frame.bytes.bytes());
  }

  const std::string& path() const { return path_; }  // empty: nothing was written

 private:
  static constexpr size_t kReferenceBytes = 4 << 20;

  static SegmentHeader base() {
    SegmentHeader header;
    header.interfaces = {{"any", LinkType::kEthernet, 262144}};
    return header;
  }
  void append(std::span<const uint8_t> bytes) {
    GT_CHECK(file_->write_at(size_, bytes));
    size_ += bytes.size();
  }

  FileSystem& files_;
  FixedClock clock_;
  Identities identities_{1, 1};
  std::atomic<uint64_t> next_sequence_{1};
  SegmentStream stream_;
  std::string path_;
  std::unique_ptr<File> file_;
  uint64_t size_ = 0;
};

void check_same(FileSystem& files, const std::deque<Sent>& sent) {
  auto store = StoreReader::open({kDirectory}, files);
  GT_CHECK(store);
  size_t at = 0;
  const auto read = (*store)->packets({}, [&](const StoredPacket& stored) {
    GT_CHECK(at < sent.size());
    const Packet& expected = sent[at++].packet;
    GT_CHECK(stored.packet.captured_length == expected.captured_length);
    GT_CHECK(std::memcmp(stored.packet.data, expected.data, expected.captured_length) == 0);
    GT_CHECK(stored.packet.wire_length == expected.wire_length);
    GT_CHECK(stored.packet.timestamp_ns == expected.timestamp_ns);
    GT_CHECK(stored.packet.ordinal == expected.ordinal);
    GT_CHECK(stored.flow_id == sent[at - 1].context.flow_id);
    return true;
  });
  GT_CHECK(read && read->frames_damaged == 0 && at == sent.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static test::SimulatedFiles files;
  GT_CHECK(files.make_directories(kDirectory));
  Segment segment(files);
  Traffic traffic({data, size});
  std::deque<Sent> sent;
  Sent packet;
  for (bool closes = false; sent.size() < 2000 && traffic.next(packet, closes);) {
    if (closes) {
      segment.close_frame();
      continue;
    }
    sent.push_back(packet);
    sent.back().packet.data = sent.back().bytes.data();
    segment.add(sent.back());
  }
  segment.close_frame();
  if (segment.path().empty()) return 0;
  check_same(files, sent);
  const auto sealed = seal_segment(files, segment.path());
  GT_CHECK(sealed);
  check_same(files, sent);
  static std::atomic<uint64_t> progress{0};
  static SegmentVerifier verifier(files, 8 << 20, progress);  // it keeps its memory, which takes long to make
  const auto finding = verifier.verify(segment.path(), facts_of(*sealed, segment.path()), false);
  GT_CHECK(!finding);
  GT_CHECK(files.remove(segment.path()) && files.sync_directory(kDirectory));  // it forgets the file only then
  return 0;
}
