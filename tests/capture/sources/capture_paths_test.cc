// Directories, several files, compressed ones, and files that still grow.
#include <fmt/format.h>
#include <lz4frame.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "common/log.h"
#include "tests/capture/sources/source_support.h"

namespace gatetape {
namespace {

std::string one_packet(const std::string& bytes, uint32_t seconds, uint32_t link_type = 1) {
  return file_header(link_type, true, false) + record(bytes, seconds, 0, static_cast<uint32_t>(bytes.size()), false);
}

// Collects what is logged while it lives.
class LoggedWords {
 public:
  LoggedWords() {
    set_log_sink([this](LogLevel, std::string_view message) { words_ += std::string(message) + "\n"; });
  }
  ~LoggedWords() { set_log_sink({}); }
  bool has(const std::string& words) const { return words_.find(words) != std::string::npos; }

 private:
  std::string words_;
};

std::string gzip(const std::string& content) {
  z_stream stream{};
  constexpr int kGzip = 16;
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + kGzip, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(content.size() + 1000, '\0');
  std::string in = content;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& content) {
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  std::string out(ZSTD_compressBound(content.size()), '\0');
  out.resize(ZSTD_compress2(context.get(), out.data(), out.size(), content.data(), content.size()));
  return out;
}

std::string lz4(const std::string& content) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
  std::string out(LZ4F_compressFrameBound(content.size(), &preferences), '\0');
  out.resize(LZ4F_compressFrame(out.data(), out.size(), content.data(), content.size(), &preferences));
  return out;
}

struct Compression {
  const char* name;
  std::string (*compress)(const std::string&);
};
constexpr Compression kCompressions[] = {{"gzip", gzip}, {"zstd", zstd}, {"lz4", lz4}};

// Packets enough that no piece of the file, compressed or not, holds them all.
std::string large_file() {
  std::string file = file_header(1, true, false);
  uint32_t state = 1;
  for (uint32_t i = 0; i < 3000; ++i) {
    std::string bytes(500 + i % 700, '\0');
    for (char& byte : bytes) {
      state = state * 1'664'525 + 1'013'904'223;
      byte = static_cast<char>(state >> 28);
    }
    file += record(bytes, i, i, static_cast<uint32_t>(bytes.size()), false);
  }
  return file;
}

}  // namespace

TEST_CASE("A directory's files follow each other by their first packets' times, whatever their names", "[source]") {
  Directory directory;
  directory.write("trace.pcap", one_packet("third", 30));
  directory.write("trace.pcap2", one_packet("first", 10));
  directory.write("trace.pcap10", one_packet("second", 20));
  directory.write("same9", one_packet("fifth", 40));
  directory.write("same10", one_packet("sixth", 40));
  directory.write("raw", one_packet("fourth", 35, 101));
  directory.write("without a packet", file_header(1, true, false));
  directory.write("notes.txt", "not a capture, and long enough to be one");
  directory.write("empty", "");
  std::filesystem::create_directory(directory.path() + "/older");
  LoggedWords logged;
  const Outcome outcome = read_all(directory.path());
  REQUIRE(outcome.error == "");
  std::string order;
  for (const Record& record : outcome.records) order += record.bytes + " ";
  CHECK(order == "first second third fourth fifth sixth ");
  CHECK(outcome.records.back().ordinal == 5);
  CHECK(outcome.records[3].interface_id == 1);
  CHECK(outcome.interfaces.size() == 2);
  CHECK(logged.has("3 entries left out: empty ("));
  CHECK(logged.has("notes.txt (unknown file format"));
  CHECK(logged.has("older (a directory)"));
  Directory nothing;
  CHECK(read_all(nothing.path()).error.find("no capture file in this directory") != std::string::npos);
}

TEST_CASE("A damaged file does not keep the next ones from being read, and is told in the end", "[source]") {
  Directory directory;
  directory.write("a", one_packet("first", 1) + record("cut", 1, 0, 3, false).substr(0, 18));
  directory.write("b", one_packet("second", 2));
  LoggedWords logged;
  const Outcome outcome = read_all(directory.path());
  REQUIRE(outcome.records.size() == 2);
  CHECK(outcome.error.find("/a: truncated: packet 2 at byte 45") != std::string::npos);
  CHECK(logged.has("going on with the next file"));
}

TEST_CASE("Several files are one source, in the order given, each with an interface", "[source]") {
  Directory directory;
  std::vector<std::string> specs;
  for (int i = 0; i < 100; ++i) {
    const auto seconds = static_cast<uint32_t>(1000 - i);
    specs.push_back("pcap:" + directory.write(fmt::format("{}.pcap", i), one_packet(std::to_string(i), seconds)));
  }
  auto sources = open_sources(specs, {});
  REQUIRE(sources);
  REQUIRE(sources->size() == 1);
  const Outcome outcome = read_all(*sources->front());
  REQUIRE(outcome.error == "");
  REQUIRE(outcome.records.size() == 100);
  REQUIRE(outcome.interfaces.size() == 100);
  for (size_t i = 0; i < 100; ++i) {
    CHECK(outcome.records[i].bytes == std::to_string(i));
    CHECK("pcap:" + outcome.interfaces[outcome.records[i].interface_id].name == specs[i]);
  }
  CHECK_FALSE(open_sources({specs[0], "pcap:" + directory.path() + "/missing"}, {}));
  CHECK_FALSE(open_sources({"pcap:-", "pcap:-"}, {}));
}

