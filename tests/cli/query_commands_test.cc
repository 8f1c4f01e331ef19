// The three commands as a user runs them, on a store that was really written.
#include <fcntl.h>
#include <simdjson.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/commands.h"
#include "cli/output/table.h"
#include "cli/query_options.h"
#include "packet/record_values.h"
#include "storage/evidence/signing_key.h"
#include "storage/write/store_writer.h"
#include "tests/storage/query/query_support.h"

using namespace gatetape;
using namespace gatetape::test;

namespace {

// Runs a command with standard output and error going to files.
struct Outcome {
  int exit_code = -1;
  std::string out, err;
};

std::string content_of(const std::string& path) {
  std::stringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

Outcome run(MakeCommand command, std::vector<std::string> arguments) {
  const TemporaryDirectory directory;
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  const auto redirect = [&](int descriptor, const std::string& path) {
    const int saved = dup(descriptor), file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(dup2(file, descriptor) == descriptor);
    close(file);
    return saved;
  };
  std::fflush(stdout);
  const int out = redirect(1, directory.path("out")), err = redirect(2, directory.path("err"));
  Outcome outcome;
  outcome.exit_code = run_command(command, static_cast<int>(argv.size()), argv.data());
  std::fflush(stdout);
  dup2(out, 1), dup2(err, 2);
  close(out), close(err);
  outcome.out = content_of(directory.path("out"));
  outcome.err = content_of(directory.path("err"));
  return outcome;
}

class RecordedStore {
 public:
  RecordedStore() : packets_(packets_of_many_kinds(11, 3000)) {
    if (const auto saved = key_.save(file("key")); !saved) FAIL(saved.error().message);
    const StoreOptions options = this->options();
    auto store = Store::open(options, false);
    if (!store) FAIL(store.error().message);
    for (size_t i = 0; i < packets_.size(); ++i) {
      const StoredPacket packet = stored_packet(packets_[i], i);
      DecodedPacket decoded;
      decode(packet.packet, decoded);
      (*store)->worker(0).add(packet.packet, decoded, {packet.flow_id});
    }
    RecordBatch batch;
    append_records(batch);
    REQUIRE((*store)->records().write(batch));
    (*store)->worker(0).flush();
    REQUIRE((*store)->close());
  }
  // Another run, of no packets.
  void record_nothing() const { record_nothing(key_); }
  void record_nothing(const SigningKey& key) const {
    StoreOptions options = this->options();
    options.evidence.key = std::make_shared<const SigningKey>(key);
    auto store = Store::open(options, false);
    REQUIRE(store);
    REQUIRE((*store)->close());
  }

  std::string path() const { return directory_.path("store"); }
  std::string file(const std::string& name) const { return directory_.path(name); }
  const std::vector<QueryPacket>& packets() const { return packets_; }
  std::string fingerprint() const { return key_.fingerprint(); }

 private:
  StoreOptions options() const {
    StoreOptions options;
    options.directories = {path()};
    options.ring_bytes_max = 1 << 30;
    options.interfaces = {{"eth0", LinkType::kEthernet, 262144}};
    options.shared_ordinals = true;
    options.evidence.key = std::make_shared<const SigningKey>(key_);
    return options;
  }

  void append_records(RecordBatch& batch) const {
    const int64_t start = packets_[0].timestamp_ns;
    batch.append(EventRecord{start, kEventCaptureStarted, ""});
    HttpRecord http;
    http.flow_id = 3;
    http.endpoints = {*IpAddress::parse("10.9.0.1"), *IpAddress::parse("10.9.0.2"), 40000, 80, kProtocolTcp};
    http.method = "GET";
    http.host = "shop\x1b[2J.example";
    http.uri = "/cart";
    http.status = 503;
    http.timestamp_ns = start + 1000;
    batch.append(http);
    AlertRecord alert;
    alert.flow_id = 3;
    alert.sid = 7;
    alert.signature = "test";
    alert.action = "allowed";
    alert.timestamp_ns = start + 2000;
    batch.append(alert);
    TransactionRecord lookup;
    lookup.flow_id = 4;
    lookup.protocol = AppProtocol::kDns;
    lookup.timestamp_ns = start + 3000;
    const RecordValues values = RecordValues().text("rrname", "a\tb.example").number("id", 17);
    lookup.values = values.bytes();
    batch.append(lookup);
    AccountRecord account;
    account.timestamp_ns = packets_.back().timestamp_ns + 1;
    account.worker_account[Counter::kReceived] = account.worker_account[Counter::kStored] = packets_.size();
    account.port_account[PortCounter::kReceived] = packets_.size();
    account.port_account[PortCounter::kMissed] = 5;
    account.port_account[PortCounter::kOffered] = packets_.size() + 5;
    batch.append(account);
  }

  TemporaryDirectory directory_;
  const SigningKey key_ = SigningKey::generate();
  std::vector<QueryPacket> packets_;
};

}  // namespace

TEST_CASE("extract gives back what was stored, with a statement") {
  const RecordedStore store;
  const std::string file = store.file("out.pcapng"), statement = store.file("statement.json");
  SECTION("everything") {
    const Outcome outcome =
        run(command_extract, {"extract", "--store", store.path(), "-w", file, "--statement", statement});
    INFO(outcome.err);
    CHECK(outcome.exit_code == kExitDone);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.find("5 packets missed by the driver") != std::string::npos);
    const auto packets = read_capture(file);
    REQUIRE(packets.size() == store.packets().size());
    for (size_t i = 0; i < packets.size(); ++i) REQUIRE(packets[i].bytes == store.packets()[i].bytes);
    simdjson::dom::parser parser;
    const simdjson::dom::element json = parser.load(statement);
    CHECK(json["packets"].get_uint64().value() == packets.size());
    CHECK(json["completeness"].get_string().value() == "incomplete");
    CHECK(json["account"]["missed"].get_uint64().value() == 5);
  }
  SECTION("expressions, through the real index") {
    for (const std::string text : {"host 10.9.0.1", "port 80 or 443", "ip6 and host 2001:db8::1", "sid 7 and tcp",
                                   "vlan 11 and host 10.9.0.3", "any.port 53 and not vlan.id 10", "arp",
                                   "http.status >= 500", "flow_id 4", "src host 10.9.0.2 and tcp dst port 8080"}) {
      INFO(text);
      const Outcome outcome = run(command_extract, {"extract", "--store", store.path(), "-w", file, "--explain", text});
      INFO(outcome.err);
      REQUIRE(outcome.exit_code == kExitDone);
      MemoryStore memory;
      Result<Expression> expression = Expression::parse(text);
      REQUIRE(expression->compile({}));
      HttpRecord http;
      http.flow_id = 3;
      http.status = 503;
      AlertRecord alert;
      alert.flow_id = 3;
      alert.sid = 7;
      expression->learn(http, {});
      expression->learn(alert, {});
      std::vector<std::vector<uint8_t>> expected, got;
      for (size_t i = 0; i < store.packets().size(); ++i) {
        if (expression->matches(stored_packet(store.packets()[i], i))) expected.push_back(store.packets()[i].bytes);
      }
      for (const QueryPacket& packet : read_capture(file)) got.push_back(packet.bytes);
      CHECK(expected.size() > 0);
      CHECK((got == expected));
    }
  }
  SECTION("to standard output, as pcap") {
    const Outcome outcome =
        run(command_extract, {"extract", "--store", store.path(), "--format", "pcap", "--sid", "7"});
    CHECK(outcome.exit_code == kExitDone);
    std::ofstream(file, std::ios::binary) << outcome.out;
    CHECK(read_capture(file).size() > 100);
  }
}

