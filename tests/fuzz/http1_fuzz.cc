// HTTP/1: the input is a script of what arrives. Checks the sink's rules, and that other pieces of the same bytes tell
// the same.
#include <cstdint>
#include <map>
#include <string>

#include "common/byte_reader.h"
#include "common/check.h"
#include "reassembly/http/body_decoder.h"
#include "reassembly/http/http1.h"

using namespace gatetape;

namespace {

struct Sink {
  struct Seen {
    bool head[2] = {false, false};
    bool end[2] = {false, false};
  };
  std::map<const HttpTransaction*, Seen> open;
  std::map<uint64_t, std::string> told;  // by transaction: everything but where body pieces end

  void on_http_head(HttpTransaction& t, Direction d) {
    Seen& seen = open[&t];
    GT_CHECK(!seen.head[index(d)]);
    seen.head[index(d)] = true;
    const HttpHead& head = d == Direction::kToServer ? t.request : t.response;
    std::string& text = told[t.id];
    text += 'h';
    text.append(head.method).append(t.normalised_uri).append(t.normalised_host).append(head.raw_fields);
    for (const HttpField& field : head.fields) text.append(field.name).append(field.value);
    content_coding(head);
  }
  void on_http_body(HttpTransaction& t, Direction d, std::span<const uint8_t> bytes) {
    GT_CHECK(open[&t].head[index(d)] && !open[&t].end[index(d)] && !bytes.empty());
    bodies[t.id][index(d)].append(bytes.begin(), bytes.end());
  }
  void on_http_gap(HttpTransaction& t, Direction d, uint64_t length) {
    GT_CHECK(open[&t].head[index(d)] && !open[&t].end[index(d)] && length > 0);
    bodies[t.id][index(d)] += "(gap)";
  }
  void on_http_message_end(HttpTransaction& t, Direction d) {
    GT_CHECK(open[&t].head[index(d)] && !open[&t].end[index(d)]);
    open[&t].end[index(d)] = true;
  }
  void on_http_transaction_end(HttpTransaction& t) {
    told[t.id] +=
        bodies[t.id][0] + '|' + bodies[t.id][1] + (t.complete() ? " ok" : " cut") + std::to_string(t.anomalies);
    open.erase(&t);
  }
  std::map<uint64_t, std::string[2]> bodies;
};

std::map<uint64_t, std::string> run(const uint8_t* data, size_t size, size_t piece) {
  ByteReader reader(data, size);
  const uint8_t mode = reader.u8();
  Http1Options options;
  options.head_bytes_max = 200;
  options.outstanding_max = 4;
  HttpPool pool;
  Http1Parser parser(pool, options);
  Sink sink;
  {
    Http1Connection connection;
    if (mode & 1) connection.set_midstream();
    const Packet packet;
    // Kind, length, bytes.
    while (reader.remaining() >= 2) {
      const uint8_t kind = reader.u8();
      const uint8_t length = reader.u8();
      const Direction direction = kind & 1 ? Direction::kToClient : Direction::kToServer;
      if ((kind & 0xf0) == 0x10) {
        if (length > 0) parser.gap(connection, direction, length, packet, sink);
      } else if ((kind & 0xf0) == 0x20) {
        parser.end_stream(connection, direction, sink);
      } else {
        std::span<const uint8_t> bytes = reader.view(std::min<size_t>(length, reader.remaining()));
        while (!bytes.empty()) {
          const auto part = bytes.first(std::min(piece, bytes.size()));
          parser.consume(connection, direction, part, packet, sink);
          bytes = bytes.subspan(part.size());
        }
      }
    }
    parser.finish(connection, sink);
    GT_CHECK(connection.outstanding() == 0 && sink.open.empty());
  }
  GT_CHECK(pool.in_use() == 0 && pool.head_bytes() == 0);
  return sink.told;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto whole = run(data, size, SIZE_MAX);
  GT_CHECK(whole == run(data, size, 1));
  GT_CHECK(whole == run(data, size, 3));
  return 0;
}
