// Address and port groups: sets are compared with a naive membership test, and variables are tried.
#include <catch2/catch.hpp>
#include <random>

#include "rules/language/variables.h"
#include "tests/rules/language/language_support.h"

namespace gatetape::test {
namespace {

constexpr int kPorts = 40;

// A random port group, and the ports that it must hold by Suricata's rule: those written without negation, or else all,
// without those that are negated an odd number of times.
struct RandomGroup {
  std::string text;
  bool any_positive = false;
  std::vector<bool> positive = std::vector<bool>(65536), negative = std::vector<bool>(65536);

  bool holds(int port) const { return (!any_positive || positive[port]) && !negative[port]; }
};

void append_random(std::mt19937& random, RandomGroup& group, bool negated, int depth) {
  if (random() % 4 == 0) {
    group.text += '!';
    negated = !negated;
  }
  if (depth > 0 && random() % 3 == 0) {
    group.text += '[';
    const size_t members = 1 + random() % 3;
    for (size_t i = 0; i < members; ++i) {
      if (i > 0) group.text += random() % 2 == 0 ? "," : " , ";
      append_random(random, group, negated, depth - 1);
    }
    group.text += ']';
    return;
  }
  int first = static_cast<int>(random() % kPorts), last = first + static_cast<int>(random() % 5);
  if (random() % 8 == 0) last = 65535;
  group.text += last == 65535   ? fmt::format("{}:", first)
                : last == first ? fmt::format("{}", first)
                                : fmt::format("{}:{}", first, last);
  for (int port = first; port <= last; ++port) (negated ? group.negative : group.positive)[port] = true;
  group.any_positive = group.any_positive || !negated;
}

AddressSet addresses(std::string_view text, const RuleVariables& variables = RuleVariables::defaults()) {
  auto set = parse_address_group(text, variables);
  INFO(text);
  REQUIRE(set);
  return *set;
}

bool has(const AddressSet& set, const char* address) {
  return set.contains(*IpAddress::parse(address));
}

}  // namespace

TEST_CASE("language: random port groups against a naive reading") {
  const uint32_t seed = 20240517;
  std::mt19937 random(seed);
  const RuleVariables variables = RuleVariables::defaults();
  for (int round = 0; round < 2000; ++round) {
    RandomGroup group;
    append_random(random, group, false, 3);
    INFO("seed " << seed << " round " << round << ": " << group.text);
    bool any_left = false;
    for (int port = 0; port < 65536 && !any_left; ++port) any_left = group.holds(port);
    const auto set = parse_port_group(group.text, variables);
    REQUIRE(set.has_value() == any_left);
    if (!set) continue;
    for (int port = 0; port <= kPorts + 6; ++port)
      REQUIRE(set->contains(static_cast<uint16_t>(port)) == group.holds(port));
    REQUIRE(set->contains(65535) == group.holds(65535));
  }
}

TEST_CASE("language: sets of addresses") {
  const AddressSet all = AddressSet::all();
  CHECK(all.is_all());
  CHECK(all.complement().empty());
  CHECK(AddressSet().complement().is_all());
  const AddressSet set = addresses("[10.0.0.0/24,10.0.1.0/24,10.0.4.1-10.0.4.9]");
  CHECK(set.ranges().size() == 2);  // neighbours are one range
  CHECK(set.complement().complement() == set);
  CHECK(set.minus(set).empty());
  CHECK(all.minus(set) == set.complement());
  CHECK(has(set, "10.0.1.255"));
  CHECK_FALSE(has(set, "10.0.2.0"));
  CHECK(has(set, "10.0.4.9"));
  CHECK_FALSE(has(set, "10.0.4.10"));
  CHECK(addresses("10.1.2.3/255.255.0.0") == addresses("10.1.0.0/16"));
  CHECK(addresses("10.1.2.3/16") == addresses("10.1.0.0/16"));
}

TEST_CASE("language: a negation speaks of its own address family") {
  const AddressSet external = addresses("$EXTERNAL_NET");
  CHECK(has(external, "8.8.8.8"));
  CHECK_FALSE(has(external, "10.1.1.1"));
  CHECK_FALSE(has(external, "2001:db8::1"));
  const AddressSet six = addresses("!2001:db8::/32");
  CHECK(has(six, "2001:db9::1"));
  CHECK_FALSE(has(six, "10.1.1.1"));
  const AddressSet mixed = addresses("[any,!10.0.0.0/8]");
  CHECK(has(mixed, "2001:db8::1"));
  CHECK(has(mixed, "11.0.0.1"));
  CHECK_FALSE(has(mixed, "10.0.0.1"));
  CHECK_FALSE(has(addresses("::/0"), "10.0.0.1"));
  // A negation in a nested list takes its members out of the whole group.
  CHECK_FALSE(has(addresses("[10.0.0.0/8,[11.0.0.0/8,!10.1.0.0/16]]"), "10.1.0.1"));
  CHECK(has(addresses("!$EXTERNAL_NET"), "10.0.0.1"));
}

TEST_CASE("language: groups that are too deep or too large are refused") {
  const RuleVariables defaults = RuleVariables::defaults();
  CHECK_FALSE(parse_port_group(std::string(100, '[') + "80" + std::string(100, ']'), defaults));
  RuleVariables loop = defaults;
  loop.port_groups["A"] = "$B";
  loop.port_groups["B"] = "[$A,80]";
  const auto looped = parse_port_group("[80,$A]", loop);
  REQUIRE_FALSE(looped);
  CHECK(looped.error().position == 4);
  CHECK(looped.error().message == "groups are nested too deeply (in $A)");
  RuleVariables wide = defaults;  // 2^20 members
  wide.port_groups["V0"] = "[80,81]";
  for (int i = 1; i < 20; ++i) wide.port_groups[fmt::format("V{}", i)] = fmt::format("[$V{},$V{}]", i - 1, i - 1);
  CHECK_FALSE(parse_port_group("$V19", wide));
}

TEST_CASE("language: variables") {
  RuleVariables variables = RuleVariables::defaults();
  REQUIRE(set_rule_variable(variables, "vars.address-groups.HOME_NET", "[203.0.113.0/24]"));
  CHECK(has(addresses("$HTTP_SERVERS", variables), "203.0.113.7"));
  CHECK(has(addresses("$EXTERNAL_NET", variables), "10.0.0.1"));
  REQUIRE(set_rule_variable(variables, "vars.port-groups.MY_PORTS", "[8000:8010]"));
  CHECK(parse_port_group("$MY_PORTS", variables)->contains(8005));
  const auto message = [&](std::string_view key, std::string_view value) {
    const auto set = set_rule_variable(variables, key, value);
    return set ? std::string() : set.error().message;
  };
  CHECK(message("vars.address-groups.X", "10.0.0.300") == "vars.address-groups.X: not an address: 10.0.0.300");
  CHECK(message("vars.port-groups.X", "$NONE") == "vars.port-groups.X: undefined variable: $NONE");
  CHECK(message("vars.port-groups.X Y", "80") == "vars.port-groups.X Y: not a variable name: X Y");
  CHECK(message("stream.midstream", "true") == "not a rule variable: stream.midstream");
  CHECK(variables.address_groups.count("X") == 0);
  for (const auto& [name, value] : RuleVariables::defaults().address_groups)
    CHECK(parse_address_group("$" + name, variables));
  for (const auto& [name, value] : RuleVariables::defaults().port_groups)
    CHECK(parse_port_group("$" + name, variables));
}

}  // namespace gatetape::test
