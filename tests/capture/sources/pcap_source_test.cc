// Files in, packets out: byte orders, precisions, damage, bounded bursts. Plain pcap is read by code of our own, which
// is compared with libpcap. pcapng_test.cc and capture_paths_test.cc have the rest.
#include "capture/sources/source_spec.h"

#include <fcntl.h>
#include <pcap/pcap.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <random>
#include <thread>

#include "tests/capture/sources/source_support.h"

namespace gatetape {
namespace {

// Packets of all sizes up to `size_max`, some cut by the capture.
std::string random_file(unsigned seed, int packets, size_t size_max, bool swapped = false) {
  std::mt19937 random(seed);
  std::string file = file_header(1, true, swapped);
  for (int i = 0; i < packets; i++) {
    std::string bytes(random() % (size_max + 1), '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random());
    const auto cut = static_cast<uint32_t>(random() % 4 == 0 ? random() % 1000 : 0);
    file += record(bytes, static_cast<uint32_t>(random() % 0x80000000), static_cast<uint32_t>(random() % 1'000'000'000),
                   static_cast<uint32_t>(bytes.size()) + cut, swapped);
  }
  return file;
}

std::vector<Record> read_with_libpcap(const std::string& path) {
  char error[PCAP_ERRBUF_SIZE];
  pcap_t* pcap = pcap_open_offline_with_tstamp_precision(path.c_str(), PCAP_TSTAMP_PRECISION_NANO, error);
  REQUIRE(pcap != nullptr);
  std::vector<Record> records;
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  while (pcap_next_ex(pcap, &header, &data) == 1) {
    records.push_back({std::string(reinterpret_cast<const char*>(data), header->caplen), header->len,
                       int64_t{header->ts.tv_sec} * 1'000'000'000 + header->ts.tv_usec, LinkType::kEthernet, 0, 0});
  }
  pcap_close(pcap);
  return records;
}

void require_same(const std::vector<Record>& left, const std::vector<Record>& right) {
  REQUIRE(left.size() == right.size());
  for (size_t i = 0; i < left.size(); i++) {
    INFO("packet " << i);
    REQUIRE(left[i].bytes == right[i].bytes);
    REQUIRE(left[i].wire_length == right[i].wire_length);
    REQUIRE(left[i].timestamp_ns == right[i].timestamp_ns);
  }
}

std::string pcapng(const std::vector<std::string>& packets, uint16_t link_type) {
  std::string file = block(0x0a0d0d0a, u32(0x1a2b3c4d) + u16(1) + u16(0) + u32(0xffffffff) + u32(0xffffffff));
  // if_tsresol 9: nanoseconds.
  file += block(1, u16(link_type) + u16(0) + u32(262144) + u16(9) + u16(1) + std::string("\x09\0\0\0", 4) + u32(0));
  uint64_t time = 1'700'000'000'123'456'789;
  for (const auto& bytes : packets) {
    const auto length = static_cast<uint32_t>(bytes.size());
    file += block(6, u32(0) + u32(static_cast<uint32_t>(time >> 32)) + u32(static_cast<uint32_t>(time)) + u32(length) +
                         u32(length + 7) + bytes);
    time -= 1;
  }
  return file;
}

}  // namespace

TEST_CASE("A pcap file's packets, in both byte orders and precisions", "[source]") {
  Directory directory;
  for (const bool swapped : {false, true}) {
    for (const bool nanoseconds : {false, true}) {
      const auto path = directory.write("a.pcap", file_header(1, nanoseconds, swapped) +
                                                      record("first", 1'700'000'000, 999'999, 60, swapped) +
                                                      record("", 4'000'000'000, 1, 0, swapped));
      const Outcome outcome = read_all(path);
      REQUIRE(outcome.error == "");
      REQUIRE(outcome.records.size() == 2);
      CHECK(outcome.records[0].bytes == "first");
      CHECK(outcome.records[0].wire_length == 60);
      CHECK(outcome.records[0].timestamp_ns == 1'700'000'000'000'000'000 + (nanoseconds ? 999'999 : 999'999'000));
      CHECK(outcome.records[1].timestamp_ns == 4'000'000'000'000'000'000 + (nanoseconds ? 1 : 1000));
      CHECK(outcome.records[1].ordinal == 1);
      CHECK(outcome.account[PortCounter::kReceived] == 2);
      CHECK(outcome.account[PortCounter::kReceivedBytes] == 60);
      CHECK(outcome.account.balances());
      CHECK(outcome.interfaces.at(0).name == path);
    }
  }
}

TEST_CASE("Link types are carried as the file has them", "[source]") {
  Directory directory;
  for (const int number : {0, 1, 101, 108, 113, 228, 229, 276, 147}) {
    const auto link_type = static_cast<uint16_t>(number);
    const std::vector<std::string> packets{"abc"};
    const auto plain = directory.write("a.pcap", file_header(link_type, false, false) + record("abc", 1, 2, 3, false));
    const auto next_generation = directory.write("a.pcapng", pcapng(packets, link_type));
    for (const auto& path : {plain, next_generation}) {
      INFO(path << " " << number);
      const Outcome outcome = read_all(path);
      REQUIRE(outcome.error == "");
      CHECK(static_cast<uint16_t>(outcome.records.at(0).link_type) == link_type);
      CHECK(outcome.interfaces.at(0).link_type == outcome.records[0].link_type);
    }
  }
}

TEST_CASE("pcapng with nanoseconds", "[source]") {
  Directory directory;
  std::vector<std::string> packets;
  for (int i = 0; i < 1000; i++) packets.push_back(std::string(static_cast<size_t>(i), 'x'));
  const Outcome outcome = read_all(directory.write("a.pcapng", pcapng(packets, 1)));
  REQUIRE(outcome.error == "");
  REQUIRE(outcome.records.size() == packets.size());
  for (size_t i = 0; i < packets.size(); i++) {
    REQUIRE(outcome.records[i].bytes == packets[i]);
    REQUIRE(outcome.records[i].wire_length == packets[i].size() + 7);
    REQUIRE(outcome.records[i].timestamp_ns == 1'700'000'000'123'456'789 - static_cast<int64_t>(i));
  }
}

TEST_CASE("Plain pcap is read as libpcap reads it", "[source]") {
  Directory directory;
  for (unsigned seed = 1; seed <= 12; seed++) {
    for (const size_t size_max : {0UL, 60UL, 1514UL, 65536UL, 262144UL}) {
      INFO("seed " << seed << " size " << size_max);
      const int packets = size_max > 2000 ? 40 : 2000;
      const auto path = directory.write("a.pcap", random_file(seed, packets, size_max, seed % 2 == 0));
      const Outcome outcome = read_all(path);
      REQUIRE(outcome.error == "");
      require_same(outcome.records, read_with_libpcap(path));
    }
  }
}

TEST_CASE("A file that ends early gives what is there, then says where", "[source]") {
  Directory directory;
  const std::string whole =
      file_header(1, true, false) + record("aaaa", 1, 1, 4, false) + record("bbbb", 2, 2, 4, false);
  for (size_t size = 24 + 1; size < whole.size(); size++) {
    const auto path = directory.write("a.pcap", whole.substr(0, size));
    const Outcome outcome = read_all(path);
    INFO("size " << size);
    CHECK(outcome.records.size() == (size - 24) / 20);
    if (size == 44) {
      CHECK(outcome.error == "");
      continue;
    }
    CHECK(outcome.error.find(path + ": truncated: packet " + (size < 44 ? "1 at byte 24" : "2 at byte 44")) !=
          std::string::npos);
  }
  const std::string section = pcapng({"aaaa", "bbbb"}, 1);
  for (size_t size = section.size() - 35; size < section.size(); size++) {
    const Outcome outcome = read_all(directory.write("a.pcapng", section.substr(0, size)));
    CHECK(outcome.records.size() == 1);
    CHECK(outcome.error.find("a.pcapng: truncated: packet 2 at byte ") != std::string::npos);
  }
}

TEST_CASE("A damaged record is an error, after the packets before it", "[source]") {
  Directory directory;
  const std::string bad = u32(1) + u32(1) + u32(0x7fffffff) + u32(60) + std::string(100, 'x');
  const Outcome outcome =
      read_all(directory.write("a.pcap", file_header(1, true, false) + record("aaaa", 1, 1, 4, false) + bad));
  CHECK(outcome.records.size() == 1);
  CHECK(outcome.error.find("damaged at byte 44: packet 2 claims 2147483647 bytes") != std::string::npos);
}

TEST_CASE("What is no capture file is refused at once", "[source]") {
  Directory directory;
  const auto empty = directory.write("empty.pcap", "");
  const auto text = directory.write("text.pcap", "this is a text of more than twenty-four bytes");
  for (const auto& path : {empty, text, directory.path() + "/missing.pcap"}) {
    auto source = open_source("pcap:" + path, {});
    REQUIRE(!source);
    CHECK(source.error().message.find("pcap:" + path + ": ") == 0);
  }
  for (const char* spec : {"", "pcap", "pcap:", "file:/tmp/x", ":"}) CHECK(!open_source(spec, {}));
}

TEST_CASE("Bursts are bounded: idle while all are out, and released from another thread", "[source]") {
  Directory directory;
  const auto path = directory.write("a.pcap", random_file(7, 3000, 100));
  SourceOptions options;
  options.bursts = 2;
  auto source = open_source("pcap:" + path, options);
  REQUIRE(source);
  auto first = (*source)->poll(0), second = (*source)->poll(0), third = (*source)->poll(0);
  REQUIRE((first && second && third));
  CHECK(first->burst->count == kBurstPacketsMax);
  CHECK(third->status == PollStatus::kIdle);
  const std::string before(reinterpret_cast<const char*>(first->burst->packets[9].data),
                           first->burst->packets[9].captured_length);
  std::thread([&] { (*source)->release(second->burst); }).join();
  auto fourth = (*source)->poll(0);
  REQUIRE(fourth);
  CHECK(fourth->status == PollStatus::kPackets);
  CHECK(fourth->burst->packets[0].ordinal == 2 * kBurstPacketsMax);
  // The first burst is still held: its bytes have not moved.
  CHECK(before == std::string(reinterpret_cast<const char*>(first->burst->packets[9].data), before.size()));
  (*source)->release(first->burst);
  (*source)->release(fourth->burst);
  (*source)->stop();
  CHECK((*source)->poll(0)->status == PollStatus::kEnd);
}

TEST_CASE("Standard input hands out what has come without waiting for more", "[source]") {
  // Each format must hand out a lone packet.
  const std::string plain = file_header(1, true, false) + record("only one yet", 1, 1, 12, false);
  for (const std::string& content : {plain, pcapng({"only one yet"}, 1)}) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const int saved = ::dup(STDIN_FILENO);
    ::dup2(ends[0], STDIN_FILENO);
    REQUIRE(::write(ends[1], content.data(), content.size()) == static_cast<ssize_t>(content.size()));
    {
      auto source = open_source("pcap:-", {});
      REQUIRE(source);
      auto polled = (*source)->poll(0);
      REQUIRE(polled);
      REQUIRE(polled->status == PollStatus::kPackets);
      CHECK(polled->burst->count == 1);
      (*source)->release(polled->burst);
      CHECK((*source)->poll(0)->status == PollStatus::kIdle);
      ::close(ends[1]);
      CHECK((*source)->poll(0)->status == PollStatus::kEnd);
    }
    ::dup2(saved, STDIN_FILENO);
    ::close(saved);
    ::close(ends[0]);
  }
}

}  // namespace gatetape
