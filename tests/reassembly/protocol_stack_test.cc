// Layers of protocols, with made-up ones: an envelope, a line protocol that it may carry, and one of datagrams.
#include "reassembly/stack/protocol_stack.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>

#include "reassembly/stack/protocols.h"

using namespace gatetape;

namespace {

constexpr Direction kClient = Direction::kToServer, kServer = Direction::kToClient;

std::span<const uint8_t> span_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
std::string text_of(std::span<const uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}
Recognition begins_with(std::string_view wanted, std::span<const uint8_t> bytes) {
  const std::string text = text_of(bytes);
  if (text.substr(0, wanted.size()) != wanted.substr(0, text.size())) return {};
  return {text.size() >= wanted.size() ? Recognition::Answer::kYes : Recognition::Answer::kMaybe, {}};
}

struct Line final : Transaction {
  explicit Line(AppProtocol spoken) : Transaction(spoken) {}
  std::optional<std::span<const uint8_t>> buffer(Buffer, Direction, size_t instance) const override {
    if (instance > 0) return std::nullopt;
    return span_of(text);
  }
  Record record(const RecordContext&) const override { return EventRecord{}; }
  void describe(AlertRecord&) const override {}
  std::string text;
};

// "SAY text\n" in either direction: a transaction per line.
struct Say {
  static constexpr AppProtocol kProtocol = AppProtocol::kSmtp;
  static Recognition recognise(std::span<const uint8_t> bytes) { return begins_with("SAY ", bytes); }
  struct Connection {
    std::string line[2];
    bool midstream = false;
    void set_midstream() { midstream = true; }
  };
  template <class Sink>
  void consume(Connection& connection, Direction d, std::span<const uint8_t> bytes, const Packet&, Sink& sink) {
    for (const uint8_t byte : bytes) {
      std::string& line = connection.line[index(d)];
      if (byte != '\n') {
        line += static_cast<char>(byte);
        continue;
      }
      Line transaction(kProtocol);
      transaction.text = (connection.midstream ? "~" : "") + line;
      sink.on_transaction_head(transaction, d);
      if (sink.wants_body(transaction, d)) sink.on_transaction_body(transaction, d, span_of(line));
      sink.on_message_end(transaction, d);
      sink.on_transaction_end(transaction);
      line.clear();
    }
  }
  template <class Sink>
  void gap(Connection& connection, Direction d, uint64_t length, const Packet&, Sink&) {
    connection.line[index(d)] += '[' + std::to_string(length) + ']';
  }
  template <class Sink>
  void end(Connection& connection, Direction d, Sink&) {
    connection.line[index(d)] += '$';
  }
  template <class Sink>
  void finish(Connection& connection, Sink& sink) {
    for (const Direction d : {kClient, kServer}) {
      if (connection.line[index(d)].empty()) continue;
      Line transaction(kProtocol);
      transaction.text = connection.line[index(d)];
      sink.on_transaction_head(transaction, d);
      sink.on_transaction_end(transaction);
    }
  }
  void count(WorkerAccount&) const {}
};

// "WRAP!", then the bytes of another protocol.
struct Wrap {
  static constexpr AppProtocol kProtocol = AppProtocol::kFtp;
  static Recognition recognise(std::span<const uint8_t> bytes) { return begins_with("WRAP!", bytes); }
  struct Connection {
    size_t head_bytes[2] = {0, 0};
    InnerStream inner{InnerStream::Role::kNamesConnection};
  };
  template <class Sink>
  void consume(Connection& connection, Direction d, std::span<const uint8_t> bytes, const Packet& packet, Sink& sink) {
    const size_t head = std::min(bytes.size(), 5 - connection.head_bytes[index(d)]);
    connection.head_bytes[index(d)] += head;
    if (head < bytes.size()) sink.hand_on(connection.inner, d, bytes.subspan(head), packet);
  }
  template <class Sink>
  void gap(Connection& connection, Direction d, uint64_t length, const Packet& packet, Sink& sink) {
    sink.hand_on_gap(connection.inner, d, length, packet);
  }
  template <class Sink>
  void end(Connection& connection, Direction d, Sink& sink) {
    sink.hand_on_end(connection.inner, d);
  }
  template <class Sink>
  void finish(Connection& connection, Sink& sink) {
    sink.finish(connection.inner);
  }
  void count(WorkerAccount& account) const { account += WorkerAccount{}; }
};

// A datagram that begins with "PING": a transaction.
struct Ping {
  static constexpr AppProtocol kProtocol = AppProtocol::kDns;
  static Recognition recognise(std::span<const uint8_t> bytes) { return begins_with("PING", bytes); }
  struct Connection {};
  template <class Sink>
  void datagram(Connection&, Direction d, std::span<const uint8_t> bytes, const Packet&, Sink& sink) {
    Line transaction(kProtocol);
    transaction.text = text_of(bytes);
    sink.on_transaction_head(transaction, d);
    sink.on_transaction_end(transaction);
  }
  template <class Sink>
  void finish(Connection&, Sink&) {}
  void count(WorkerAccount&) const {}
};

using Stack = ProtocolStack<TlsRecogniser, Wrap, Say, Ping>;
static_assert(Stack::kTakesDatagrams && !Protocols::kTakesDatagrams);
static_assert(StreamProtocol<Http1Protocol> && !DatagramProtocol<Http1Protocol> && !ParsedProtocol<TlsRecogniser>);

struct Log {
  void on_transaction_head(Transaction& t, Direction d) {
    text += (d == kClient ? '>' : '<') + text_of(*t.buffer(Buffer::kPayload, d, 0)) + ' ';
  }
  bool wants_body(Transaction&, Direction) { return bodies; }
  void on_transaction_body(Transaction&, Direction, std::span<const uint8_t> bytes) {
    text += '"' + text_of(bytes) + "\" ";
  }
  void on_message_end(Transaction&, Direction) {}
  void on_transaction_end(Transaction&) { text += ". "; }
  std::string text;
  bool bodies = false;
};

// One conversation. All bytes come in pieces of `piece` bytes.
struct Talk {
  explicit Talk(size_t piece_bytes = SIZE_MAX) : piece(piece_bytes) {}

