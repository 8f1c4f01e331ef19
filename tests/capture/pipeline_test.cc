// The path of a packet, from bytes on a wire to records, without threads.
#include "capture/pipeline.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/packet_builder.h"

using namespace gatetape;
using test::tcp;

namespace {

constexpr const char* kClient = "10.9.0.1";
constexpr const char* kServer = "10.9.0.100";

// A pipeline without rules and store, and what came out of it.
class Bench {
 public:
  explicit Bench(const FilterOptions& filter = {}, const PipelineOptions& options = {})
      : filter_(PacketFilter::compile(filter, {LinkType::kEthernet}).value()),
        outlet_(true, false),
        pipeline_(std::make_unique<Pipeline>(options, filter_, nullptr, nullptr, outlet_)) {}

  void feed(const test::PacketBytes& built) {
    burst_.count = 1;
    burst_.packets[0] = built.packet(++time_ns_ * 1'000'000);
    burst_.packets[0].ordinal = ordinal_++;
    pipeline_->process(burst_);
  }
  void finish() {
    pipeline_->finish();
    account = pipeline_->account();
    while (RecordBatch* batch = outlet_.take_full()) {
      REQUIRE(for_each_record(batch->bytes(), [this](const Record& record) { keep(record); }));
      outlet_.give_back(batch);
    }
  }

  WorkerAccount account;
  struct Http {
    std::string method, uri, host;
    uint16_t status;
    bool complete;
    uint64_t response_body_length;
  };
  std::vector<Http> http;
  std::vector<FlowRecord> flows;

 private:
  void keep(const Record& record) {
    if (const auto* h = std::get_if<HttpRecord>(&record)) {
      http.push_back({std::string(h->method), std::string(h->uri), std::string(h->host), h->status, h->complete,
                      h->response_body_length});
    } else if (const auto* f = std::get_if<FlowRecord>(&record)) {
      flows.push_back(*f);
    }
  }

  PacketFilter filter_;
  RecordOutlet outlet_;
  std::unique_ptr<Pipeline> pipeline_;
  Burst burst_;
  int64_t time_ns_ = 1'700'000'000'000;
  uint64_t ordinal_ = 0;
};

// One connection: handshake, then each side's bytes as given, with right sequence numbers.
class Conversation {
 public:
  Conversation(Bench& bench, uint16_t port, uint32_t client_start = 1000)
      : bench_(bench), port_(port), client_next_(client_start) {}

  void open() {
    send(true, kTcpSyn, "");
    send(false, kTcpSyn | kTcpAck, "");
    send(true, kTcpAck, "");
  }
  void client(std::string_view payload) { send(true, kTcpAck | kTcpPsh, payload); }
  void server(std::string_view payload) { send(false, kTcpAck | kTcpPsh, payload); }
  void lose_from_server(uint32_t bytes) { server_next_ += bytes; }
  void close() {
    send(true, kTcpFin | kTcpAck, "");
    send(false, kTcpFin | kTcpAck, "");
    send(true, kTcpAck, "");
  }

 private:
  void send(bool from_client, uint8_t flags, std::string_view payload) {
    uint32_t& mine = from_client ? client_next_ : server_next_;
    const uint32_t theirs = from_client ? server_next_ : client_next_;
    const test::TcpFields fields{mine, (flags & kTcpAck) != 0 ? theirs : 0, flags, payload};
    bench_.feed(from_client ? tcp(kClient, port_, kServer, 80, fields) : tcp(kServer, 80, kClient, port_, fields));
    mine += static_cast<uint32_t>(payload.size()) + ((flags & (kTcpSyn | kTcpFin)) != 0);
  }

  Bench& bench_;
  const uint16_t port_;
  uint32_t client_next_;
  uint32_t server_next_ = 0xfffffff0;  // wraps around soon
};

constexpr std::string_view kResponse = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

}  // namespace

TEST_CASE("a connection becomes its transactions and one flow") {
  Bench bench;
  Conversation connection(bench, 4000);
  connection.open();
  connection.client("GET /a HTTP/1.1\r\nHost: shop.example.com\r\n\r\n");
  connection.server(kResponse);
  connection.client("GET /b HTTP/1.1\r\nHost: shop.example.com\r\n\r\n");
  connection.server(kResponse);
  connection.close();
  bench.finish();

  REQUIRE(bench.http.size() == 2);
  CHECK(bench.http[0].uri == "/a");
  CHECK(bench.http[1].uri == "/b");
  CHECK(bench.http[1].host == "shop.example.com");
  CHECK(bench.http[1].status == 200);
  CHECK(bench.http[1].complete);
  CHECK(bench.http[1].response_body_length == 5);
  REQUIRE(bench.flows.size() == 1);
  CHECK(bench.flows[0].endpoints.source.to_string() == kClient);
  CHECK(bench.flows[0].packets[0] == 6);
  CHECK(bench.flows[0].packets[1] == 4);
  CHECK(bench.flows[0].end == FlowEnd::kClosed);
  CHECK(bench.flows[0].http_transactions == 2);
  CHECK(bench.account[Counter::kReceived] == 10);
  CHECK(bench.account[Counter::kNotStored] == 10);
  CHECK(bench.account[Counter::kTcpSegments] == 10);
  CHECK(bench.account[Counter::kHttpBegun] == 2);
  CHECK(bench.account[Counter::kHttpComplete] == 2);
  CHECK(bench.account[Counter::kFlowsHeld] == 0);
  CHECK(bench.account[Counter::kHttpHeld] == 0);
  CHECK(bench.account.balances());
}