TEST_CASE("a bundle is extracted and verified, for its user alone; whose word it is shows in the exit code") {
  const RecordedStore store;
  const std::string bundle = store.file("bundle"), other = store.file("other");
  const Outcome made = run(command_extract, {"extract", "--store", store.path(), "--bundle", bundle, "--signing-key",
                                             store.file("key"), "host 10.9.0.1"});
  INFO(made.err);
  CHECK(made.exit_code == kExitDone);
  CHECK(made.err.find("proven by the checkpoint") != std::string::npos);
  for (const auto& entry : std::filesystem::directory_iterator(bundle)) {
    CAPTURE(entry.path());
    CHECK((entry.status().permissions() & std::filesystem::perms(0777)) == std::filesystem::perms(0600));
    CHECK(entry.file_size() > 0);
  }
  const std::vector<std::string> verify = {"verify", "--bundle", bundle, "--key", store.fingerprint()};
  const Outcome sound = run(command_verify, verify);
  INFO(sound.out << sound.err);
  CHECK(sound.exit_code == kExitDone);
  CHECK(sound.out.starts_with("Sound\n"));
  CHECK(run(command_extract, {"extract", "--store", store.path(), "--bundle", bundle}).exit_code == kExitFailed);

  const Outcome unsigned_one =
      run(command_extract, {"extract", "--store", store.path(), "--bundle", other, "host 10.9.0.1"});
  CHECK(unsigned_one.exit_code == kExitDone);
  CHECK(unsigned_one.err.find("its manifest is not signed") != std::string::npos);
  const Outcome word = run(command_verify, {"verify", "--bundle", other, "--key", store.fingerprint()});
  CHECK(word.exit_code == kExitUnsignedTail);
  CHECK(word.out.find("manifest is not signed") != std::string::npos);

  std::ofstream(bundle + "/statement.json", std::ios::app) << "\n";
  const Outcome changed = run(command_verify, verify);
  CHECK(changed.exit_code == kExitFailed);
  CHECK(changed.out.find("statement.json") != std::string::npos);
  const std::string another = SigningKey::generate().fingerprint();
  CHECK(run(command_verify, {"verify", "--bundle", other, "--key", another}).exit_code == kExitFailed);
  const Outcome wrong_key = run(command_extract, {"extract", "--store", store.path(), "--bundle", store.file("third"),
                                                  "--signing-key", store.file("none")});
  CHECK(wrong_key.exit_code == kExitFailed);
  CHECK(wrong_key.err.find("--signing-key") != std::string::npos);
  CHECK(run(command_verify, {"verify", "--key", another}).exit_code == kExitUsage);
}