TEST_CASE("Compressed files are read as what is in them", "[source]") {
  Directory directory;
  const std::string plain = large_file();
  const Outcome wanted = read_all(directory.write("plain", plain));
  REQUIRE(wanted.records.size() == 3000);
  for (const auto& [name, compress] : kCompressions) {
    const size_t middle = plain.size() / 2;
    const std::string pieces = compress(plain.substr(0, middle)) + compress(plain.substr(middle));
    for (const std::string& content : {compress(plain), pieces}) {
      INFO(name);
      const Outcome outcome = read_all(directory.write("compressed", content));
      REQUIRE(outcome.error == "");
      REQUIRE(outcome.records.size() == 3000);
      for (size_t i = 0; i < 3000; ++i) REQUIRE(outcome.records[i].bytes == wanted.records[i].bytes);
    }
  }
  CHECK(read_all(directory.write("padded", gzip(plain) + std::string(700, '\0'))).error == "");
}

TEST_CASE("Compressed data that ends early or is damaged is said, after the packets before it", "[source]") {
  Directory directory;
  const std::string plain = large_file();
  for (const auto& [name, compress] : kCompressions) {
    const std::string whole = compress(plain);
    INFO(name);
    const Outcome cut = read_all(directory.write("cut", whole.substr(0, whole.size() * 3 / 4)));
    CHECK(cut.error.find(fmt::format("cut: truncated: the {} data ends early (after packet ", name)) !=
          std::string::npos);
    CHECK(cut.records.size() > 100);
    std::string changed = whole;
    for (size_t i = changed.size() / 2; i < changed.size() / 2 + 40; ++i) changed[i] = static_cast<char>(~changed[i]);
    CHECK(read_all(directory.write("changed", changed)).error != "");
  }
  const std::string gz = gzip(one_packet("small", 1));
  for (size_t size = 2; size < gz.size(); ++size) {
    INFO(size);
    CHECK(read_all(directory.write("a.gz", gz.substr(0, size))).error != "");
  }
  CHECK(read_all(directory.write("a.xz", "\xfd" + std::string("7zXZ\0 and more", 14))).error.find("xz -dc") !=
        std::string::npos);
}

TEST_CASE("A compressed pipe hands out what has come", "[source]") {
  for (const auto& [name, compress] : kCompressions) {
    INFO(name);
    Directory directory;
    const std::string path = directory.path() + "/pipe";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    const std::string content = compress(one_packet("one", 1));
    std::thread writer([&] { std::ofstream(path, std::ios::binary) << content; });
    const Outcome outcome = read_all(path);
    writer.join();
    CHECK(outcome.error == "");
    CHECK(outcome.records.size() == 1);
  }
}

TEST_CASE("A file that grows is read as it grows, until the source is stopped", "[source]") {
  Directory directory;
  const std::string first = one_packet("first", 1), second = record("second", 2, 0, 6, false);
  const std::string path = directory.write("a.pcap", "");
  const auto append = [&](const std::string& bytes) { std::ofstream(path, std::ios::binary | std::ios::app) << bytes; };
  // Not even the header is there when the file is opened.
  std::thread writer([&] { append(first + second.substr(0, 9)); });
  auto source = open_source("pcap:" + path, {.follow = true});
  writer.join();
  REQUIRE(source);
  const auto next = [&]() -> std::string {
    for (;;) {
      auto polled = (*source)->poll(0);
      REQUIRE(polled);
      REQUIRE(polled->status != PollStatus::kEnd);
      if (polled->status == PollStatus::kIdle) continue;
      REQUIRE(polled->burst->count == 1);
      const Packet& packet = polled->burst->packets[0];
      const std::string bytes(reinterpret_cast<const char*>(packet.data), packet.captured_length);
      (*source)->release(polled->burst);
      return bytes;
    }
  };
  CHECK(next() == "first");
  CHECK((*source)->poll(0)->status == PollStatus::kIdle);
  append(second.substr(9));
  CHECK(next() == "second");
  CHECK((*source)->poll(0)->status == PollStatus::kIdle);
  (*source)->stop();
  CHECK((*source)->poll(0)->status == PollStatus::kEnd);

  auto shortened = open_source("pcap:" + path, {.follow = true});
  REQUIRE(shortened);
  while ((*shortened)->poll(0)->status == PollStatus::kPackets) {
  }
  std::filesystem::resize_file(path, 30);
  auto failed = (*shortened)->poll(0);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message.find("became shorter") != std::string::npos);

  std::atomic<bool> stop{true};
  CHECK_FALSE(open_source("pcap:" + directory.write("empty", ""), {.follow = true, .stop = &stop}));
  CHECK_FALSE(open_source("pcap:" + directory.write("a.gz", gzip(first)), {.follow = true}));
  CHECK_FALSE(open_source("pcap:" + directory.path(), {.follow = true}));
}

TEST_CASE("pipes are told from files, which have an end", "[source]") {
  const Directory directory;
  const std::string pipe = directory.path() + "/pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(reads_a_pipe("pcap:-"));
  CHECK(reads_a_pipe("pcap:" + pipe));
  CHECK_FALSE(reads_a_pipe("pcap:" + pipe + "/missing"));
  CHECK_FALSE(reads_a_pipe("pcap:" + directory.path()));
  CHECK_FALSE(reads_a_pipe("if:eth0"));
}

}  // namespace gatetape
