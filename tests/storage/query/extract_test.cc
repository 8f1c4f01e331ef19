#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "storage/query/extract.h"
#include "tests/storage/query/query_support.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

constexpr int64_t kSecond = 1'000'000'000;

bool have(const std::string& program) {
  int status = 1;
  run_command("command -v " + program, &status);
  if (status != 0) WARN("skipped: no " << program);
  return status == 0;
}

Expression compiled(const std::string& text, const MemoryStore& store) {
  Result<Expression> expression = Expression::parse(text);
  REQUIRE(expression);
  StoreSummary summary;
  summary.interfaces = store.interfaces;
  REQUIRE(expression->compile(link_types_of(summary)));
  return std::move(*expression);
}

ExtractStatement extract_to(MemoryStore& store, const std::string& text, const std::string& path,
                            const TimeRange& range = {}, CaptureFormat format = CaptureFormat::kPcapng) {
  Expression expression = compiled(text, store);
  ExtractRequest request;
  request.range = range;
  request.output.path = path;
  request.output.format = format;
  Result<ExtractStatement> statement = extract(store, expression, request, [] { return false; });
  if (!statement) FAIL(statement.error().message);
  return *statement;
}

void check_same(const std::vector<QueryPacket>& got, const std::vector<QueryPacket>& expected) {
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    INFO("packet " << i);
    REQUIRE(got[i].bytes == expected[i].bytes);
    REQUIRE(got[i].wire_length == expected[i].wire_length);
    REQUIRE(got[i].timestamp_ns == expected[i].timestamp_ns);
  }
}

void store_account(MemoryStore& store, int64_t time, uint64_t received, uint64_t missed, uint64_t dropped = 0,
                   int64_t run_started_ns = 0) {
  AccountRecord record;
  record.timestamp_ns = time;
  record.run_started_ns = run_started_ns;
  record.worker_account[Counter::kReceived] = received;
  record.worker_account[Counter::kDroppedStoreQueueFull] = dropped;
  record.worker_account[Counter::kStored] = received - dropped;
  record.port_account[PortCounter::kMissed] = missed;
  record.port_account[PortCounter::kReceived] = received;
  record.port_account[PortCounter::kOffered] = received + missed;
  store.records_batch.append(record);
}

}  // namespace

TEST_CASE("what is extracted is what was stored, in both formats, by libpcap's reading") {
  TemporaryDirectory directory;
  MemoryStore store;
  store.stored = packets_of_many_kinds(3, 500);
  store.stored[7].timestamp_ns -= 5 * kSecond;  // time steps back
  for (const CaptureFormat format : {CaptureFormat::kPcapng, CaptureFormat::kPcap}) {
    const std::string path = directory.path("all");
    const ExtractStatement statement = extract_to(store, "", path, {}, format);
    check_same(read_capture(path), store.stored);
    CHECK(statement.packets == 500);
    CHECK(statement.flows == 10);
    CHECK(statement.first_ns == store.stored[7].timestamp_ns);
  }
}

TEST_CASE("pcapng keeps times before 1970, and their packets' interface") {
  TemporaryDirectory directory;
  MemoryStore store;
  store.stored = packets_of_many_kinds(3, 50);
  store.stored[0].timestamp_ns = -1;
  store.stored[7].timestamp_ns = -9'000'000'000 * kSecond;
  store.stored[9].timestamp_ns = -315'619'200 * kSecond + 7;
  const std::string path = directory.path("early");
  extract_to(store, "", path, {}, CaptureFormat::kPcapng);
  const std::string names = "tshark -r " + path + " -T fields -e frame.interface_name 2>/dev/null | sort -u";
  check_same(read_capture(path), store.stored);
  if (have("tshark")) CHECK(run_command(names) == "eth0\n");
}

TEST_CASE("an expression and a time range select") {
  TemporaryDirectory directory;
  MemoryStore store;
  store.stored = packets_of_many_kinds(4, 2000);
  const TimeRange range{store.stored[100].timestamp_ns, store.stored[1500].timestamp_ns};
  const ExtractStatement statement = extract_to(store, "host 10.9.0.1 and not vlan", directory.path("some"), range);
  Expression expression = compiled("host 10.9.0.1 and not vlan", store);
  std::vector<QueryPacket> expected;
  for (size_t i = 100; i < 1500; ++i) {
    if (expression.matches(stored_packet(store.stored[i], i))) expected.push_back(store.stored[i]);
  }
  REQUIRE(expected.size() > 50);
  check_same(read_capture(directory.path("some")), expected);
  CHECK(statement.packets == expected.size());
}