TEST_CASE("a key that is replaced signs the new one: the store verifies by either, before and after") {
  const RecordedStore store;
  const auto verify = [&](const std::string& fingerprint) {
    return run(command_verify, {"verify", "--store", store.path(), "--key", fingerprint}).exit_code;
  };
  const Outcome rotated = run(command_key_rotate, {"rotate", "--signing-key", store.file("key")});
  CHECK(rotated.exit_code == kExitDone);
  CHECK(rotated.out.find("was signed by " + store.fingerprint()) != std::string::npos);
  const auto replaced = SigningKey::load(store.file("key"));
  REQUIRE(replaced);
  CHECK(replaced->fingerprint() != store.fingerprint());
  CHECK(verify(store.fingerprint()) == kExitDone);
  CHECK(verify(replaced->fingerprint()) == kExitFailed);  // it has signed nothing yet
  store.record_nothing(*replaced);
  CHECK(verify(store.fingerprint()) == kExitDone);
  CHECK(verify(replaced->fingerprint()) == kExitDone);
  CHECK(verify(SigningKey::generate().fingerprint()) == kExitFailed);
}

TEST_CASE("an extraction is noted for the store's ledger, or said not to be") {
  const RecordedStore store;
  const std::string file = store.file("out.pcapng"), statement = store.file("statement.json");
  const std::vector<std::string> extract = {"extract",     "--store", store.path(), "-w",      file,
                                            "--statement", statement, "host",       "10.9.0.1"};
  simdjson::dom::parser parser;
  const Outcome noted = run(command_extract, extract);
  INFO(noted.err);
  CHECK(noted.exit_code == kExitDone);
  CHECK(noted.err.find("not noted") == std::string::npos);
  CHECK(parser.load(statement)["custody"]["noted"].get_bool().value());
  const Outcome pending = run(command_verify, {"verify", "--store", store.path(), "--key", store.fingerprint()});
  CHECK(pending.out.find("1 request waits") != std::string::npos);

  store.record_nothing();  // the next run takes it in
  const Outcome verified = run(command_verify, {"verify", "--store", store.path(), "--key", store.fingerprint()});
  INFO(verified.out);
  CHECK(verified.out.find("1 extraction is noted") != std::string::npos);
  std::filesystem::remove_all(store.path() + "/requests");
  std::ofstream(store.path() + "/requests") << "in the way";
  const Outcome not_noted = run(command_extract, extract);
  CHECK(not_noted.exit_code == kExitDone);
  CHECK(not_noted.err.find("this extraction is not noted in the store's ledger") != std::string::npos);
  CHECK_FALSE(parser.load(statement)["custody"]["noted"].get_bool().value());
}

