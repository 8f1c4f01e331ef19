// HTTP/1.0 and HTTP/1.1 (RFC 9112): the two byte streams of a connection become transactions.
//
// The parser is tolerant, as a listener must be: bare LF ends a line, empty lines before a start line are skipped,
// folded and malformed field lines are kept; what breaks a rule sets an HttpAnomaly. Where the place of the next
// message is lost (a gap, nonsense), it searches for the next line that can only be a start line. After CONNECT or 101
// it stops (tunnel()).
//
// Responses belong to requests in order. When responses were lost with a gap, requests of a client that was never seen
// to pipeline are taken to be answered by them, but for the last.
//
// Bounded: bytes of a head, transactions outstanding per connection, head bytes per worker (HttpPool). Heads are
// copied, body bytes are views of the input that live during the call.
//
// A sink, the same for HTTP/2, has
//   on_http_head(HttpTransaction&, Direction)            the head of that side is complete (or cut:
//                                                        head.complete is false);
//                                                        interim responses (1xx but 101) are not reported
//   on_http_body(HttpTransaction&, Direction, span)      entity bytes, after the transfer coding was removed
//   on_http_message_end(HttpTransaction&, Direction)     that side's message is complete, body included
//   on_http_transaction_end(HttpTransaction&)            exactly once for each transaction; it is recycled after the
//                                                        call, unless the sink has set `kept`
// and may have on_http_gap(HttpTransaction&, Direction, uint64_t length): that many body bytes are missing here (of the
// transfer coding as sent, if chunked). Whoever matches across body pieces must not do so across a gap; without the
// call see kHttpGap. The sink must not call the parser.
#pragma once

#include <cstdint>
#include <span>

#include "packet/flow_key.h"
#include "packet/packet.h"
#include "reassembly/http/http1_head.h"
#include "reassembly/http/http_pool.h"
#include "reassembly/http/http_transaction.h"

namespace gatetape {

// One side's place in its messages.
struct Http1Side {
  enum class State : uint8_t {
    kStart,       // between messages
    kHead,        // inside a head: part of it lies in the transaction's head.bytes
    kLength,      // a body of `remaining` more bytes
    kUntilClose,  // a body that ends with the stream
    kChunkSize,   // a chunk-size line
    kChunkData,   // a chunk of `remaining` more bytes
    kChunkEnd,    // the line end after a chunk
    kTrailer,     // trailer lines, or the empty line that ends them
    kEnd,         // the message is complete; its end is to be told
    kSearch,      // the place was lost: looking for a start line
    kTunnel,      // no HTTP any more: a tunnel, or the end of the stream
  };
  State state = State::kStart;
  bool at_line_start = true;      // kSearch
  bool chunk_has_digits = false;  // kChunkSize
  bool chunk_size_done = false;   // kChunkSize: behind the digits
  bool line_is_return = false;    // kTrailer: the line begins with CR
  bool lost_messages = false;     // a gap may have held whole messages
  bool ended = false;             // end_stream was called
  uint8_t prefix_length = 0;
  uint8_t prefix[24];                        // kStart, kSearch: the beginning of what may be a start line
  uint32_t line_bytes = 0;                   // kChunkSize, kChunkEnd, kTrailer: of the line so far
  uint32_t trailer_bytes = 0;                // kTrailer
  uint32_t scanned = 0;                      // kHead: bytes of head.bytes known not to hold the end
  uint64_t remaining = 0;                    // kLength, kChunkSize, kChunkData
  PooledTransaction* transaction = nullptr;  // the message being read; null between messages
};

// One connection's HTTP state. Owned by its flow; destroyed before the pool of its parser.
class Http1Connection {
 public:
  Http1Connection() = default;
  ~Http1Connection();
  Http1Connection(const Http1Connection&) = delete;
  Http1Connection& operator=(const Http1Connection&) = delete;

  bool tunnel() const {
    return sides_[0].state == Http1Side::State::kTunnel && sides_[1].state == Http1Side::State::kTunnel;
  }
  // The beginning was not seen: both sides search for a start line. Before the first consume().
  void set_midstream() { sides_[0].state = sides_[1].state = Http1Side::State::kSearch; }
  uint32_t outstanding() const { return outstanding_; }
  // Fetches what consume() will need of the transactions being read. For a burst, before the first consume().
  void prefetch() const {
    if (oldest_ == nullptr) return;
    __builtin_prefetch(&oldest_->progress, 1);
    __builtin_prefetch(&oldest_->body_length, 1);
  }
  uint64_t transactions() const { return next_id_; }  // begun so far

 private:
  friend class Http1Parser;

  Http1Side sides_[2];
  PooledTransaction* oldest_ = nullptr;  // outstanding: begun and not ended, in order of requests
  PooledTransaction* newest_ = nullptr;
  uint32_t outstanding_ = 0;
  bool pipelines_ = false;  // two requests were outstanding while a response was read whole
  uint64_t next_id_ = 0;
};

struct Http1Options {
  uint32_t head_bytes_max = 64u << 10;  // in one request or response
  uint32_t fields_max = 1024;           // further ones are left out, with kHttpHeadTooLarge
  uint32_t outstanding_max = 1024;      // requests without response, per connection
};

struct Http1Counters {
  uint64_t transactions = 0;  // begun
  uint64_t completed = 0;     // ended with both messages complete
  uint64_t interim_responses = 0;
  uint64_t heads_too_large = 0;
  uint64_t over_outstanding = 0;  // transactions ended early since too many were outstanding
  uint64_t over_memory = 0;       // heads dropped since the pool's limit was reached
  uint64_t places_lost = 0;       // searches for a start line begun
  uint64_t bytes_skipped = 0;     // while searching
  uint64_t anomalous = 0;         // transactions ended with any anomaly
};

class Http1Parser {
 public:
  explicit Http1Parser(HttpPool& pool, const Http1Options& options = {}) : pool_(pool), options_(options) {}

