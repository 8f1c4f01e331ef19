#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <random>

#include "capture/packet_filter.h"
#include "capture/prefix_set.h"
#include "tests/support/packet_builder.h"

using namespace gatetape;

namespace {

IpAddress address(const char* text) {
  return IpAddress::parse(text).value();
}

PacketFilter::Verdict verdict(const FilterOptions& options, const test::PacketBytes& built) {
  Result<PacketFilter> filter = PacketFilter::compile(options, {LinkType::kEthernet});
  REQUIRE(filter);
  DecodedPacket decoded;
  decode(built.packet(), decoded);
  return filter->apply(built.packet(), decoded);
}

using Verdict = PacketFilter::Verdict;

}  // namespace

TEST_CASE("a prefix set answers as a walk through all prefixes does") {
  const unsigned seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  std::vector<IpPrefix> prefixes;
  for (int i = 0; i < 200; ++i) {
    const std::string text =
        fmt::format("10.{}.{}.{}/{}", random() % 4, random() % 8, random() % 256, 9 + random() % 24);
    prefixes.push_back(IpPrefix::parse(text).value());
  }
  prefixes.push_back(IpPrefix::parse("2001:db8:1::/48").value());
  const PrefixSet set(prefixes);
  for (int i = 0; i < 5000; ++i) {
    const IpAddress a = address(fmt::format("10.{}.{}.{}", random() % 8, random() % 16, random() % 256, 1).c_str());
    const bool expected =
        std::any_of(prefixes.begin(), prefixes.end(), [&](const IpPrefix& p) { return p.contains(a); });
    REQUIRE(set.contains(a) == expected);
  }
  CHECK(set.contains(address("2001:db8:1:2::3")));
  CHECK_FALSE(set.contains(address("2001:db8:2::3")));
  CHECK_FALSE(PrefixSet().contains(address("10.0.0.1")));
}

TEST_CASE("lists of prefixes") {
  CHECK(parse_prefix_list("10.9.0.100, 2001:db8::/64")->size() == 2);
  CHECK(parse_prefix_list("10.9.0.100,,10.0.0.1").error().message == "not an IP address: ''");
  CHECK(parse_prefix_list("").error().message == "not an IP address: ''");

  const std::string path = fmt::format("{}/prefixes-{}.txt", std::filesystem::temp_directory_path().string(), getpid());
  std::ofstream(path) << "# known bad\n198.51.100.0/24\n\n  203.0.113.7  # one host\n";
  CHECK(read_prefix_file(path)->size() == 2);
  std::ofstream(path) << "198.51.100.0/24\nnonsense\n";
  CHECK(read_prefix_file(path).error().message == path + ":2: not an IP address: 'nonsense'");
  std::remove(path.c_str());
  CHECK(read_prefix_file(path).error().message == path + ": No such file or directory");
}

TEST_CASE("the ingress filter keeps both directions and nothing else") {
  FilterOptions options;
  options.ingress = parse_prefix_list("10.9.0.100").value();
  CHECK(verdict(options, test::tcp("10.9.0.1", 4000, "10.9.0.100", 80)) == Verdict::kPass);
  CHECK(verdict(options, test::tcp("10.9.0.100", 80, "10.9.0.1", 4000)) == Verdict::kPass);
  CHECK(verdict(options, test::tcp("10.9.0.1", 4000, "10.9.0.101", 80)) == Verdict::kNotIngress);
  CHECK(verdict(options, test::PacketBytes(std::vector<uint8_t>(60, 0))) == Verdict::kNotIngress);
}

TEST_CASE("address resolution passes the address filters, other packets without IP do not") {
  FilterOptions options;
  options.ingress = parse_prefix_list("10.9.0.100").value();
  std::vector<uint8_t> bytes(60, 0);
  bytes[12] = 0x08, bytes[13] = 0x06;
  CHECK(verdict(options, test::PacketBytes(bytes)) == Verdict::kPass);
  bytes[12] = 0x88, bytes[13] = 0xcc;  // LLDP
  CHECK(verdict(options, test::PacketBytes(bytes)) == Verdict::kNotIngress);

  std::vector<uint8_t> solicitation = {0x33, 0x33, 0,    0,    0, 2, 2, 0, 0,  0,  0,
                                       1,    0x86, 0xdd, 0x60, 0, 0, 0, 0, 16, 58, 255};
  solicitation.resize(14 + 40 + 16, 0);
  solicitation[22] = 0xfe, solicitation[23] = 0x80;
  solicitation[54] = 133;
  CHECK(verdict(options, test::PacketBytes(solicitation)) == Verdict::kPass);
  solicitation[21] = 64;  // from behind a router
  CHECK(verdict(options, test::PacketBytes(solicitation)) == Verdict::kNotIngress);
  options.bpf = "tcp";
  solicitation[21] = 255;
  CHECK(verdict(options, test::PacketBytes(solicitation)) == Verdict::kBpf);
}

TEST_CASE("hostile networks: the other side of the ingress, or either side without one") {
  FilterOptions options;
  options.hostile = parse_prefix_list("198.51.100.0/24").value();
  CHECK(verdict(options, test::tcp("198.51.100.9", 1, "192.0.2.1", 80)) == Verdict::kPass);
  CHECK(verdict(options, test::tcp("192.0.2.1", 80, "198.51.100.9", 1)) == Verdict::kPass);
  CHECK(verdict(options, test::tcp("192.0.2.1", 80, "192.0.2.2", 1)) == Verdict::kNotHostile);
  options.ingress = parse_prefix_list("10.9.0.100").value();
  CHECK(verdict(options, test::tcp("198.51.100.9", 1, "10.9.0.100", 80)) == Verdict::kPass);
  CHECK(verdict(options, test::tcp("10.9.0.100", 80, "198.51.100.9", 1)) == Verdict::kPass);
  CHECK(verdict(options, test::tcp("192.0.2.1", 1, "10.9.0.100", 80)) == Verdict::kNotHostile);
  CHECK(verdict(options, test::tcp("198.51.100.9", 1, "192.0.2.1", 80)) == Verdict::kNotIngress);
}

TEST_CASE("BPF means what tcpdump means, and its errors are libpcap's") {
  FilterOptions options;
  options.bpf = "tcp port 80";
  CHECK(verdict(options, test::tcp("10.9.0.1", 4000, "10.9.0.100", 80)) == Verdict::kPass);
  CHECK(verdict(options, test::tcp("10.9.0.1", 4000, "10.9.0.100", 81)) == Verdict::kBpf);
  options.bpf = "port nonsense";
  const auto broken = PacketFilter::compile(options, {LinkType::kEthernet});
  REQUIRE_FALSE(broken);
  CHECK(broken.error().message.find("filter 'port nonsense': ") == 0);
}