TEST_CASE("tshark reads the pcapng: interfaces, nanoseconds, comments") {
  if (!have("tshark")) return;
  TemporaryDirectory directory;
  MemoryStore store;
  store.interfaces = {{"eth7", LinkType::kEthernet, 262144}, {"lo9", LinkType::kRaw, 1000}};
  store.stored = packets_of_many_kinds(5, 20);
  store.stored[3].interface_id = 1;
  store.stored[3].link_type = LinkType::kRaw;
  store.stored[4].interface_id = 9;  // unknown to the store's interface list
  store_account(store, store.stored[0].timestamp_ns, 0, 0);
  store_account(store, store.stored[19].timestamp_ns + kSecond, 20, 0);
  const std::string path = directory.path("all.pcapng");
  extract_to(store, "", path);
  const std::string fields =
      run_command("tshark -r " + path + " -T fields -e frame.interface_name -e frame.time_epoch 2>/dev/null");
  INFO(fields);
  CHECK(fields.find("eth7\t1700000000.000000001\n") == 0);
  CHECK(fields.find("lo9\t") != std::string::npos);
  const std::string comment =
      run_command("tshark -r " + path + " -Y 'frame.number == 1' 2>&1 >/dev/null; capinfos " + path);
  INFO(comment);
  CHECK(comment.find("Gatetape") != std::string::npos);
  CHECK(comment.find("Number of packets:   20") != std::string::npos);
}

TEST_CASE("a file appears under its name when it is complete, or not at all") {
  TemporaryDirectory directory;
  MemoryStore store;
  store.stored = packets_of_many_kinds(6, 100);
  const std::string path = directory.path("out.pcapng");
  std::ofstream(path) << "what was there before";
  Expression expression = compiled("", store);
  ExtractRequest request;
  request.output.path = path;
  int asked = 0;
  const auto interrupted = extract(store, expression, request, [&] { return ++asked == 50; });
  REQUIRE_FALSE(interrupted);
  CHECK(interrupted.error().message.find("interrupted") != std::string::npos);
  std::stringstream content;
  content << std::ifstream(path).rdbuf();
  CHECK(content.str() == "what was there before");
  CHECK(std::distance(std::filesystem::directory_iterator(std::filesystem::path(path).parent_path()), {}) == 1);

  request.output.path = directory.path("no/such/directory");
  const auto unopened = extract(store, expression, request, [] { return false; });
  REQUIRE_FALSE(unopened);
  CHECK(unopened.error().message.find("no/such/directory") != std::string::npos);

  request.output.path = "/dev/full";
  const auto full = extract(store, expression, request, [] { return false; });
  REQUIRE_FALSE(full);
  CHECK(full.error().message.find("/dev/full: write: No space left") != std::string::npos);
}

TEST_CASE("classic pcap refuses a second link type") {
  TemporaryDirectory directory;
  MemoryStore store;
  store.interfaces.push_back({"raw", LinkType::kRaw, 262144});
  store.stored = packets_of_many_kinds(7, 10);
  store.stored[5].link_type = LinkType::kRaw;
  Expression expression = compiled("", store);
  ExtractRequest request;
  request.output.path = directory.path("x.pcap");
  request.output.format = CaptureFormat::kPcap;
  const auto statement = extract(store, expression, request, [] { return false; });
  REQUIRE_FALSE(statement);
  CHECK(statement.error().message.find("link types 1 and 101") != std::string::npos);
}

TEST_CASE("an expression that makes no sense for one link type still works for the other, and says so") {
  Result<Expression> expression = Expression::parse("ether host 02:00:00:00:00:01");
  REQUIRE(expression);
  const auto notes = expression->compile({LinkType::kEthernet, LinkType::kRaw});
  REQUIRE(notes);
  REQUIRE(notes->size() == 1);
  CHECK(notes->front().find("link type 101") != std::string::npos);
  CHECK_FALSE(Expression::parse("ether host 02:00:00:00:00:01")->compile({LinkType::kRaw}));
}

