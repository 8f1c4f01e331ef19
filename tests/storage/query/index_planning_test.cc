#include "storage/query/index_planning.h"

#include <catch2/catch.hpp>
#include <random>

#include "expression/expression.h"
#include "tests/storage/query/query_support.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

std::string random_primitive(std::mt19937& random) {
  const auto pick = [&](unsigned below) { return static_cast<unsigned>(random() % below); };
  const auto side = [&] {
    static constexpr const char* kSides[] = {"", "", "", "src ", "dst ", "src or dst ", "src and dst "};
    return std::string(kSides[pick(7)]);
  };
  const auto port = [&] {
    static constexpr const char* kPorts[] = {"80", "443", "8080", "53", "0x50", "domain"};
    return std::string(kPorts[pick(6)]);
  };
  const std::string host = "10.9.0." + std::to_string(pick(5));
  switch (pick(14)) {
    case 0:
      return side() + "host " + host;
    case 1:
      return side() + "host 2001:db8::" + std::to_string(pick(4));
    case 2:
      return side() + "net 10.9.0." + std::to_string(pick(3) * 2) + "/31";
    case 3:
      return side() + "port " + port();
    case 4:
      return std::string(pick(2) ? "tcp " : "udp ") + side() + "port " + port();
    case 5:
      return side() + "portrange 80-" + std::to_string(81 + pick(400));
    case 6: {
      static constexpr const char* kWords[] = {"tcp", "udp", "sctp", "icmp", "icmp6", "ip", "ip6", "arp"};
      return kWords[pick(8)];
    }
    case 7:
      return "ip host " + host;
    case 8:
      return "arp host " + host;
    case 9:
      return "src " + host;
    case 10:
      return "vlan " + std::to_string(10 + pick(4));
    case 11:
      return "tcp[13] & 2 != 0";
    case 12:
      return pick(4) ? "greater 40" : "mpls";
    default:
      return "port " + port() + " or " + port();
  }
}

std::string random_expression(std::mt19937& random, int depth) {
  const unsigned shape = static_cast<unsigned>(random() % 6);
  if (depth == 0 || shape < 2) return random_primitive(random);
  const std::string left = random_expression(random, depth - 1), right = random_expression(random, depth - 1);
  const char* joint = random() % 2 ? " and " : " or ";
  if (shape == 2) return "not " + (random() % 2 ? left : "(" + left + ")");
  if (shape == 3) return "(" + left + ")" + joint + "(" + right + ")";
  return left + joint + right;
}

}  // namespace

TEST_CASE("the index never leaves out a packet that libpcap selects") {
  const uint32_t seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto packets = packets_of_many_kinds(seed, 3000);
  std::vector<DecodedPacket> decoded(packets.size());
  for (size_t i = 0; i < packets.size(); ++i) decode(stored_packet(packets[i], i).packet, decoded[i]);
  int constrained = 0, compared = 0;
  for (int round = 0; round < 1500; ++round) {
    const std::string text = random_expression(random, 3);
    Result<Expression> expression = Expression::parse(text);
    INFO(text);
    REQUIRE(expression);
    if (!expression->compile({})) continue;  // libpcap: rejects all packets, no such port, ...
    ++compared;
    const IndexFilter index = index_filter_of(*expression);
    constrained += !index.all_of.empty();
    for (size_t i = 0; i < packets.size(); ++i) {
      const StoredPacket packet = stored_packet(packets[i], i);
      if (satisfies(index, packet.packet, decoded[i], packet.flow_id)) continue;
      INFO("packet " << i << " " << to_string(decoded[i].status));
      if (expression->matches(packet)) FAIL("left out");
    }
  }
  CHECK(compared > 500);
  CHECK(constrained > 100);
}

TEST_CASE("the index is asked for what an expression is certain of") {
  const auto index_of = [](const std::string& text) { return index_filter_of(*Expression::parse(text)); };
  SECTION("host and port in one term") {
    const IndexFilter index = index_of("host 10.9.0.1 and tcp port 80");
    REQUIRE(index.all_of.size() == 1);
    REQUIRE(index.all_of[0].size() == 1);
    CHECK(index.all_of[0][0].host);
    CHECK(index.all_of[0][0].port == 80);
    CHECK(index.all_of[0][0].protocol == kProtocolTcp);
  }
  SECTION("two hosts are two clauses") {
    CHECK(index_of("host 10.9.0.1 and host 10.9.0.2").all_of.size() == 2);
  }
  SECTION("either port: one clause; SCTP, which is not decoded, stays in") {
    const IndexFilter index = index_of("port 80 or 443");
    REQUIRE(index.all_of.size() == 1);
    CHECK(index.all_of[0].size() == 4);
  }
  SECTION("no constraint") {
    for (const char* text :
         {"not host 10.9.0.1", "host 10.9.0.1 or greater 5", "mpls and host 10.9.0.1", "portrange 1-9999"}) {
      INFO(text);
      CHECK(index_of(text).all_of.empty());
    }
  }
  SECTION("a thousand hosts") {
    std::string text = "host 10.0.0.0";
    for (int i = 1; i < 1000; ++i) text += " or host 10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256);
    const IndexFilter index = index_of(text);
    REQUIRE(index.all_of.size() == 1);
    CHECK(index.all_of[0].size() == 1000);
  }
}

TEST_CASE("the index is asked for a conversation once records have told its endpoints") {
  const Endpoints endpoints{*IpAddress::parse("10.9.0.1"), *IpAddress::parse("10.9.0.2"), 40000, 80, kProtocolTcp};
  Result<Expression> expression = Expression::parse("community_id == \"" + community_id(endpoints) + "\"");
  REQUIRE(expression);
  CHECK(index_filter_of(*expression).all_of.empty());
  FlowRecord flow;
  flow.endpoints = endpoints.reversed();
  expression->learn(flow, {});
  REQUIRE(index_filter_of(*expression).all_of.size() == 1);
  CHECK(index_filter_of(*expression).all_of[0][0].connection);
}

TEST_CASE("a blank expression asks nothing of the index") {
  CHECK(index_filter_of(*Expression::parse("  ")).all_of.empty());
}
