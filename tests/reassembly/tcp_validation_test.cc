// Every verdict on a segment, and that it is counted.
#include "reassembly/tcp_validation.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "tests/reassembly/tcp_connection_fixture.h"

using namespace gatetape;
using gatetape::test::TcpFixture;

namespace {

constexpr Direction kClient = Direction::kToServer, kServer = Direction::kToClient;

// The verdicts of the slow path so far, other than accepted: "name name*2 ...".
std::string verdicts(const TcpFixture& t) {
  std::string out;
  for (size_t i = 1; i < kSegmentVerdictCount; ++i) {
    const auto verdict = static_cast<SegmentVerdict>(i);
    const uint64_t count = t.reassembler.counters().verdict(verdict);
    if (count == 0) continue;
    if (!out.empty()) out += ' ';
    out += to_string(verdict);
    if (count > 1) out += '*' + std::to_string(count);
  }
  return out;
}

}  // namespace

TEST_CASE("each verdict has a name of its own", "[tcp]") {
  std::set<std::string> names;
  for (size_t i = 0; i < kSegmentVerdictCount; ++i) names.insert(to_string(static_cast<SegmentVerdict>(i)));
  REQUIRE(names.size() == kSegmentVerdictCount);
}

TEST_CASE("an ordinary connection is accepted, and its data takes the inlined path", "[tcp]") {
  TcpFixture t;
  t.handshake();
  const uint64_t accepted = t.reassembler.counters().verdict(SegmentVerdict::kAccepted);
  REQUIRE(accepted == 3);
  t.acknowledge(kServer, 0);
  t.data(kClient, 0, "abc");
  t.data(kClient, 3, "def");
  REQUIRE(t.reassembler.counters().verdict(SegmentVerdict::kAccepted) <= accepted + 1);
  t.send(kClient, kTcpAck | kTcpFin, 6, "");
  REQUIRE(verdicts(t).empty());
}

TEST_CASE("verdicts on resets", "[tcp]") {
  TcpFixture t;
  t.handshake();
  t.data(kClient, 0, "abc");
  t.send(kClient, kTcpRst, 2, "");
  t.send(kClient, kTcpRst, 4, "");
  REQUIRE(verdicts(t) == "reset_misplaced*2");
  t.data(kClient, 5, "fg");         // waits behind a hole
  t.send(kClient, kTcpRst, 6, "");  // inside of what waits
  t.send(kClient, kTcpRst, 7, "");  // behind it
  t.send(kClient, kTcpRst, 7, "");  // the connection is gone
  t.send(kServer, kTcpRst, 123, "");
  REQUIRE(verdicts(t) == "reset_accepted reset_misplaced*3 reset_after_close*2");
  REQUIRE(t.connection.state() == TcpState::kReset);
}

TEST_CASE("verdicts on SYNs", "[tcp]") {
  TcpFixture t;
  t.send(kClient, kTcpSyn, -1, "");
  t.send(kClient, kTcpSyn, -1, "");
  REQUIRE(verdicts(t) == "syn_repeated");
  t.send_raw(kServer, kTcpSyn | kTcpAck, 5000, "", 1000);  // acknowledges what was before the SYN
  REQUIRE(verdicts(t) == "syn_repeated syn_ack_of_nothing");
  REQUIRE(t.connection.state() == TcpState::kSynSent);
  t.send(kServer, kTcpSyn | kTcpAck, -1, "");
  t.send(kClient, kTcpAck, 0, "");
  t.send(kClient, kTcpSyn, 700, "");
  t.send(kServer, kTcpSyn | kTcpAck, 900, "");
  REQUIRE(verdicts(t) == "syn_repeated syn_challenged syn_ack_misplaced syn_ack_of_nothing");
  t.data(kClient, 0, "abc");
  REQUIRE(t.log(kClient) == "abc");
}

TEST_CASE("verdicts on bytes beyond the window", "[tcp]") {
  TcpFixture seen;
  seen.handshake();
  for (int i = 0; i < 6; ++i) seen.data(kClient, 100'000'000, "far");
  REQUIRE(verdicts(seen) == "beyond_window*6");

  TcpFixture one_sided;
  one_sided.data(kClient, 0, "abc");
  for (int i = 0; i < 3; ++i) one_sided.data(kClient, 100'000'000, "far");
  REQUIRE(verdicts(one_sided) == "beyond_window*3");
  one_sided.data(kClient, 100'000'000, "far");
  REQUIRE(verdicts(one_sided) == "beyond_window*3 beyond_window_believed");
  one_sided.finish();
  REQUIRE(one_sided.log(kClient) == "abc[99999997]far$");
}

TEST_CASE("a connection begun in the middle may be unwanted", "[tcp]") {
  TcpOptions options;
  options.midstream = false;
  TcpFixture t(options);
  t.data(kClient, 0, "abc");
  t.data(kServer, 0, "abc");
  REQUIRE(verdicts(t) == "not_followed*2");
}