TEST_CASE("segments are pinned by time or expression, listed with who and why, and let go") {
  const RecordedStore store;
  const std::vector<std::string> list = {"pin", "--store", store.path(), "--list"};
  CHECK(run(command_pin, list).out.starts_with("0 segments pinned"));
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"pin", "--store", store.path(), "--reason", "all of it"},
                                             {"pin", "--store", store.path(), "--since", "2020-01-01"},
                                             {"pin", "--store", store.path(), "--reason", "x", "sid", "x"}}) {
    CHECK(run(command_pin, wrong).exit_code == kExitUsage);
  }
  const Outcome none = run(command_pin, {"pin", "--store", store.path(), "--until", "1999-01-01", "--reason", "x"});
  INFO(none.err);
  CHECK(none.exit_code == kExitDone);
  CHECK(none.err.find("nothing to do") != std::string::npos);

  const Outcome asked =
      run(command_pin, {"pin", "--store", store.path(), "--reason", "case \x1b[2J17", "host", "10.9.0.1"});
  INFO(asked.err);
  CHECK(asked.exit_code == kExitDone);
  CHECK(asked.err.find("the next capture begins with that") != std::string::npos);
  store.record_nothing();
  const Outcome pinned = run(command_pin, list);
  INFO(pinned.out);
  CHECK(pinned.out.find("case \\x1b[2J17") != std::string::npos);
  CHECK(pinned.out.find("2 segments pinned") != std::string::npos);  // one of packets, one of records

  CHECK(run(command_unpin, {"unpin", "--store", store.path(), "--reason", "closed"}).exit_code == kExitDone);
  store.record_nothing();
  CHECK(run(command_pin, list).out.starts_with("0 segments pinned"));
}

TEST_CASE("wrong command lines end with 2 and say why; nothing is written") {
  const RecordedStore store;
  const std::string file = store.file("out.pcapng");
  struct Case {
    std::vector<std::string> arguments;
    const char* says;
  };
  for (const Case& wrong : std::vector<Case>{
           {{}, "--store"},
           {{"--store", store.path(), "--fromat", "pcap"}, "unknown option '--fromat'"},
           {{"--store", store.path(), "--format", "erf"}, "expected pcapng|pcap"},
           {{"--store", store.path(), "--since", "noon"}, "noon"},
           {{"--store", store.path(), "--since", "-1h", "--until", "-2h"}, "not before"},
           {{"--store", store.path(), "--sid", "x"}, "not a number"},
           {{"--store", store.path(), "--bundle", "d"}, "leave --write"},
           {{"--store", store.path(), "--signing-key", "k"}, "for --bundle"},
           {{"--store", store.path(), "host 10.9.0.1 and tls.sni == a"}, "column 19"},
           {{"--store", store.path(), "port 80 and bogus[3] = 2"}, "column"},
       }) {
    std::vector<std::string> arguments = {"extract", "-w", file};
    arguments.insert(arguments.end(), wrong.arguments.begin(), wrong.arguments.end());
    const Outcome outcome = run(command_extract, arguments);
    INFO(outcome.err);
    CHECK(outcome.exit_code == kExitUsage);
    CHECK(outcome.err.find(wrong.says) != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(file));
  }
  const Outcome outcome = run(command_extract, {"extract", "--store", "/nonexistent/store", "-w", file});
  CHECK(outcome.exit_code == kExitFailed);
  CHECK(outcome.err.find("/nonexistent/store") != std::string::npos);
}

TEST_CASE("search shows records in columns that traffic cannot break, or as EVE") {
  const RecordedStore store;
  const Outcome text = run(command_search, {"search", "--store", store.path(), "http", "http.status", ">=", "500"});
  INFO(text.out << text.err);
  CHECK(text.exit_code == kExitDone);
  CHECK(text.out.find("shop\\x1b[2J.example/cart") != std::string::npos);
  const Outcome others = run(command_search, {"search", "--store", store.path(), "transactions"});
  CHECK(others.out.find("dns  rrname=a\\x09b.example id=17\n") != std::string::npos);
  const Outcome json = run(command_search, {"search", "--store", store.path(), "alerts", "--json"});
  simdjson::dom::parser parser;
  const simdjson::dom::element event = parser.parse(json.out);
  CHECK(event["alert"]["signature_id"].get_uint64().value() == 7);
  CHECK(run(command_search, {"search", "--store", store.path(), "alerts", "sid", "8", "--json"}).out.empty());
  CHECK(run(command_search, {"search", "--store", store.path(), "packets"}).exit_code == kExitUsage);
  CHECK(run(command_search, {"search", "--store", store.path(), "http", "len", ">", "5"}).exit_code == kExitUsage);
}

