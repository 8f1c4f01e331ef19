// The order of detection over the whole path: real packets, reassembly, HTTP, rules. What is expected was written down
// from how Suricata's detection runs; tests/rules/engine/order_test.cc has the finer cases.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "capture/pipeline.h"
#include "rules/engine/compile.h"
#include "tests/support/packet_builder.h"

using namespace gatetape;
using test::tcp;

namespace {

using Sids = std::vector<uint32_t>;

// One connection through a pipeline with rules, and the sids of its alerts in the order told.
class Bench {
 public:
  explicit Bench(const std::string& rules)
      : filter_(PacketFilter::compile({}, {LinkType::kEthernet}).value()), outlet_(true, false) {
    ParsedRules parsed = parse_rule_text("test.rules", rules, RuleVariables::defaults());
    REQUIRE(parsed.report.problems.empty());
    DatabaseCache no_cache("");
    auto compiled = RuleSet::compile(std::move(parsed), no_cache);
    REQUIRE(compiled);
    pipeline_ = std::make_unique<Pipeline>(PipelineOptions{}, filter_, *compiled, nullptr, outlet_);
    segment(true, kTcpSyn, "", 0);
    segment(false, kTcpSyn | kTcpAck, "", 0);
    client_next_ = server_next_ = 1;
    segment(true, kTcpAck, "", 0);
  }

  void client(std::string_view payload) {
    segment(true, kTcpAck | kTcpPsh, payload, 0);
    client_next_ += static_cast<uint32_t>(payload.size());
  }
  void server(std::string_view payload) {
    segment(false, kTcpAck | kTcpPsh, payload, 0);
    server_next_ += static_cast<uint32_t>(payload.size());
  }
  // The second part first, so that the first brings all of it.
  void client_backwards(std::string_view payload, size_t cut) {
    segment(true, kTcpAck | kTcpPsh, payload.substr(cut), static_cast<uint32_t>(cut));
    segment(true, kTcpAck | kTcpPsh, payload.substr(0, cut), 0);
    client_next_ += static_cast<uint32_t>(payload.size());
  }
  // Ends the capture. The order is that of the records.
  Sids finish() {
    pipeline_->finish();
    Sids sids;
    while (RecordBatch* batch = outlet_.take_full()) {
      REQUIRE(for_each_record(batch->bytes(), [&](const Record& record) {
        if (const auto* alert = std::get_if<AlertRecord>(&record)) sids.push_back(alert->sid);
        if (std::holds_alternative<HttpRecord>(record)) ++transactions;
      }));
      outlet_.give_back(batch);
    }
    return sids;
  }
  size_t transactions = 0;

 private:
  void segment(bool from_client, uint8_t flags, std::string_view payload, uint32_t ahead) {
    const uint32_t mine = from_client ? 1000 + client_next_ : 5000 + server_next_;
    const uint32_t theirs = from_client ? 5000 + server_next_ : 1000 + client_next_;
    const test::TcpFields fields{mine + ahead, (flags & kTcpAck) != 0 ? theirs : 0, flags, payload};
    const test::PacketBytes built = from_client ? tcp("203.0.113.7", 4000, "10.9.0.100", 80, fields)
                                                : tcp("10.9.0.100", 80, "203.0.113.7", 4000, fields);
    burst_.count = 1;
    burst_.packets[0] = built.packet(++time_ms_ * 1'000'000);
    burst_.packets[0].ordinal = ordinal_++;
    pipeline_->process(burst_);
  }

  PacketFilter filter_;
  RecordOutlet outlet_;
  std::unique_ptr<Pipeline> pipeline_;
  Burst burst_;
  int64_t time_ms_ = 1'700'000'000'000;
  uint64_t ordinal_ = 0;
  uint32_t client_next_ = 0, server_next_ = 0;
};

constexpr std::string_view kRequest = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view kResponse = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const std::string kAlerts =
    "alert tcp any any -> any any (content:\"GET\"; sid:2;)\n"
    "alert http any any -> any any (http.uri; content:\"/x\"; sid:3;)\n"
    "alert http any any -> any any (file.data; content:\"hello\"; sid:4;)\n";

}  // namespace

TEST_CASE("a pass rule for addresses alone leaves no alert of stream and HTTP") {
  Bench without(kAlerts);
  without.client(kRequest);
  without.server(kResponse);
  CHECK(without.finish() == Sids{2, 3, 4});
  CHECK(without.transactions == 1);

  Bench bench(kAlerts + "pass ip any any -> any any (sid:1;)\n");
  bench.client(kRequest);
  bench.server(kResponse);
  CHECK(bench.finish().empty());
  CHECK(bench.transactions == 1);
}

TEST_CASE("in one packet, dsize's flowbit is in time for a rule on the stream, http.uri's is not") {
  const std::string asker = "alert tcp any any -> any any (content:\"GET\"; flowbits:isset,seen; sid:2;)\n";
  Bench by_size(asker + "alert tcp any any -> any any (dsize:28; flowbits:set,seen; noalert; sid:1;)\n");
  by_size.client(kRequest);
  CHECK(by_size.finish() == Sids{2});

  Bench by_uri(asker +
               "alert http any any -> any any (http.uri; content:\"/x\"; flowbits:set,seen; noalert; sid:1;)\n");
  by_uri.client(kRequest);
  by_uri.server(kResponse);
  by_uri.client(kRequest);
  CHECK(by_uri.finish() == Sids{2});

  Bench once(asker + "alert http any any -> any any (http.uri; content:\"/x\"; flowbits:set,seen; noalert; sid:1;)\n");
  once.client(kRequest);
  CHECK(once.finish().empty());
}

TEST_CASE("alerts come in rule order, however a packet's bytes came together") {
  const std::string rules =
      "alert tcp any any -> any any (content:\"GET\"; priority:2; sid:20;)\n"
      "alert http any any -> any any (http.uri; content:\"/x\"; priority:1; sid:30;)\n"
      "alert tcp any any -> any any (content:\"Host\"; priority:2; sid:10;)\n"
      "drop http any any -> any any (http.host; content:\"a\"; priority:4; sid:40;)\n";
  const Sids expected{40, 30, 10, 20};
  Bench whole(rules);
  whole.client(kRequest);
  CHECK(whole.finish() == expected);
  for (size_t cut = 1; cut < kRequest.size(); ++cut) {
    INFO(cut);
    Bench backwards(rules);
    backwards.client_backwards(kRequest, cut);
    CHECK(backwards.finish() == expected);
  }
}

TEST_CASE("transactions that end within one packet are kept until it is looked at, and more are not missed") {
  const std::string rules =
      "alert tcp any any -> any any (content:\"last\"; priority:1; sid:1;)\n"
      "alert http any any -> any any (http.stat_code; content:\"200\"; priority:2; sid:2;)\n";
  for (const size_t count : {3u, 20u, 200u}) {
    INFO(count);
    Bench bench(rules);
    std::string requests, responses;
    for (size_t i = 0; i < count; ++i) {
      requests += "GET / HTTP/1.1\r\n\r\n";
      responses += "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + std::string(i + 1 == count ? "last" : "more");
    }
    bench.client(requests);
    bench.server(responses);
    const Sids sids = bench.finish();
    CHECK(bench.transactions == count);
    CHECK(std::count(sids.begin(), sids.end(), 1u) == 1);
    CHECK(std::count(sids.begin(), sids.end(), 2u) == static_cast<ptrdiff_t>(count));
    if (count < 64) CHECK(sids.front() == 1);
  }
}
