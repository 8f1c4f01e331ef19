// The order in which a packet's rules are looked at and its alerts told. What is expected was written down from how
// Suricata's detection runs (packet and stream rules, then transactions, then the sorted alerts), not from what the
// matcher does.
#include <fmt/format.h>

#include <deque>

#include "rules/engine/flowbit_names.h"
#include "tests/rules/engine/engine_support.h"

namespace gatetape {
namespace {

using engine_test::compile_text;
using engine_test::Exchange;
using engine_test::Talk;
using Sids = std::vector<uint32_t>;

constexpr Direction kRequest = Direction::kToServer;
constexpr const char* kHead = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

Exchange get(uint64_t id = 0, std::string_view head = kHead) {
  return Exchange(head, "", id);
}

// A packet whose payload is the next part of the stream and a whole request.
Sids whole_packet(Talk& talk, const Exchange& exchange, std::string_view payload = kHead) {
  talk.begin(payload);
  talk.add_stream(payload);
  talk.add_message(exchange, kRequest);
  return talk.end();
}

TEST_CASE("a pass rule for addresses alone passes packet, stream and transaction, and the flow after it") {
  const std::string alerts =
      "alert tcp any any -> any any (dsize:>0; sid:2;)\n"
      "alert tcp any any -> any any (content:\"GET\"; sid:3;)\n"
      "alert http any any -> any any (http.uri; content:\"/x\"; sid:4;)\n";
  Talk without(compile_text(alerts));
  CHECK(whole_packet(without, get()) == Sids{2, 3, 4});
  Talk talk(compile_text(alerts + "pass ip any any -> any any (sid:1;)\n"));
  CHECK(whole_packet(talk, get()).empty());
  CHECK(whole_packet(talk, get(1)).empty());
  // Passed from one side, passed from both.
  Talk one_sided(compile_text(alerts + "pass ip 203.0.113.7 any -> any any (sid:1;)\n"));
  CHECK(whole_packet(one_sided, get()).empty());
  CHECK(one_sided.packet("x", Direction::kToClient).empty());
}

TEST_CASE("a pass rule about one packet passes its stream bytes and transactions, and no other packet") {
  Talk talk(
      compile_text("pass tcp any any -> any any (dsize:28; sid:1;)\n"
                   "alert tcp any any -> any any (content:\"GET\"; flowbits:set,got; sid:2;)\n"
                   "alert http any any -> any any (http.uri; content:\"/x\"; sid:3;)\n"
                   "alert tcp any any -> any any (dsize:29; flowbits:isset,got; sid:4;)\n"));
  REQUIRE(std::string_view(kHead).size() == 28);
  CHECK(whole_packet(talk, get()).empty());
  // The passed packet's rules still set their flowbits.
  CHECK(talk.packet(std::string(29, '.')) == Sids{4});
  CHECK(whole_packet(talk, get(1), std::string(kHead) + ".") == Sids{2, 4, 3});
}

TEST_CASE("a pass in a transaction removes the packet's alerts, whatever was found first") {
  Talk talk(
      compile_text("alert tcp any any -> any any (dsize:>0; priority:1; sid:1;)\n"
                   "alert http any any -> any any (http.uri; content:\"/x\"; sid:2;)\n"
                   "pass http any any -> any any (http.host; content:\"friend\"; sid:3;)\n"));
  CHECK(whole_packet(talk, get()) == Sids{1, 2});
  talk.begin(kHead);
  const Exchange first = get(1), friendly = get(2, "GET /x HTTP/1.1\r\nHost: friend\r\n\r\n"), third = get(3);
  for (const Exchange* exchange : {&first, &friendly, &third}) talk.add_message(*exchange, kRequest);
  CHECK(talk.end().empty());
  CHECK(whole_packet(talk, get(4)).empty());
}

TEST_CASE("a packet rule's flowbit is in time for the stream, a transaction's is not") {
  const std::string asker = "alert tcp any any -> any any (content:\"GET\"; flowbits:isset,seen; sid:2;)\n";
  Talk by_packet(compile_text(asker + "alert tcp any any -> any any (dsize:>3; flowbits:set,seen; noalert; sid:1;)\n"));
  CHECK(whole_packet(by_packet, get()) == Sids{2});

  Talk by_transaction(compile_text(
      asker + "alert http any any -> any any (http.uri; content:\"/x\"; flowbits:set,seen; noalert; sid:1;)\n"));
  CHECK(whole_packet(by_transaction, get()).empty());
  CHECK(whole_packet(by_transaction, get(1)) == Sids{2});

  // The stream's flowbit is in time for the packet's rule, and for transactions.
  Talk by_stream(
      compile_text("alert tcp any any -> any any (dsize:>3; flowbits:isset,seen; sid:2;)\n"
                   "alert http any any -> any any (http.method; content:\"GET\"; flowbits:isset,seen; sid:3;)\n"
                   "alert tcp any any -> any any (content:\"GET\"; flowbits:set,seen; noalert; sid:1;)\n"));
  CHECK(whole_packet(by_stream, get()) == Sids{2, 3});
}

TEST_CASE("a flowbit of a transaction is in time for itself and those after it") {
  Talk talk(
      compile_text("alert http any any -> any any (http.uri; content:\"/set\"; flowbits:set,seen; noalert; sid:1;)\n"
                   "alert http any any -> any any (http.host; content:\"a\"; flowbits:isset,seen; sid:2;)\n"));
  const Exchange before = get(0), setter = get(1, "GET /set HTTP/1.1\r\nHost: b\r\n\r\n"), after = get(2);
  talk.begin(kHead);
  for (const Exchange* exchange : {&before, &setter}) talk.add_message(*exchange, kRequest);
  CHECK(talk.end().empty());
  CHECK(whole_packet(talk, after) == Sids{2});
  Talk itself(
      compile_text("alert http any any -> any any (http.uri; content:\"/x\"; flowbits:isset,seen; sid:1;)\n"
                   "alert http any any -> any any (http.method; content:\"GET\"; flowbits:set,seen; sid:2;)\n"));
  CHECK(whole_packet(itself, get()) == Sids{2, 1});
}

TEST_CASE("alerts of a packet come in rule order, whatever they matched") {
  Talk talk(
      compile_text("alert tcp any any -> any any (dsize:>0; priority:3; sid:10;)\n"
                   "alert tcp any any -> any any (content:\"GET\"; priority:2; sid:20;)\n"
                   "alert http any any -> any any (http.uri; content:\"/x\"; priority:1; sid:30;)\n"
                   "alert http any any -> any any (http.method; content:\"GET\"; priority:2; sid:15;)\n"
                   "alert tcp any any -> any any (content:\"/x\"; priority:2; sid:5;)\n"
                   "alert tcp any any -> any any (content:\"GET\"; flowbits:isset,a; priority:4; sid:36;)\n"
                   "alert tcp any any -> any any (dsize:>1; flowbits:set,a; priority:4; sid:35;)\n"
                   "reject tcp any any -> any any (dsize:>0; priority:4; sid:41;)\n"
                   "drop tcp any any -> any any (content:\"Host\"; priority:4; sid:40;)\n"));
  CHECK(whole_packet(talk, get()) == Sids{40, 41, 35, 36, 30, 5, 15, 20, 10});
}

TEST_CASE("a rule that matches several transactions of a packet tells the last one first") {
  Talk talk(compile_text("alert http any any -> any any (http.uri; content:\"/x\"; sid:1;)"));
  const Exchange first = get(0), second = get(1);
  talk.begin(kHead);
  talk.add_message(first, kRequest);
  talk.add_message(second, kRequest);
  std::vector<uint64_t> ids;
  for (const RuleHit& hit : talk.matcher.end_packet()) ids.push_back(hit.transaction->id);
  CHECK(ids == std::vector<uint64_t>{1, 0});
}

TEST_CASE("how a packet's bytes are cut changes nothing") {
  const auto rules = compile_text(
      "alert tcp any any -> any any (content:\"Host\"; priority:1; sid:1;)\n"
      "alert tcp any any -> any any (content:\"GET\"; flowbits:isset,host; priority:2; sid:2;)\n"
      "alert tcp any any -> any any (content:\"Host\"; flowbits:set,host; priority:3; sid:3;)\n"
      "alert tcp any any -> any any (content:\"GET\"; content:\"Host\"; distance:0; priority:4; sid:4;)\n");
  const std::string_view bytes = kHead;
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    Talk talk(rules);
    talk.begin(bytes);
    talk.add_stream(bytes.substr(0, cut));
    talk.add_stream(bytes.substr(cut));
    INFO(cut);
    CHECK(talk.end() == Sids{3, 2, 1, 4});
  }
}

TEST_CASE("thresholds count what a pass rule leaves") {
  Talk talk(
      compile_text("pass tcp any any -> any any (content:\"friend\"; dsize:6; sid:1;)\n"
                   "alert tcp-pkt any any -> any any (content:\"e\"; threshold:type threshold, track by_src, count 2, "
                   "seconds 60; sid:2;)\n"));
  CHECK(talk.packet("friend").empty());
  CHECK(talk.packet("bee").empty());
  CHECK(talk.packet("friend").empty());
  CHECK(talk.packet("bee") == Sids{2});
}

TEST_CASE("a transaction that ends within its packet is looked at in time, behind the packet's rules") {
  Talk talk(
      compile_text("alert tcp any any -> any any (dsize:>3; flowbits:set,seen; noalert; sid:1;)\n"
                   "alert http any any -> any any (http.uri; content:\"/x\"; flowbits:isset,seen; sid:2;)\n"
                   "alert tcp any any -> any any (dsize:>3; sid:3;)\n"));
  const Exchange exchange = get();
  talk.begin(kHead);
  talk.add_message(exchange, kRequest);
  CHECK(talk.transaction_end(exchange) == Sids{2, 3});
  CHECK(talk.matcher.counters().early_looks == 1);
  CHECK(talk.end().empty());
}

TEST_CASE("a packet that brings more than is held is looked at in parts, and nothing is missed") {
  Talk talk(
      compile_text("alert tcp any any -> any any (content:\"needle\"; sid:1;)\n"
                   "alert tcp any any -> any any (content:\"begin\"; content:\"stop\"; distance:0; sid:2;)\n"
                   "alert tcp any any -> any any (dsize:>3; flowbits:set,seen; noalert; sid:3;)\n"
                   "alert tcp any any -> any any (content:\"last\"; flowbits:isset,seen; sid:4;)\n"
                   "alert http any any -> any any (http.uri; content:\"/x\"; sid:5;)\n"));
  std::string bytes(40'000, '.');
  bytes.replace(20'000, 6, "needle").replace(30'000, 5, "begin").replace(32'000, 4, "stop").replace(39'990, 4, "last");
  talk.begin(bytes);
  talk.add_stream(bytes);
  CHECK(talk.end() == Sids{4, 1, 2});
  CHECK(talk.matcher.counters().early_looks > 0);

  std::deque<Exchange> many;
  for (uint64_t id = 0; id < 500; ++id) many.emplace_back(kHead, "", id);
  talk.begin(kHead);
  for (const Exchange& exchange : many) talk.add_message(exchange, kRequest);
  CHECK(talk.end() == Sids(500, 5));
}

TEST_CASE("flowbits have the same number in every rule set, and names have a limit") {
  const auto bit_of = [](const std::string& options, uint32_t rule) {
    return compile_text("alert tcp any any -> any any (" + options + " sid:1;)\n" +
                        "alert tcp any any -> any any (flowbits:isset,order-test-c; sid:2;)\n")
        ->rule(rule)
        .flowbit_changes.at(0)
        .bits.at(0);
  };
  const FlowbitId a = bit_of("flowbits:set,order-test-a;", 0);
  const FlowbitId b = bit_of("flowbits:set,order-test-b;", 0);
  CHECK(a != b);
  CHECK(bit_of("flowbits:set,order-test-b; flowbits:unset,order-test-a;", 0) == b);
  CHECK(bit_of("flowbits:unset,order-test-a;", 0) == a);

  FlowbitNames names(2);
  CHECK(names.id_of("a").value() == 0);
  CHECK(names.id_of("b").value() == 1);
  CHECK_FALSE(names.id_of("c"));
  CHECK(names.id_of("a").value() == 0);
}

}  // namespace
}  // namespace gatetape