TEST_CASE("a request that comes byte by byte is the same request") {
  Bench bench;
  Conversation connection(bench, 4000);
  connection.open();
  const std::string request = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const char& c : request) connection.client({&c, 1});
  connection.server(kResponse);
  connection.close();
  bench.finish();
  REQUIRE(bench.http.size() == 1);
  CHECK(bench.http[0].method == "GET");
  CHECK(bench.http[0].uri == "/slow");
  CHECK(bench.http[0].status == 200);
}

TEST_CASE("ports used again are another connection, another flow") {
  Bench bench;
  for (uint32_t i = 0; i < 3; ++i) {
    Conversation connection(bench, 4000, 1000 + i * 100'000);
    connection.open();
    connection.client("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    connection.server(kResponse);
    connection.close();
  }
  bench.finish();
  CHECK(bench.flows.size() == 3);
  CHECK(bench.http.size() == 3);
}

TEST_CASE("what the mirror lost is a gap with its size, and the transaction says so") {
  Bench bench;
  Conversation connection(bench, 4000);
  connection.open();
  connection.client("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
  connection.server("HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n");
  connection.lose_from_server(1000);
  connection.server(std::string(2000, 'x'));
  connection.client("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");  // acknowledges all of it
  connection.server(kResponse);
  connection.close();
  bench.finish();
  REQUIRE(bench.http.size() == 2);
  CHECK(bench.http[1].uri == "/next");
  CHECK(bench.http[1].status == 200);
  CHECK(bench.account[Counter::kTcpAcknowledgedUnseen] == 1000);
  CHECK(bench.account[Counter::kTcpGaps] == 1);
  CHECK(bench.account[Counter::kTcpGapBytes] == 1000);
  REQUIRE(bench.flows.size() == 1);
  CHECK(bench.flows[0].gap_bytes[1] == 1000);
}

TEST_CASE("filtered packets are counted by cause and open no flow") {
  FilterOptions filter;
  filter.ingress = parse_prefix_list(kServer).value();
  filter.bpf = "port 80";
  Bench bench(filter);
  bench.feed(tcp(kClient, 4000, kServer, 80));
  bench.feed(tcp(kClient, 4000, kServer, 81));
  bench.feed(tcp(kClient, 4000, "10.9.0.7", 80));
  bench.finish();
  CHECK(bench.account[Counter::kReceived] == 3);
  CHECK(bench.account[Counter::kFilteredNotIngress] == 1);
  CHECK(bench.account[Counter::kFilteredBpf] == 1);
  CHECK(bench.account[Counter::kToIngress] == 2);  // the mirror shows it, whatever else is filtered
  CHECK(bench.account.balances());
  CHECK(bench.flows.size() == 1);
}

TEST_CASE("a wrong checksum keeps bytes out of the stream, not out of the account") {
  for (const bool validate : {true, false}) {
    PipelineOptions options;
    options.validate_checksums = validate;
    Bench bench({}, options);
    Conversation connection(bench, 4000);
    connection.open();
    test::PacketBytes request =
        tcp(kClient, 4000, kServer, 80, {1001, 0xfffffff1, kTcpAck | kTcpPsh, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"});
    request.bytes().back() ^= 1;  // the last line feed; a receiver would drop the segment
    bench.feed(request);
    bench.finish();
    CHECK(bench.account[Counter::kBadChecksum] == (validate ? 1 : 0));
    CHECK(bench.http.size() == (validate ? 0 : 1));
    CHECK(bench.account[Counter::kNotStored] == 4);
  }
}

TEST_CASE("time that steps back is counted, and order stays arrival order") {
  Bench bench;
  const test::PacketBytes built = tcp(kClient, 1, kServer, 80);
  Burst burst;
  burst.count = 3;
  for (int i = 0; i < 3; ++i) burst.packets[i] = built.packet(1000 - i);
  FilterOptions none;
  const PacketFilter filter = PacketFilter::compile(none, {LinkType::kEthernet}).value();
  RecordOutlet outlet(false, false);
  Pipeline pipeline({}, filter, nullptr, nullptr, outlet);
  pipeline.process(burst);
  CHECK(pipeline.account()[Counter::kTimeSteppedBack] == 2);
  CHECK(pipeline.account()[Counter::kFlowsHeld] == 1);
}

TEST_CASE("a flood of new connections costs bounded memory and is counted") {
  PipelineOptions options;
  options.flows_max = 1000;
  Bench bench({}, options);
  for (uint16_t port = 1; port <= 5000; ++port) bench.feed(tcp(kClient, port, kServer, 80, {1, 0, kTcpSyn, ""}));
  bench.finish();
  CHECK(bench.account[Counter::kFlowsCreated] == 5000);
  CHECK(bench.account[Counter::kFlowsEvicted] == 4000);
  CHECK(bench.flows.size() == 5000);
}
