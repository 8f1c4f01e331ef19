// A whole segment as a forger would write it, every checksum right: read as an extract reads it, by its index and by
// walking; read for its records; verified; and sealed anew without its trailer, as a start after a crash does.
#include <atomic>
#include <cstdint>
#include <vector>

#include "common/check.h"
#include "storage/evidence/segment_verify.h"
#include "storage/read/store_reader.h"
#include "storage/write/segment_seal.h"
#include "tests/fuzz/segment_support.h"
#include "tests/support/simulated_files.h"

using namespace gatetape;

namespace {

const std::string kDirectory = "/store";

void put_file(FileSystem& files, const std::string& path, std::span<const uint8_t> bytes) {
  (void)files.remove(path);
  auto file = files.create(path);
  GT_CHECK(file && (*file)->write_at(0, bytes));
}

void read_all(FileSystem& files) {
  auto store = StoreReader::open({kDirectory}, files);
  if (!store) return;
  (void)(*store)->summary();
  (void)(*store)->segments();
  uint64_t sum = 0;
  const auto visit = [&](const StoredPacket& stored) {
    for (uint32_t i = 0; i < stored.packet.captured_length; i++) sum += stored.packet.data[i];
    return true;
  };
  (void)(*store)->packets({}, visit);
  StoreQuery query;
  IndexTerm port, host;
  port.port = 80;
  host.host = IpPrefix{*IpAddress::parse("10.0.0.0"), 104};
  query.index.all_of = {{port, host}};
  (void)(*store)->packets(query, visit);
  (void)(*store)->records({}, [&](const Record& record) {
    sum += record.index();
    return true;
  });
  volatile uint64_t sink = sum;
  (void)sink;
}

void verify(FileSystem& files, const std::string& path) {
  static std::atomic<uint64_t> progress{0};
  static SegmentVerifier verifier(files, 8 << 20, progress);  // it keeps its memory, which takes long to make
  (void)verifier.verify(path, {}, true);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint8_t> bytes(data, data + size);
  fuzz::mend_segment(bytes);
  size_t needed = 0;
  const auto header = SegmentHeader::parse(bytes, needed);
  if (!header || header->sequence > kSequenceMax) return 0;
  const std::string path = kDirectory + "/" + segment_file_name(*header);
  static test::SimulatedFiles files;
  GT_CHECK(files.make_directories(kDirectory));
  put_file(files, path, bytes);
  read_all(files);
  verify(files, path);
  put_file(files, path, std::span(bytes).first(bytes.size() - std::min(bytes.size(), Trailer::kBytes)));
  read_all(files);
  if (seal_segment(files, path)) {
    read_all(files);
    verify(files, path);
  }
  GT_CHECK(files.remove(path) && files.sync_directory(kDirectory));  // it forgets the file only then
  return 0;
}