TEST_CASE("the statement says how complete the extract is") {
  TemporaryDirectory directory;
  MemoryStore store;
  store.stored = packets_of_many_kinds(8, 1000);  // about one second
  store.others = 1000;
  const int64_t start = store.stored[0].timestamp_ns, end = store.stored.back().timestamp_ns + 1;
  const std::string path = directory.path("x");

  SECTION("no account: unknown") {
    const ExtractStatement statement = extract_to(store, "", path);
    CHECK(std::string(statement.completeness()) == "unknown");
  }
  SECTION("an account without losses: complete; losses outside of the range are not counted") {
    store_account(store, start - 10 * kSecond, 100, 7);
    store_account(store, start - kSecond / 2, 200, 7);
    store_account(store, start + kSecond / 2, 700, 7);
    store_account(store, start + 3 * kSecond / 2, 1200, 7);
    store_account(store, start + 5 * kSecond / 2, 1300, 9, 5);
    const ExtractStatement statement = extract_to(store, "", path, {start, end});
    CHECK(std::string(statement.completeness()) == "complete");
    CHECK(statement.account.worker()[Counter::kReceived] == 1000);
  }
  SECTION("what was lost in these seconds") {
    store_account(store, start - kSecond / 2, 200, 7);
    store_account(store, start + kSecond / 2, 700, 19, 4);
    store_account(store, start + 3 * kSecond / 2, 1200, 20, 4);
    FlowRecord flow;
    flow.flow_id = store.stored[0].flow_id;
    flow.gap_bytes[1] = 1460;
    flow.first_timestamp_ns = start;
    flow.last_timestamp_ns = end;
    store.records_batch.append(flow);
    const ExtractStatement statement = extract_to(store, "", path, {start, end});
    CHECK(std::string(statement.completeness()) == "incomplete");
    const std::string text = describe(statement);
    INFO(text);
    CHECK(text.find("13 packets missed by the driver") != std::string::npos);
    CHECK(text.find("4 packets dropped (store_queue_full)") != std::string::npos);
    CHECK(text.find("1460 bytes") != std::string::npos);
    std::string json;
    append_statement(json, statement);
    CHECK(json.find("\"missed\":13") != std::string::npos);
    CHECK(json.find("\"completeness\":\"incomplete\"") != std::string::npos);
  }
  SECTION("totals begin again with each run of the sensor") {
    store_account(store, start - kSecond / 2, 200, 7);
    store_account(store, start + kSecond / 4, 300, 8);
    store_account(store, start + kSecond / 2, 50, 2, 0, 1);
    store_account(store, start + 3 * kSecond / 2, 60, 2, 0, 1);
    const ExtractStatement statement = extract_to(store, "", path, {start, end});
    CHECK(statement.account.port()[PortCounter::kMissed] == 3);
    CHECK(statement.account.worker()[Counter::kReceived] == 160);
  }
  SECTION("a question that records answer needs all traffic inspected, and the rule that it names loaded") {
    RunRecord run;
    run.timestamp_ns = start - kSecond;
    const std::string sids = encode_sids({7, 2019401, 12});
    run.sids = sids;
    store.records_batch.append(run);
    AccountRecord account;
    for (const int64_t time : {start - kSecond / 2, start + kSecond / 2, start + 3 * kSecond / 2}) {
      account.timestamp_ns = time;
      store.records_batch.append(account);
      account.worker_account[Counter::kBadChecksum] += 3;
      account.worker_account[Counter::kFilteredBpf] += 5;
    }
    CHECK(std::string(extract_to(store, "", path, {start, end}).completeness()) == "complete");
    const std::string http = describe(extract_to(store, "http.status == 200", path, {start, end}));
    INFO(http);
    CHECK(http.find("6 packets were not inspected: their checksums are wrong") != std::string::npos);
    CHECK(http.find("10 packets were not inspected: the sensor's filters left them out") != std::string::npos);
    CHECK(http.find("not loaded") == std::string::npos);
    CHECK(describe(extract_to(store, "sid 12", path, {start, end})).find("not loaded") == std::string::npos);
    const std::string never = describe(extract_to(store, "sid 13", path, {start, end}));
    INFO(never);
    CHECK(never.find("the rule with sid 13 was not loaded") != std::string::npos);
  }
  SECTION("a question that records answer may mean what was inspected in part, or not at all") {
    AccountRecord account;
    for (const int64_t time : {start - kSecond / 2, start + kSecond / 2, start + 3 * kSecond / 2}) {
      account.timestamp_ns = time;
      store.records_batch.append(account);
      account.worker_account[Counter::kTcpGapBytes] += 700;
      account.worker_account[Counter::kFlowsEvicted] += 1;
      account.worker_account[Counter::kMatchInspectionsCut] += 4;
    }
    FlowRecord flow;
    flow.first_timestamp_ns = flow.last_timestamp_ns = start + kSecond / 2;
    flow.packets[0] = flow.packets[1] = 3;
    flow.endpoints.protocol = 6;
    flow.endpoints.destination_port = 443;
    store.records_batch.append(flow);  // nothing is wrong with it
    flow.tcp_flags[0] = 0x12;
    flow.packets[1] = 0;
    store.records_batch.append(flow);  // a scan, or what came back from one
    flow.tcp_flags[0] = 0x18;
    store.records_batch.append(flow);
    flow.endpoints.protocol = 17;
    store.records_batch.append(flow);
    store.records_batch.append(flow);
    flow.endpoints.protocol = 47;
    store.records_batch.append(flow);
    flow.first_timestamp_ns = flow.last_timestamp_ns = end + kSecond;  // beyond the range
    store.records_batch.append(flow);
    CHECK(std::string(extract_to(store, "", path, {start, end}).completeness()) == "complete");
    const auto codes_and_counts = [&](const std::string& text) {
      std::string out;
      for (const Shortfall& shortfall : extract_to(store, text, path, {start, end}).shortfalls())
        out += fmt::format("{} {} {}; ", shortfall.code, shortfall.count, shortfall.unit);
      return out;
    };
    const std::string of_all = "gaps 1400 bytes; flows_evicted 2 flows; ";
    const std::string of_flows = "tunnels 1 flows; quic 2 flows; one_sided 1 flows; ";
    CHECK(codes_and_counts("http.status == 200") == of_all + of_flows);
    CHECK(codes_and_counts("sid 5") == of_all + "match_over_limit 8 times; " + of_flows);
  }
  SECTION("a range that the store does not reach") {
    store_account(store, end, 1000, 0);
    const ExtractStatement statement = extract_to(store, "", path, {start - kSecond, end + 10 * kSecond});
    const std::string text = describe(statement);
    INFO(text);
    CHECK(std::string(statement.completeness()) == "unknown");
    CHECK(text.find("the store has no account of this time") != std::string::npos);
  }
}