  void say(Direction d, std::string_view text) {
    for (size_t at = 0; at < text.size();) {
      const std::span<const uint8_t> bytes = span_of(text.substr(at, piece));
      stack.recognise(layer, d, bytes);
      stack.consume(layer, d, bytes, Packet(), log);
      at += bytes.size();
    }
  }
  std::string end() {
    stack.end(layer, kClient, log);
    stack.finish(layer, log);
    return log.text;
  }

  size_t piece;
  Log log;
  Stack stack;
  Stack::Layer layer;
};

}  // namespace

TEST_CASE("a stream is parsed by the protocol that its first bytes tell", "[protocol]") {
  for (const size_t piece : {size_t{1}, size_t{3}, SIZE_MAX}) {
    Talk talk(piece);
    talk.say(kServer, "SA");
    talk.say(kClient, "SAY one\nSAY two\n");
    talk.say(kServer, "Y three\n");
    CHECK(talk.layer.protocol() == AppProtocol::kSmtp);
    CHECK(talk.end() == ">SAY one . >SAY two . <SAY three . >$ . ");
  }
}

TEST_CASE("an envelope hands its stream on, and the connection speaks what is in it", "[protocol]") {
  for (const size_t piece : {size_t{1}, size_t{3}, SIZE_MAX}) {
    Talk talk(piece);
    talk.log.bodies = true;
    talk.say(kClient, "WRAP!SAY one\nSAY tw");
    CHECK(talk.layer.protocol() == AppProtocol::kSmtp);
    talk.stack.gap(talk.layer, kClient, 7, Packet(), talk.log);
    talk.say(kClient, "o\n");
    CHECK(talk.end() == ">SAY one \"SAY one\" . >SAY tw[7]o \"SAY tw[7]o\" . >$ . ");
  }
  Talk talk;
  talk.say(kClient, "WRAP!");
  CHECK(talk.layer.protocol() == AppProtocol::kFtp);
  CHECK(talk.end().empty());
}

TEST_CASE("layers on top of each other have a limit", "[protocol]") {
  Talk talk;
  talk.say(kClient, "WRAP!WRAP!WRAP!SAY one\n");
  CHECK(talk.end() == ">SAY one . >$ . ");
  CHECK(talk.stack.over_layers() == 0);
  Talk deep;
  deep.say(kClient, "WRAP!WRAP!WRAP!WRAP!SAY one\n");
  CHECK(deep.end().empty());
  CHECK(deep.stack.over_layers() == 1);
}

TEST_CASE("a protocol that begins in the middle is told so", "[protocol]") {
  Talk talk;
  talk.layer.set_midstream();
  talk.say(kClient, "rest of something");
  talk.say(kClient, "SAY one\n");
  CHECK(talk.end() == ">~SAY one . >$ . ");
}

TEST_CASE("datagrams are asked about as datagrams, streams as streams", "[protocol]") {
  Talk talk;
  talk.stack.datagram(talk.layer, kClient, span_of("PING 1"), Packet(), talk.log);
  talk.stack.datagram(talk.layer, kServer, span_of("PING 2"), Packet(), talk.log);
  CHECK(talk.layer.protocol() == AppProtocol::kDns);
  CHECK(talk.end() == ">PING 1 . <PING 2 . ");
  Talk stream;
  stream.say(kClient, "PING 1");
  CHECK(stream.layer.protocol() == AppProtocol::kUnknown);
}

TEST_CASE("a protocol without a parser is named and not parsed", "[protocol]") {
  Talk talk;
  talk.say(kClient, std::string_view("\x16\x03\x01\x02\x00\x01\x00", 7));
  CHECK(talk.layer.protocol() == AppProtocol::kTls);
  CHECK(talk.end().empty());
  FlowRecord record;
  talk.stack.describe(talk.layer, record);
  CHECK(record.app_protocol == AppProtocol::kTls);
}