TEST_CASE("values of other protocols' transactions are fields like any other") {
  const RecordedStore store;
  const auto search = [&](std::vector<std::string> arguments) {
    std::vector<std::string> all = {"search", "--store", store.path(), "transactions"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Outcome outcome = run(command_search, all);
    INFO(outcome.err);
    CHECK(outcome.exit_code == kExitDone);
    return outcome.out;
  };
  for (const std::string text : {"dns.rrname contains b.example", "dns.id == 17", "dns.id > 16 and dns.id < 18"}) {
    INFO(text);
    CHECK_FALSE(search({text, "--json"}).empty());
  }
  for (const std::string text : {"dns.rrname == b.example", "dns.id > 17", "dns.id contains 17", "dns.nothing == 1"}) {
    INFO(text);
    CHECK(search({text, "--json"}).empty());
  }
  CHECK(search({"--count-by", "dns.id", "--format", "csv"}) == "count,dns.id\n1,17\n");
  CHECK(search({"--columns", "dns.rrname,dns.id", "--format", "json"}) ==
        "{\"dns.rrname\":\"a\\tb.example\",\"dns.id\":17}\n");
}

TEST_CASE("stats shows an account that balances") {
  const RecordedStore store;
  const Outcome text = run(command_stats, {"stats", "--store", store.path()});
  INFO(text.out << text.err);
  CHECK(text.exit_code == kExitDone);
  CHECK(text.out.find("DOES NOT BALANCE") == std::string::npos);
  CHECK(text.out.find("missed by the driver") != std::string::npos);
  const Outcome json = run(command_stats, {"stats", "--store", store.path(), "--json"});
  simdjson::dom::parser parser;
  const simdjson::dom::element root = parser.parse(json.out);
  CHECK(root["store"]["packets"].get_uint64().value() == store.packets().size());
  CHECK(root["last_run"]["port"]["missed"].get_uint64().value() == 5);
  CHECK(root["last_run"]["account"]["balances"].get_bool().value());
}

TEST_CASE("what is printed cannot move the cursor") {
  CHECK(printable("a\x1b[2J\n\x7f") == "a\\x1b[2J\\x0a\\x7f");
  CHECK(printable("gr\xc3\xbc\xc3\x9f") == "gr\xc3\xbc\xc3\x9f");
  CHECK(printable("\xc2\x9b"
                  "2J") == "\\xc2\\x9b2J");
  CHECK(printable("\xff") == "\\xff");
  CHECK(printable("a\xe2\x80\xae"
                  "b") == "a\\xe2\\x80\\xaeb");  // turns the direction of writing
  CHECK(printable("gr\xc3\xbc\xc3\x9f", false) == "gr\\xc3\\xbc\\xc3\\x9f");
}

TEST_CASE("texts are cut to columns of a terminal, not to bytes") {
  CHECK(width_of("gr\xc3\xbc\xc3\x9f") == 4);
  CHECK(width_of("e\xcc\x81") == 1);                 // a letter and its accent
  CHECK(width_of("\xe6\x97\xa5\xe6\x9c\xac") == 4);  // two wide characters
  CHECK(cut_to("abcdef", 6) == "abcdef");
  CHECK(cut_to("abcdef", 5) == "abcd\xe2\x80\xa6");
  CHECK(cut_to("abcdef", 5, false) == "abcd~");
  CHECK(cut_to("\xe6\x97\xa5\xe6\x9c\xac", 3) == "\xe6\x97\xa5\xe2\x80\xa6");
  CHECK(cut_to("\xe6\x97\xa5\xe6\x9c\xac", 2) == "\xe2\x80\xa6");
  CHECK(cut_to("abc", 0).empty());
}

TEST_CASE("a table fits a terminal: texts are narrowed, then columns left out, by rank") {
  const std::vector<TableColumn> columns = {
      {"ID", false, false, 0}, {"NUMBER", true, false, 2}, {"TEXT", false, true, 0}};
  const auto lines = [&](size_t width) {
    Terminal terminal;
    terminal.width = width;
    std::string out;
    Table table(columns, terminal, [&](std::string_view line) {
      out += line;
      return true;
    });
    table.row({"a123456789", "1,234", "a text that is rather long"});
    table.row({"b", "7", "short\n"});
    CHECK(table.finish());
    return std::pair(out, table.columns_left_out());
  };
  CHECK(lines(0).first ==
        "ID          NUMBER  TEXT\n"
        "a123456789   1,234  a text that is rather long\n"
        "b                7  short\\x0a\n");
  CHECK(lines(34).first ==
        "ID          NUMBER  TEXT\n"
        "a123456789   1,234  a text that i\xe2\x80\xa6\n"
        "b                7  short\\x0a\n");
  CHECK(lines(26) == std::pair(std::string("ID          TEXT\n"
                                           "a123456789  a text that i\xe2\x80\xa6\n"
                                           "b           short\\x0a\n"),
                               size_t{1}));
  for (size_t width = 1; width < 60; ++width) {
    std::istringstream text(lines(width).first);
    for (std::string line; std::getline(text, line);) CHECK(width_of(line) <= width);
  }
}
