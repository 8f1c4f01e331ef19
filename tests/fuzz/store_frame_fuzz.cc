// The sections of a packet frame as a damaged or forged segment would give them, with checksums made right so that the
// parsers behind them are reached. Input: u16 packets, u32 captured bytes, u32 payload bytes, u32 literal bytes, then
// lanes, columns and operations, each behind a u16 length.
#include <cstdint>
#include <cstring>
#include <vector>

#include "storage/read/frame_reader.h"

using namespace gatetape;

namespace {

// Literals without end, the same everywhere.
class AnyLiterals : public LiteralSource {
 public:
  bool read(uint64_t position, std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(position++);
    return position < (uint64_t{1} << 40);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteSource in({data, size});
  FrameHeader header;
  header.packets = in.get<uint16_t>() % 512;
  header.captured_bytes = in.get<uint32_t>() % (1u << 20);
  header.payload_bytes = in.get<uint32_t>() % (1u << 20);
  header.literal_bytes = in.get<uint32_t>() % (1u << 20);
  std::vector<uint8_t> sections;
  const auto columns = in.get<uint8_t>() % 2 == 0 ? SectionType::kPacketColumns : SectionType::kPacketColumns10;
  for (const SectionType type : {SectionType::kLanes, columns, SectionType::kPayloadOperations}) {
    const auto bytes = in.view(std::min<size_t>(in.get<uint16_t>(), in.remaining()));
    Section section;
    section.type = type;
    section.stored_bytes = section.raw_bytes = static_cast<uint32_t>(bytes.size());
    section.checksum = checksum(bytes);
    header.sections.push_back(section);
    sections.insert(sections.end(), bytes.begin(), bytes.end());
  }
  FrameReader reader;
  AnyLiterals literals;
  if (!reader.read_lanes(header, sections) || !reader.read_packets(header, sections)) return 0;
  const std::vector<bool> wanted(reader.lanes().size(), true);
  if (!reader.read_payload(header, sections, wanted, literals)) return 0;
  uint64_t sum = 0;
  for (const PacketRow& row : reader.rows()) {
    for (uint32_t i = 0; i < row.captured_length; i++) sum += reader.bytes(row)[i];
  }
  volatile uint64_t sink = sum;
  (void)sink;
  return 0;
}