TEST_CASE("what reaches the disk while an extract runs is not taken for read") {
  TemporaryDirectory directory;
  MemoryStore store;
  store.stored = packets_of_many_kinds(3, 50);
  for (size_t i = 0; i < store.stored.size(); ++i)
    store.stored[i].timestamp_ns = kSecond + static_cast<int64_t>(i) * 1'000'000;
  store_account(store, kSecond, 0, 0);
  store_account(store, 2 * kSecond, store.stored.size() + 5, 0);
  Expression expression = compiled("", store);
  ExtractRequest request;
  request.range = {kSecond, 2 * kSecond};
  request.output.path = directory.path("some");
  const auto statement = extract(store, expression, request, [&] {
    store.others = 5;
    return false;
  });
  REQUIRE(statement);
  CHECK(std::string(statement->completeness()) == "incomplete");
  CHECK(std::string(extract_to(store, "", directory.path("all"), request.range).completeness()) == "complete");
}

TEST_CASE("on the sample, an extract is what tcpdump selects") {
  const std::string sample = sample_capture();
  if (sample.empty() || !have("tcpdump")) return;
  TemporaryDirectory directory;
  MemoryStore store;
  store.stored = read_capture(sample);
  size_t selected = 0;
  for (const std::string text :
       {"host 10.9.0.100 and port 80", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "arp or icmp", "not tcp",
        "src host 10.9.0.100 and tcp src port 80 and greater 1000", "net 10.9.0.0/24 and not port 80 or 443"}) {
    INFO(text);
    extract_to(store, text, directory.path("ours"));
    run_command("tcpdump --nano -r " + sample + " -w " + directory.path("theirs") + " '" + text + "' 2>/dev/null");
    const auto ours = read_capture(directory.path("ours"));
    check_same(ours, read_capture(directory.path("theirs")));
    selected += ours.size();
  }
  CHECK(selected > 0);
}

TEST_CASE("runs over the same time are told apart, though neither's totals fall back") {
  MemoryStore store;
  const int64_t begin = 1'700'000'000 * kSecond;
  for (int second = 0; second <= 4; ++second) {
    store_account(store, begin + second * kSecond, 100 * static_cast<uint64_t>(second), 0, 0, 1);
  }
  for (int second = 0; second <= 4; ++second) {
    store_account(store, begin + second * kSecond, 1000 + 10 * static_cast<uint64_t>(second), 0, 0, 2);
  }
  AccountSpan span(TimeRange{begin + kSecond, begin + 3 * kSecond});
  REQUIRE(store.records({}, [&](const Record& record) { return span.add(std::get<AccountRecord>(record)), true; }));
  CHECK(span.runs() == 2);
  CHECK(span.worker()[Counter::kReceived] == 200 + 20);
}
