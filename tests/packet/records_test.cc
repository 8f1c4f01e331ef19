#include "packet/records.h"

#include <catch2/catch.hpp>

using namespace gatetape;

namespace {

Endpoints some_endpoints() {
  return {IpAddress::parse("10.9.0.1").value(), IpAddress::parse("2001:db8::5").value(), 40000, 80, 6};
}

RecordBatch some_batch() {
  RecordBatch batch;
  HttpRecord http;
  http.flow_id = 7;
  http.endpoints = some_endpoints();
  http.method = "GET";
  http.uri = "/a?b=c";
  http.status = 404;
  http.complete = true;
  batch.append(http);
  FlowRecord flow;
  flow.endpoints = some_endpoints();
  flow.gap_bytes[1] = 99;
  flow.end = FlowEnd::kReset;
  flow.app_protocol = AppProtocol::kHttp1;
  batch.append(flow);
  AlertRecord alert;
  alert.sid = 2100498;
  alert.signature = "a rule";
  alert.has_transaction = true;
  batch.append(alert);
  AccountRecord account;
  account.worker_account[Counter::kReceived] = 12;
  account.port_account[PortCounter::kMissed] = 3;
  batch.append(account);
  batch.append(EventRecord{5, "overload.uncompressed", "worker 1"});
  return batch;
}

}  // namespace

TEST_CASE("records read back as they were written") {
  const RecordBatch batch = some_batch();
  CHECK(batch.count() == 5);
  std::vector<size_t> types;
  const auto result = for_each_record(batch.bytes(), [&](const Record& record) {
    types.push_back(record.index());
    if (const auto* http = std::get_if<HttpRecord>(&record)) {
      CHECK(http->flow_id == 7);
      CHECK(http->endpoints.destination.to_string() == "2001:db8::5");
      CHECK(http->method == "GET");
      CHECK(http->uri == "/a?b=c");
      CHECK(http->status == 404);
      CHECK(http->complete);
    } else if (const auto* flow = std::get_if<FlowRecord>(&record)) {
      CHECK(flow->gap_bytes[1] == 99);
      CHECK(flow->end == FlowEnd::kReset);
    } else if (const auto* alert = std::get_if<AlertRecord>(&record)) {
      CHECK(alert->sid == 2100498);
      CHECK(alert->signature == "a rule");
    } else if (const auto* account = std::get_if<AccountRecord>(&record)) {
      CHECK(account->worker_account[Counter::kReceived] == 12);
      CHECK(account->port_account[PortCounter::kMissed] == 3);
    } else {
      CHECK(std::get<EventRecord>(record).detail == "worker 1");
    }
  });
  CHECK(result.has_value());
  CHECK(types == std::vector<size_t>{0, 1, 2, 3, 4});
}

TEST_CASE("records cut short or damaged are an error, never a crash") {
  const RecordBatch batch = some_batch();
  const std::vector<uint8_t> bytes(batch.bytes().begin(), batch.bytes().end());
  std::vector<size_t> ends{0};
  for (size_t at = 0; at < bytes.size();) {
    uint32_t length;
    std::memcpy(&length, bytes.data() + at, 4);
    at += 4 + length;
    ends.push_back(at);
  }
  for (size_t size = 0; size < bytes.size(); ++size) {
    const bool whole = std::find(ends.begin(), ends.end(), size) != ends.end();
    const std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<long>(size));
    CHECK(for_each_record(cut, [](const Record&) {}).has_value() == whole);
  }
  int visited = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::vector<uint8_t> damaged = bytes;
    damaged[i] ^= 0xff;
    (void)for_each_record(damaged, [&](const Record&) { ++visited; });
  }
  CHECK(visited > 0);
}

TEST_CASE("a string of any length is kept to 64 KiB") {
  const std::string uri(100'000, 'x');
  RecordBatch batch;
  HttpRecord http;
  http.uri = uri;
  batch.append(http);
  REQUIRE(for_each_record(batch.bytes(), [](const Record& r) { CHECK(std::get<HttpRecord>(r).uri.size() == 65536); }));
}

TEST_CASE("an unknown record type is skipped") {
  std::vector<uint8_t> bytes{2, 0, 0, 0, 200, 1};
  const RecordBatch batch = some_batch();
  bytes.insert(bytes.end(), batch.bytes().begin(), batch.bytes().end());
  int count = 0;
  CHECK(for_each_record(bytes, [&](const Record&) { ++count; }));
  CHECK(count == 5);
}

TEST_CASE("a record of an older writer ends before the fields that it did not know") {
  RunRecord run;
  run.run_started_ns = 77;
  run.sids = "abc";
  RecordBatch batch;
  batch.append(run);
  std::vector<uint8_t> bytes(batch.bytes().begin(), batch.bytes().end());
  bytes.resize(bytes.size() - 4);  // the clock: a length of no bytes
  bytes[0] = static_cast<uint8_t>(bytes.size() - 4);
  int count = 0;
  REQUIRE(for_each_record(bytes, [&](const Record& record) {
    const auto& read = std::get<RunRecord>(record);
    CHECK(read.run_started_ns == 77);
    CHECK(read.sids == "abc");
    CHECK(read.clock.empty());
    ++count;
  }));
  CHECK(count == 1);
}