  // The next bytes of one direction. `packet` dates the heads that they complete.
  template <class Sink>
  void consume(Http1Connection& connection, Direction direction, std::span<const uint8_t> bytes, const Packet& packet,
               Sink& sink) {
    Input input{bytes.data(), bytes.data() + bytes.size(), 0, false, &packet};
    run(connection, direction, input, sink);
  }
  // `length` bytes of one direction are missing here.
  template <class Sink>
  void gap(Http1Connection& connection, Direction direction, uint64_t length, const Packet& packet, Sink& sink) {
    Input input{nullptr, nullptr, length, false, &packet};
    run(connection, direction, input, sink);
  }
  // That side has sent its last byte.
  template <class Sink>
  void end_stream(Http1Connection& connection, Direction direction, Sink& sink) {
    const Packet none;
    Input input{nullptr, nullptr, 0, true, &none};
    run(connection, direction, input, sink);
  }
  // The connection is over: ends both streams, and so every transaction.
  template <class Sink>
  void finish(Http1Connection& connection, Sink& sink) {
    end_stream(connection, Direction::kToServer, sink);
    end_stream(connection, Direction::kToClient, sink);
  }

  const Http1Counters& counters() const { return counters_; }

 private:
  // The rest of one call's input: bytes, or a gap, or the stream's end.
  struct Input {
    const uint8_t* at;
    const uint8_t* end;
    uint64_t gap;
    bool ends;
    const Packet* packet;
    size_t size() const { return static_cast<size_t>(end - at); }
  };
  enum class EventKind : uint8_t { kNone, kHead, kBody, kGap, kMessageEnd, kTransactionEnd };
  struct Event {
    EventKind kind = EventKind::kNone;
    PooledTransaction* transaction = nullptr;
    std::span<const uint8_t> body;
    uint64_t gap = 0;
  };

  template <class Sink>
  void run(Http1Connection& connection, Direction direction, Input& input, Sink& sink);
  template <class Sink>
  void end_transaction(Http1Connection& connection, PooledTransaction& transaction, Sink& sink);

  // Reads on to the next thing to be told; kNone when the input is used up.
  Event next(Http1Connection& connection, Direction direction, Input& input);
  bool read(Http1Connection& connection, Direction direction, Input& input, Event& event);
  bool read_start(Http1Connection& connection, Direction direction, Input& input, Event& event);
  static bool is_plausible_start(const Http1Side& side, Direction direction, const Input& input, bool& enough);
  bool read_head(Http1Connection& connection, Direction direction, Input& input, Event& event);
  bool read_body(Http1Connection& connection, Direction direction, Input& input, Event& event);
  bool read_chunk_size(Http1Connection& connection, Direction direction, Input& input);
  bool read_chunk_end(Http1Side& side, Input& input);
  bool read_trailer(Http1Connection& connection, Direction direction, Input& input);
  bool read_gap(Http1Connection& connection, Direction direction, Input& input, Event& event);
  bool read_end(Http1Connection& connection, Direction direction, Input& input, Event& event);
  bool search(Http1Connection& connection, Direction direction, Input& input);

  bool begin_message(Http1Connection& connection, Direction direction);
  PooledTransaction* add_transaction(Http1Connection& connection);
  bool end_head(Http1Connection& connection, Direction direction, const Packet& packet, Event& event);
  bool cut_head(Http1Connection& connection, Direction direction, uint32_t anomaly, const Packet& packet, Event& event);
  HeadFraming fill_request(PooledTransaction& transaction, const Packet& packet);
  HeadFraming fill_response(PooledTransaction& transaction, const Packet& packet);
  void begin_response_body(Http1Side& side, const PooledTransaction& transaction, const HeadFraming& framing);
  void begin_chunk(Http1Side& side);
  bool take_chunk_size(Http1Side& side, uint8_t c);
  void advance_body(Http1Side& side, uint64_t length);
  bool end_message(Http1Connection& connection, Direction direction, Event& event);
  void give_up(Http1Connection& connection, Direction direction, uint32_t anomaly);
  void lose_place(Http1Connection& connection, Direction direction, uint32_t anomaly);
  void abandon_all(Http1Connection& connection);
  // Takes an ended transaction, the oldest one, out of the queue. The caller gives it back to the pool.
  void remove(Http1Connection& connection, PooledTransaction& transaction);

  HttpPool& pool_;
  const Http1Options options_;
  Http1Counters counters_;
};

template <class Sink>
void Http1Parser::run(Http1Connection& connection, Direction direction, Input& input, Sink& sink) {
  for (;;) {
    const Event event = next(connection, direction, input);
    switch (event.kind) {
      case EventKind::kNone:
        return;
      case EventKind::kHead:
        sink.on_http_head(*event.transaction, direction);
        break;
      case EventKind::kBody:
        sink.on_http_body(*event.transaction, direction, event.body);
        break;
      case EventKind::kGap:
        if constexpr (requires { sink.on_http_gap(*event.transaction, direction, event.gap); }) {
          sink.on_http_gap(*event.transaction, direction, event.gap);
        }
        break;
      case EventKind::kMessageEnd:
        sink.on_http_message_end(*event.transaction, direction);
        break;
      case EventKind::kTransactionEnd:
        end_transaction(connection, *event.transaction, sink);
        break;
    }
  }
}

template <class Sink>
void Http1Parser::end_transaction(Http1Connection& connection, PooledTransaction& transaction, Sink& sink) {
  remove(connection, transaction);
  sink.on_http_transaction_end(transaction);
  if (!transaction.kept) HttpPool::give_back(&transaction);
}

}  // namespace gatetape
