// Measures the store alone: packets of a pcap file, read beforehand, go in; size, time and the time to get one
// connection back come out.
//   store_bench PCAP STORE_DIR [--memory MB] [--raw MB] [--limit MB] [--level N] [--anchor-seed N]
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>

#include "packet/decode.h"
#include "storage/read/store_reader.h"
#include "storage/write/store_writer.h"

namespace gatetape {
namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_seconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// A little-endian microsecond pcap file, mapped and touched.
class PcapBytes {
 public:
  explicit PcapBytes(const char* path, size_t limit) {
    const int descriptor = ::open(path, O_RDONLY);
    struct stat status {};
    if (descriptor < 0 || ::fstat(descriptor, &status) != 0) {
      std::perror(path);
      std::exit(1);
    }
    size_ = std::min(static_cast<size_t>(status.st_size), limit);
    void* at = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE | MAP_POPULATE, descriptor, 0);
    if (at == MAP_FAILED) std::exit(1);
    data_ = static_cast<const uint8_t*>(at);
    ::close(descriptor);
  }
  ~PcapBytes() { ::munmap(const_cast<uint8_t*>(data_), size_); }
  size_t size() const { return size_; }

  template <class F>
  uint64_t for_each(F f) const {
    uint64_t ordinal = 0;
    for (size_t at = 24; at + 16 <= size_;) {
      uint32_t record[4];
      std::memcpy(record, data_ + at, sizeof record);
      at += 16;
      if (at + record[2] > size_) break;
      Packet packet;
      packet.data = data_ + at;
      packet.captured_length = record[2];
      packet.wire_length = record[3];
      packet.timestamp_ns = int64_t{record[0]} * 1'000'000'000 + int64_t{record[1]} * 1000;
      packet.ordinal = ordinal++;
      f(packet);
      at += record[2];
    }
    return ordinal;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

uint64_t stored_bytes(const std::string& directory) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) bytes += entry.file_size();
  return bytes;
}

void write_store(const PcapBytes& pcap, const StoreOptions& options) {
  const double cpu = cpu_seconds(), begin = seconds_now();
  auto store = Store::open(options, false);
  if (!store) {
    std::fprintf(stderr, "%s\n", store.error().message.c_str());
    std::exit(1);
  }
  StoreWorker& worker = (*store)->worker(0);
  DecodedPacket decoded;
  uint64_t n = 0;
  const uint64_t packets = pcap.for_each([&](const Packet& packet) {
    decode(packet, decoded);
    worker.add(packet, decoded, {decoded.flow_hash});
    if (n++ % 1024 == 0) worker.tick(static_cast<int64_t>(seconds_now() * 1e9));
  });
  worker.flush();
  (void)(*store)->settle();
  const double settled = seconds_now();
  const auto closed = (*store)->close();
  if (!closed) std::fprintf(stderr, "%s\n", closed.error().message.c_str());
  const uint64_t stored = stored_bytes(options.directories[0]);
  std::printf(
      "packets %lu pcap_bytes %zu stored_bytes %lu ratio %.2f write_seconds %.2f close_seconds %.2f cpu_seconds %.2f\n",
      packets, pcap.size(), stored, static_cast<double>(pcap.size()) / static_cast<double>(stored), settled - begin,
      seconds_now() - settled, cpu_seconds() - cpu);
}

StoreQuery query_of(const DecodedPacket& decoded) {
  IndexTerm term;
  term.connection =
      Endpoints{decoded.source, decoded.destination, decoded.source_port, decoded.destination_port, decoded.protocol};
  StoreQuery query;
  query.index.all_of = {{term}};
  return query;
}

void read_back(const PcapBytes& pcap, const std::string& directory) {
  std::map<uint32_t, std::pair<uint64_t, DecodedPacket>> connections;
  DecodedPacket decoded;
  pcap.for_each([&](const Packet& packet) {
    decode(packet, decoded);
    auto& [count, first] = connections[decoded.flow_hash];
    if (count++ == 0) first = decoded;
  });
  const auto largest = std::max_element(connections.begin(), connections.end(),
                                        [](const auto& a, const auto& b) { return a.second.first < b.second.first; });
  const auto middle = std::next(connections.begin(), static_cast<ptrdiff_t>(connections.size() / 2));
  for (const auto& [name, chosen] : {std::pair("largest", largest), std::pair("middle", middle)}) {
    const double begin = seconds_now();
    auto reader = StoreReader::open({directory});
    uint64_t found = 0;
    auto statistics =
        (*reader)->packets(query_of(chosen->second.second), [&](const StoredPacket&) { return ++found, true; });
    std::printf("extract %s connection: packets %lu of %lu frames_read %lu of %lu bytes_read %lu seconds %.4f\n", name,
                found, chosen->second.first, statistics->frames_read, statistics->frames, statistics->bytes_read,
                seconds_now() - begin);
  }
  const double begin = seconds_now();
  auto reader = StoreReader::open({directory});
  uint64_t bytes = 0;
  auto statistics =
      (*reader)->packets({}, [&](const StoredPacket& p) { return bytes += p.packet.captured_length, true; });
  std::printf("extract everything: packets %lu bytes %lu damaged %lu seconds %.2f\n", statistics->packets_visited,
              bytes, statistics->frames_damaged, seconds_now() - begin);
}

int run(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(
        stderr,
        "usage: store_bench PCAP STORE_DIR [--memory MB] [--raw MB] [--limit MB] [--level N] [--anchor-seed N]\n");
    return 2;
  }
  StoreOptions options;
  options.directories = {argv[2]};
  options.interfaces = {{"bench", LinkType::kEthernet, 262144}};
  size_t limit = SIZE_MAX;
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--memory") options.reference_memory_bytes = value << 20;
    if (name == "--raw") options.segment_raw_bytes_max = value << 20;
    if (name == "--limit") limit = value << 20;
    if (name == "--anchor-seed") options.anchor_seed = value;
    if (name == "--level") options.compression_level = std::atoi(argv[i + 1]);
  }
  const PcapBytes pcap(argv[1], limit);
  write_store(pcap, options);
  read_back(pcap, argv[2]);
  return 0;
}

}  // namespace
}  // namespace gatetape

int main(int argc, char** argv) {
  return gatetape::run(argc, argv);
}
