// pcapng as its description has it, made block by block.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstdio>

#include "tests/capture/sources/source_support.h"

namespace gatetape {
namespace {

std::string u64(uint64_t value, bool swapped) {
  const uint32_t high = static_cast<uint32_t>(value >> 32), low = static_cast<uint32_t>(value);
  return swapped ? u32(high, true) + u32(low, true) : u32(low) + u32(high);
}

std::string option(uint16_t code, std::string value, bool swapped = false) {
  const auto size = static_cast<uint16_t>(value.size());
  value.resize((value.size() + 3) / 4 * 4);
  return u16(code, swapped) + u16(size, swapped) + value;
}

std::string section(bool swapped = false) {
  return block(0x0a0d0d0a, u32(0x1a2b3c4d, swapped) + u16(1, swapped) + u16(0, swapped) + u64(~uint64_t{0}, swapped),
               swapped);
}

std::string interface(uint16_t link_type, uint32_t snap_length, const std::string& options = "", bool swapped = false) {
  return block(1, u16(link_type, swapped) + u16(0) + u32(snap_length, swapped) + options, swapped);
}

std::string resolution(uint8_t code) {
  return option(9, std::string(1, static_cast<char>(code)));
}

std::string enhanced(uint32_t interface, uint64_t time, const std::string& bytes, bool swapped = false) {
  const auto size = static_cast<uint32_t>(bytes.size());
  return block(6,
               u32(interface, swapped) + u32(static_cast<uint32_t>(time >> 32), swapped) +
                   u32(static_cast<uint32_t>(time), swapped) + u32(size, swapped) + u32(size, swapped) + bytes,
               swapped);
}

Outcome read_content(const std::string& content) {
  Directory directory;
  return read_all(directory.write("a.pcapng", content));
}

std::string error_of(const std::string& content) {
  return read_content(content).error;
}

bool contains(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("Each packet tells its interface, with that one's link type and snapshot length", "[source]") {
  const Outcome outcome =
      read_content(section() + interface(1, 100, option(2, "eth0")) + interface(101, 0) + interface(1, 65535) +
                   enhanced(2, 0, "third") + enhanced(0, 0, "first") + enhanced(1, 0, "second"));
  REQUIRE(outcome.error == "");
  REQUIRE(outcome.records.size() == 3);
  REQUIRE(outcome.interfaces.size() == 3);
  CHECK(outcome.records[0].interface_id == 2);
  CHECK(outcome.records[1].interface_id == 0);
  CHECK(outcome.records[2].interface_id == 1);
  CHECK(outcome.records[2].link_type == LinkType::kRaw);
  CHECK(outcome.interfaces[0].name == "eth0");
  CHECK(outcome.interfaces[0].snap_length == 100);
  CHECK(outcome.interfaces[1].link_type == LinkType::kRaw);
  CHECK(contains(outcome.interfaces[1].name, "a.pcapng"));
  CHECK(outcome.interfaces[2].snap_length == 65535);
  CHECK(contains(outcome.interfaces[2].name, "(interface 1)"));
}

TEST_CASE("Sections of both byte orders, which number their interfaces anew", "[source]") {
  std::string file;
  for (const bool swapped : {false, true, true, false}) {
    file +=
        section(swapped) + interface(1, 0, "", swapped) + enhanced(0, 1'000'000, swapped ? "big" : "little", swapped);
  }
  const Outcome outcome = read_content(file);
  REQUIRE(outcome.error == "");
  REQUIRE(outcome.records.size() == 4);
  CHECK(outcome.interfaces.size() == 1);
  for (const Record& record : outcome.records) {
    CHECK(record.timestamp_ns == 1'000'000'000);
    CHECK(record.interface_id == 0);
  }
  CHECK(outcome.records[1].bytes == "big");
}

TEST_CASE("An interface that is described behind packets is announced, too", "[source]") {
  std::string many;
  for (int i = 0; i < 3000; ++i) many += enhanced(0, 1, std::string(1000, 'x'));
  const Outcome outcome =
      read_content(section() + interface(1, 0) + many + interface(113, 0, option(2, "any")) + enhanced(1, 0, "late"));
  REQUIRE(outcome.error == "");
  REQUIRE(outcome.records.size() == 3001);
  REQUIRE(outcome.interfaces.size() == 2);
  CHECK(outcome.interfaces[1].name == "any");
  CHECK(outcome.records.back().interface_id == 1);
  CHECK(outcome.records.back().link_type == LinkType::kLinuxSll);
}

TEST_CASE("Times of every resolution and offset, before 1970 and after 2106", "[source]") {
  const auto time_of = [](const std::string& options, uint64_t units) {
    const Outcome outcome = read_content(section() + interface(1, 0, options) + enhanced(0, units, "x"));
    REQUIRE(outcome.error == "");
    return outcome.records.at(0).timestamp_ns;
  };
  const auto offset = [](int64_t seconds) { return option(14, u64(static_cast<uint64_t>(seconds), false)); };
  CHECK(time_of("", 1'500'000) == 1'500'000'000);
  CHECK(time_of(resolution(0), 5) == 5'000'000'000);
  CHECK(time_of(resolution(3), 1'500) == 1'500'000'000);
  CHECK(time_of(resolution(9), 123) == 123);
  CHECK(time_of(resolution(12), 123'456) == 123);
  CHECK(time_of(resolution(30), ~uint64_t{0}) == 0);
  CHECK(time_of(resolution(0x80 | 1), 3) == 1'500'000'000);
  CHECK(time_of(resolution(0x80 | 32), uint64_t{5} << 31) == 2'500'000'000);
  CHECK(time_of(resolution(0x80 | 127), ~uint64_t{0}) == 0);
  CHECK(time_of(resolution(9) + offset(-10), 1) == -9'999'999'999);
  CHECK(time_of(offset(5'000'000'000), 7) == 5'000'000'000'000'007'000);
  CHECK(time_of(resolution(0), ~uint64_t{0}) == INT64_MAX);
  CHECK(time_of(offset(INT64_MIN), 0) == INT64_MIN);
}

TEST_CASE("Simple and obsolete packet blocks", "[source]") {
  const std::string simple = block(3, u32(9) + "simple, 9");
  const std::string cut = block(3, u32(900) + "only this");
  const std::string obsolete = block(2, u16(0) + u16(7) + u32(0) + u32(3'000'000) + u32(3) + u32(60) + "old");
  const Outcome outcome = read_content(section() + interface(1, 7) + simple + cut + obsolete);
  REQUIRE(outcome.error == "");
  REQUIRE(outcome.records.size() == 3);
  CHECK(outcome.records[0].bytes == "simple,");
  CHECK(outcome.records[0].wire_length == 9);
  CHECK(outcome.records[0].timestamp_ns == 0);
  CHECK(outcome.records[1].bytes == "only th");
  CHECK(outcome.records[2].bytes == "old");
  CHECK(outcome.records[2].wire_length == 60);
  CHECK(outcome.records[2].timestamp_ns == 3'000'000'000);
}

TEST_CASE("Blocks that hold no packets are passed over, however long", "[source]") {
  for (const size_t size : {0UL, 4UL, 1000UL, 300'000UL, 40'000'000UL}) {
    INFO(size);
    const Outcome outcome =
        read_content(section() + block(4, "names") + interface(1, 0) + enhanced(0, 0, "one") +
                     block(0xbad, std::string(size, 'x')) + enhanced(0, 0, "two") + block(5, std::string(16, '\0')));
    REQUIRE(outcome.error == "");
    REQUIRE(outcome.records.size() == 2);
    CHECK(outcome.records[1].bytes == "two");
  }
}

TEST_CASE("A broken block is named by its place, after the packets before it", "[source]") {
  const std::string good = section() + interface(1, 0) + enhanced(0, 0, "good");
  const std::string place = "a.pcapng: damaged at byte " + std::to_string(good.size()) + " (after packet 1): ";
  std::string lengths_differ = enhanced(0, 0, "abcd");
  lengths_differ[lengths_differ.size() - 4] ^= 4;
  const auto claims = [](uint32_t captured) {
    return block(6, u32(0) + u32(0) + u32(0) + u32(captured) + u32(60) + "abcd");
  };
  const std::pair<std::string, const char*> cases[] = {
      {enhanced(1, 0, "x"), "a packet of interface 1, and 1 are described"},
      {claims(5), "a packet that claims 5 bytes in a block of 36"},
      {claims(0x7fffffff), "a packet that claims 2147483647 bytes"},
      {lengths_differ, "a block whose two lengths differ"},
      {u32(6) + u32(8) + u32(8), "a block of 8 bytes"},
      {u32(6) + u32(0xfffffff0) + u32(0), "a block of 4294967280 bytes"},
      {block(6, ""), "a packet in a block of 12 bytes"},
      {block(1, ""), "an interface that is not described"},
      {interface(1, 0, u16(2) + u16(999)), "an interface with an option of 999 bytes"},
      {block(0x0a0d0d0a, u32(0xdeadbeef) + u32(1) + u64(0, false)), "a section without a byte order"},
      {block(0x0a0d0d0a, u32(0x1a2b3c4d) + u16(2) + u16(0) + u64(0, false)), "a section of version 2"},
  };
  for (const auto& [broken, words] : cases) {
    const Outcome outcome = read_content(good + broken + enhanced(0, 0, "behind"));
    INFO(words << ": " << outcome.error);
    CHECK(outcome.records.size() == 1);
    CHECK(contains(outcome.error, place + words));
  }
  CHECK(contains(error_of(block(0x0a0d0d0a, u32(7) + u32(1) + u64(0, false))), "damaged at byte 0"));
  CHECK(contains(error_of(good + block(0xbad, std::string(400'000, 'x')).substr(0, 300'000)),
                 "truncated: the block behind packet 1 at byte "));
}

// Prints what tshark says of each packet; empty without tshark.
std::string tshark(const std::string& path) {
  const std::string command = "tshark -r " + path +
                              " -T fields -e frame.time_epoch -e frame.cap_len -e frame.len -e frame.interface_id "
                              "-e frame.encap_type 2>/dev/null";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string out;
  char piece[4096];
  while (const size_t got = std::fread(piece, 1, sizeof piece, pipe)) out.append(piece, got);
  return ::pclose(pipe) == 0 ? out : "";
}

TEST_CASE("tshark reads the same times, lengths and interfaces", "[source]") {
  const std::string file = section() + interface(1, 0, resolution(9)) + interface(101, 96, resolution(3)) +
                           interface(1, 0, option(14, u64(static_cast<uint64_t>(-315'619'200), false))) +
                           enhanced(1, 1'700'000'000'123, std::string(40, 'E')) +
                           enhanced(0, 1'700'000'000'123'456'789, std::string(60, 'y')) +
                           enhanced(2, 0, std::string(61, 'z')) +
                           block(2, u16(1) + u16(0) + u32(0) + u32(77) + u32(3) + u32(60) + "old") +
                           enhanced(0, 5'000'000'000'000'000'001, "later than 2106");
  Directory directory;
  const std::string path = directory.write("a.pcapng", file);
  const std::string theirs = tshark(path);
  if (theirs.empty()) return;  // not installed
  const Outcome outcome = read_all(path);
  REQUIRE(outcome.error == "");
  std::string ours;
  for (const Record& record : outcome.records) {
    const int64_t time = record.timestamp_ns, second = 1'000'000'000;
    const int64_t whole = time / second, rest = time % second;
    const int encapsulation = record.link_type == LinkType::kEthernet ? 1 : 7;
    ours += fmt::format("{}.{:09}\t{}\t{}\t{}\t{}\n", whole, rest < 0 ? -rest : rest, record.bytes.size(),
                        record.wire_length, record.interface_id, encapsulation);
  }
  CHECK(ours == theirs);
}

}  // namespace gatetape
