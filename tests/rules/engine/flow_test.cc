#include <malloc.h>

#include "rules/engine/flow_rule_state.h"
#include "rules/engine/threshold.h"
#include "tests/rules/engine/engine_support.h"

namespace gatetape {
namespace {

using engine_test::compile_text;
using engine_test::Exchange;
using engine_test::Talk;
using Sids = std::vector<uint32_t>;

TEST_CASE("flowbits are the flow's, and setting comes before asking") {
  const auto rules = compile_text(
      "alert tcp any any -> any any (content:\"two\"; flowbits:isset,seen; sid:2;)\n"
      "alert tcp any any -> any any (content:\"one\"; flowbits:set,seen; flowbits:noalert; sid:1;)\n"
      "alert tcp any any -> any any (content:\"two\"; flowbits:isnotset,seen; sid:3;)\n");
  Talk talk(rules);
  CHECK(talk.stream("two") == Sids{3});
  CHECK(talk.stream("one").empty());
  CHECK(talk.stream("two") == Sids{2});
  Talk together(rules);
  CHECK(together.stream("onetwo") == Sids{2});
  Talk other(rules);
  CHECK(other.stream("two") == Sids{3});
}

TEST_CASE("flow options, ports and addresses") {
  Talk talk(
      compile_text("alert tcp any any -> any 80 (content:\"x\"; flow:established,to_server; sid:1;)\n"
                   "alert tcp any any -> any 81 (content:\"x\"; sid:2;)\n"
                   "alert tcp any any -> any any (content:\"x\"; flow:to_client; sid:3;)\n"
                   "alert tcp $EXTERNAL_NET any -> $HOME_NET any (content:\"x\"; sid:4;)\n"
                   "alert tcp $HOME_NET any -> $EXTERNAL_NET any (content:\"x\"; sid:5;)\n"
                   "alert tcp 203.0.113.8 any -> any any (content:\"x\"; sid:6;)\n"
                   "alert tcp any 80 <> any any (content:\"x\"; sid:7;)\n"));
  CHECK(talk.stream("x") == Sids{1, 4, 7});
  CHECK(talk.stream("x", Direction::kToClient) == Sids{3, 5, 7});
  talk.facts.established = false;
  CHECK(talk.stream("x") == Sids{4, 7});
}

TEST_CASE("pass ends matching for the packet, or for the flow if it is the stream's") {
  Talk talk(
      compile_text("alert tcp any any -> any any (content:\"bad\"; sid:1;)\n"
                   "pass tcp any any -> any any (content:\"friend\"; sid:2;)\n"));
  CHECK(talk.stream("bad") == Sids{1});
  CHECK(talk.stream("friend bad").empty());
  CHECK(talk.stream("bad").empty());
}

TEST_CASE("packet and stream report the same match once") {
  Talk talk(
      compile_text("alert tcp any any -> any any (content:\"abc\"; depth:3; sid:1;)\n"
                   "alert tcp-pkt any any -> any any (content:\"abc\"; sid:2;)\n"
                   "alert tcp-stream any any -> any any (content:\"abc\"; sid:3;)\n"));
  CHECK(talk.stream("abc") == Sids{1, 3});
  CHECK(talk.packet("abc") == Sids{1, 2});
  CHECK(talk.packet("xabc") == Sids{2});
  CHECK(talk.stream("abc") == Sids{3});
}

TEST_CASE("positions in a stream count from its start") {
  const auto rules = compile_text("alert tcp any any -> any any (content:\"abc\"; offset:1; depth:3; sid:1;)");
  CHECK(Talk(rules).stream("xabcxabc") == Sids{1});
  CHECK(Talk(rules).stream("xxabcabc").empty());
  Talk divided(rules);
  CHECK(divided.stream("xab").empty());
  CHECK(divided.stream("c") == Sids{1});
  CHECK(divided.stream("xabc").empty());
}

TEST_CASE("a gap is not matched across") {
  Talk talk(compile_text("alert tcp any any -> any any (content:\"abcdef\"; sid:1;)"));
  CHECK(talk.stream("abc").empty());
  talk.facts.stream_bytes[0] += 10;
  CHECK(talk.stream("def").empty());
  CHECK(talk.stream("abcdef") == Sids{1});
}

size_t count(ThresholdTable& table, const Threshold& threshold, int matches, int64_t step_ns) {
  size_t reported = 0;
  ThresholdQuestion question;
  question.threshold = &threshold;
  for (int i = 0; i < matches; ++i) {
    question.timestamp_ns = 1 + i * step_ns;
    reported += table.count_and_ask(question);
  }
  return reported;
}

TEST_CASE("thresholds report as often as documented") {
  constexpr int64_t kSecond = 1'000'000'000;
  const auto reported = [&](ThresholdKind kind, uint32_t limit, uint32_t seconds, int matches, int64_t step_ns) {
    ThresholdTable table;
    return count(table, {kind, ThresholdTrack::kBySource, limit, seconds, 10}, matches, step_ns);
  };
  CHECK(reported(ThresholdKind::kLimit, 2, 60, 10, kSecond) == 2);
  CHECK(reported(ThresholdKind::kLimit, 2, 4, 10, kSecond) == 4);
  CHECK(reported(ThresholdKind::kThreshold, 3, 60, 10, kSecond) == 3);
  CHECK(reported(ThresholdKind::kBoth, 3, 60, 10, kSecond) == 1);
  CHECK(reported(ThresholdKind::kBoth, 3, 60, 2, kSecond) == 0);
  CHECK(reported(ThresholdKind::kDetectionFilter, 3, 60, 10, kSecond) == 7);
  CHECK(reported(ThresholdKind::kBackoff, 1, 0, 100, 1) == 3);  // the 1st, 10th and 100th
}

TEST_CASE("thresholds are bounded, and count addresses apart") {
  ThresholdTable table;
  const Threshold threshold{ThresholdKind::kLimit, ThresholdTrack::kBySource, 1, 3600, 0};
  ThresholdQuestion question;
  question.threshold = &threshold;
  size_t reported = 0;
  for (uint32_t i = 0; i < 4 * ThresholdTable::kEntriesMax; ++i) {
    for (size_t b = 0; b < 4; ++b) question.source.bytes[12 + b] = static_cast<uint8_t>(i >> (8 * b));
    reported += table.count_and_ask(question);
  }
  CHECK(reported == 4 * ThresholdTable::kEntriesMax);
  CHECK(table.evicted() >= 3 * ThresholdTable::kEntriesMax);
}

size_t heap_bytes() {
  return mallinfo2().uordblks;
}

TEST_CASE("endless streams, bodies and transactions cost bounded memory") {
  const auto rules = compile_text(
      "alert tcp any any -> any any (content:\"abc\"; content:\"zzz\"; distance:0; sid:1;)\n"
      "alert http any any -> any any (file.data; content:\"abc\"; content:\"zzz\"; distance:0; sid:2;)\n");
  Talk talk(rules);
  Exchange exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nServer: b\r\n\r\n");
  const std::string piece = "abc" + std::string(1400, '.');
  const auto go_on = [&] {
    for (int i = 0; i < 400; ++i) {
      talk.stream(piece);
      talk.body(exchange, Direction::kToClient, piece);
    }
    for (int i = 0; i < 200; ++i) {
      ++exchange.id;
      talk.head(exchange, Direction::kToClient);
      talk.body(exchange, Direction::kToClient, piece);
    }
  };
  talk.head(exchange, Direction::kToClient);
  go_on();
  const size_t before = heap_bytes();
  for (int i = 0; i < 5; ++i) go_on();
  CHECK(heap_bytes() <= before + 4096);
}

TEST_CASE("what matches nothing allocates nothing") {
  const auto rules = compile_text(
      "alert tcp any any -> any any (content:\"needle\"; sid:1;)\n"
      "alert http any any -> any any (http.uri; content:\"needle\"; sid:2;)\n"
      "alert http any any -> any any (file.data; content:\"needle\"; sid:3;)\n");
  Talk talk(rules);
  Exchange exchange("GET /path HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nServer: b\r\n\r\n");
  const std::string piece(1400, '.');
  const auto transact = [&] {
    ++exchange.id;
    talk.stream(piece);
    talk.message(exchange, Direction::kToServer);
    talk.message(exchange, Direction::kToClient, {piece, piece});
    talk.transaction_end(exchange);
  };
  for (int i = 0; i < 3; ++i) transact();
  const size_t before = heap_bytes();
  for (int i = 0; i < 100; ++i) transact();
  CHECK(heap_bytes() == before);
}

TEST_CASE("windows are lent: the oldest is taken away") {
  FlowStatePool pool;
  std::vector<FlowRuleState*> states;
  for (size_t i = 0; i < kStreamWindowsMax + 3; ++i) {
    states.push_back(pool.acquire());
    pool.window_of(*states.back(), 0);
  }
  CHECK(pool.counters.windows_taken_away == 3);
  CHECK(states[0]->streams()[0].window == nullptr);
  CHECK(states[3]->streams()[0].window != nullptr);
  for (FlowRuleState* state : states) pool.release(state);
}

}  // namespace
}  // namespace gatetape
