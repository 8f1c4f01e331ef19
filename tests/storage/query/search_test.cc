#include <catch2/catch.hpp>

#include "storage/query/search.h"
#include "tests/storage/query/query_support.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

constexpr int64_t kSecond = 1'000'000'000;

Endpoints endpoints(const char* client, uint16_t client_port, const char* server, uint16_t server_port) {
  return {*IpAddress::parse(client), *IpAddress::parse(server), client_port, server_port, kProtocolTcp};
}

// Three connections: 1 with two transactions, 2 with one and an alert, 3 over UDP and VLAN with an alert.
MemoryStore sample_store() {
  MemoryStore store;
  const auto http = [&](uint64_t flow, uint64_t id, const Endpoints& e, const char* uri, uint16_t status,
                        int64_t time) {
    HttpRecord record;
    record.flow_id = flow;
    record.transaction_id = id;
    record.endpoints = e;
    record.method = "GET";
    record.host = "shop.example.com";
    record.uri = uri;
    record.status = status;
    record.timestamp_ns = time;
    store.records_batch.append(record);
  };
  const Endpoints first = endpoints("10.0.0.1", 1000, "10.9.0.100", 80);
  const Endpoints second = endpoints("10.0.0.2", 2000, "10.9.0.100", 8080);
  Endpoints third = endpoints("2001:db8::1", 3000, "2001:db8::2", 53);
  third.protocol = kProtocolUdp;
  http(1, 0, first, "/a", 200, 10 * kSecond);
  http(1, 1, first, "/b", 500, 20 * kSecond);
  http(2, 0, second, "/a", 404, 30 * kSecond);
  const auto alert = [&](uint64_t flow, const Endpoints& e, uint32_t sid, const char* uri, int64_t time) {
    AlertRecord record;
    record.flow_id = flow;
    record.endpoints = e;
    record.sid = sid;
    record.timestamp_ns = time;
    record.has_transaction = uri != nullptr;
    if (uri != nullptr) record.uri = uri;
    store.records_batch.append(record);
  };
  alert(2, second, 7, "/a", 30 * kSecond);
  alert(3, third, 8, nullptr, 40 * kSecond);
  TransactionRecord lookup;
  lookup.flow_id = 3;
  lookup.endpoints = third;
  lookup.timestamp_ns = 40 * kSecond;
  store.records_batch.append(lookup);
  const auto flow = [&](uint64_t id, const Endpoints& e, uint16_t vlan, int64_t from, int64_t to) {
    FlowRecord record;
    record.flow_id = id;
    record.endpoints = e;
    record.vlan_id[0] = vlan;
    record.first_timestamp_ns = from;
    record.last_timestamp_ns = to;
    store.records_batch.append(record);
  };
  flow(1, first, 0, 9 * kSecond, 21 * kSecond);
  flow(2, second, 0, 29 * kSecond, 31 * kSecond);
  flow(3, third, 12, 39 * kSecond, 41 * kSecond);
  return store;
}

// A record that was found: flow id, and the URI of a transaction.
std::string found(SearchKind kind, const std::string& text, const TimeRange& range = {}) {
  MemoryStore store = sample_store();
  Result<Expression> expression = Expression::parse(text);
  INFO(text);
  REQUIRE(expression);
  REQUIRE(expression->check_for_records());
  std::string out;
  const auto read = search(store, *expression, kind, range, [&](const Record& record) {
    std::visit(
        [&](const auto& concrete) {
          if constexpr (requires { concrete.flow_id; }) out += std::to_string(concrete.flow_id);
          if constexpr (requires { concrete.uri; }) out += concrete.uri;
        },
        record);
    out += ' ';
    return true;
  });
  REQUIRE(read);
  return out;
}

}  // namespace

TEST_CASE("records are searched by their endpoints as packets are") {
  CHECK(found(SearchKind::kFlows, "") == "1 2 3 ");
  CHECK(found(SearchKind::kFlows, "tcp and not port 80") == "2 ");
  CHECK(found(SearchKind::kFlows, "src host 10.9.0.100") == "");
  CHECK(found(SearchKind::kFlows, "dst 10.9.0.100 and src portrange 1500-2500") == "2 ");
  CHECK(found(SearchKind::kFlows, "net 10.0.0.0/24 and port 80 or 8080") == "1 2 ");
  CHECK(found(SearchKind::kFlows, "ip6 and udp port 53") == "3 ");
  CHECK(found(SearchKind::kFlows, "any.host 2001:db8::/64 and vlan.id 12") == "3 ");
  CHECK(found(SearchKind::kFlows, "any.port > 2500") == "2 3 ");
  CHECK(found(SearchKind::kHttp, "host 10.0.0.1") == "1/a 1/b ");
  CHECK(found(SearchKind::kAlerts, "udp") == "3 ");
  CHECK(found(SearchKind::kTransactions, "udp port 53") == "3 ");
  CHECK(found(SearchKind::kTransactions, "tcp") == "");
}

TEST_CASE("a record answers itself what it can, and its connection the rest") {
  CHECK(found(SearchKind::kHttp, "http.uri == \"/a\"") == "1/a 2/a ");
  CHECK(found(SearchKind::kHttp, "http.uri == \"/a\" and http.status < 300") == "1/a ");
  CHECK(found(SearchKind::kFlows, "http.uri == \"/a\" and http.status == 500") == "");
  CHECK(found(SearchKind::kFlows, "http.status == 500") == "1 ");
  CHECK(found(SearchKind::kHttp, "sid 7") == "2/a ");
  CHECK(found(SearchKind::kFlows, "not sid 7 and tcp") == "1 ");
  CHECK(found(SearchKind::kAlerts, "sid >= 7") == "2/a 3 ");
  CHECK(found(SearchKind::kAlerts, "http.uri == /a") == "2/a ");
  CHECK(found(SearchKind::kFlows, "flow_id 2 or flow_id 3") == "2 3 ");
  const std::string id = community_id(endpoints("10.0.0.1", 1000, "10.9.0.100", 80));
  CHECK(found(SearchKind::kHttp, "community_id " + id) == "1/a 1/b ");
}

TEST_CASE("a flow counts when any of it lies in the range, a transaction by its request") {
  CHECK(found(SearchKind::kFlows, "", {10 * kSecond, 29 * kSecond}) == "1 ");
  CHECK(found(SearchKind::kFlows, "", {21 * kSecond, 29 * kSecond + 1}) == "1 2 ");
  CHECK(found(SearchKind::kHttp, "", {10 * kSecond, 20 * kSecond}) == "1/a ");
  CHECK(found(SearchKind::kAlerts, "", {40 * kSecond, {}}) == "3 ");
  CHECK(found(SearchKind::kTransactions, "", {0, 40 * kSecond}) == "");
}

TEST_CASE("what records cannot answer is an error, not silence") {
  for (const char* wrong : {"tcp[13] & 2 != 0", "http.status 200 and len > 5", "host foo.example", "port http",
                            "vlan 5", "tcp and (greater 5)", "net 10"}) {
    INFO(wrong);
    const Result<Expression> expression = Expression::parse(wrong);
    REQUIRE(expression);
    const Result<void> checked = expression->check_for_records();
    REQUIRE_FALSE(checked);
    CHECK(checked.error().message.find("column ") == 0);
  }
}
