#include "packet/flow_key.h"

#include <catch2/catch.hpp>

using namespace gatetape;

TEST_CASE("addresses and prefixes") {
  CHECK(IpAddress::parse("10.9.0.100")->to_string() == "10.9.0.100");
  CHECK(IpAddress::parse("2001:DB8::1")->to_string() == "2001:db8::1");
  CHECK_FALSE(IpAddress::parse("10.9.0"));
  CHECK_FALSE(IpAddress::parse(""));
  const IpPrefix net = IpPrefix::parse("10.9.3.7/22").value();
  CHECK(net.to_string() == "10.9.0.0/22");
  CHECK(net.contains(IpAddress::parse("10.9.3.255").value()));
  CHECK_FALSE(net.contains(IpAddress::parse("10.9.4.0").value()));
  CHECK(IpPrefix::parse("0.0.0.0/0")->contains(IpAddress::parse("1.2.3.4").value()));
  CHECK_FALSE(IpPrefix::parse("0.0.0.0/0")->contains(IpAddress::parse("2001:db8::").value()));
  CHECK(IpPrefix::parse("2001:db8::/32")->to_string() == "2001:db8::/32");
  for (const char* bad : {"10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x", "::/129"}) {
    CHECK_FALSE(IpPrefix::parse(bad));
  }
}

// Values from the specification's own table of baselines (corelight/community-id-spec, baseline directory).
TEST_CASE("community ids are those of the specification") {
  const auto id = [](const char* source, const char* destination, uint16_t sp, uint16_t dp, uint8_t protocol) {
    return community_id({IpAddress::parse(source).value(), IpAddress::parse(destination).value(), sp, dp, protocol});
  };
  CHECK(id("128.232.110.120", "66.35.250.204", 34855, 80, 6) == "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
  CHECK(id("66.35.250.204", "128.232.110.120", 80, 34855, 6) == "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
  CHECK(id("192.168.1.52", "8.8.8.8", 54585, 53, 17) == "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
  CHECK(id("192.168.0.89", "192.168.0.1", 8, 0, 1) == "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
}
