// HTTP/1 as one of the protocols (reassembly/protocol.h): the parser, and what its connections share.
//
// Content codings are removed here for the bodies that somebody looks at, one decoder for each such message. A body
// that gets no decoder is told as it was sent. Bounded by HttpPool, Http1Options and BodyDecoders.
#pragma once

#include <span>

#include "packet/account.h"
#include "packet/records.h"
#include "reassembly/http/body_decoders.h"
#include "reassembly/http/http1.h"
#include "reassembly/http/http_pool.h"
#include "reassembly/protocol.h"

namespace gatetape {

class Http1Protocol {
 public:
  static constexpr AppProtocol kProtocol = AppProtocol::kHttp1;
  static Recognition recognise(std::span<const uint8_t> first_bytes);

  using Connection = Http1Connection;

  template <class Sink>
  void consume(Connection& connection, Direction direction, std::span<const uint8_t> bytes, const Packet& packet,
               Sink& sink) {
    Events<Sink> events{decoders_, sink};
    parser_.consume(connection, direction, bytes, packet, events);
  }
  template <class Sink>
  void gap(Connection& connection, Direction direction, uint64_t length, const Packet& packet, Sink& sink) {
    Events<Sink> events{decoders_, sink};
    parser_.gap(connection, direction, length, packet, events);
  }
  template <class Sink>
  void end(Connection& connection, Direction direction, Sink& sink) {
    Events<Sink> events{decoders_, sink};
    parser_.end_stream(connection, direction, events);
  }
  template <class Sink>
  void finish(Connection& connection, Sink& sink) {
    Events<Sink> events{decoders_, sink};
    parser_.finish(connection, events);
  }

  void count(WorkerAccount& account) const;
  void describe(const Connection& connection, FlowRecord& record) const {
    record.http_transactions = connection.transactions();
  }
  const Http1Counters& counters() const { return parser_.counters(); }

 private:
  // The parser's sink: what it tells, told on in the words of all protocols.
  template <class Sink>
  struct Events {
    void on_http_head(PooledTransaction& transaction, Direction direction) {
      sink.on_transaction_head(transaction, direction);
      if (sink.wants_body(transaction, direction)) {
        transaction.decoders[index(direction)] = decoders.lend(transaction.head(direction));
      }
    }
    void on_http_body(PooledTransaction& transaction, Direction direction, std::span<const uint8_t> bytes) {
      if (!sink.wants_body(transaction, direction)) return;
      const auto tell = [&](std::span<const uint8_t> piece) {
        sink.on_transaction_body(transaction, direction, piece);
      };
      BodyDecoder* const decoder = transaction.decoders[index(direction)].get();
      if (decoder == nullptr) return tell(bytes);
      decoder->decode(bytes, tell);  // broken codings are in its counters
    }
    void on_http_gap(PooledTransaction& transaction, Direction direction, uint64_t length) {
      BodyDecoder* const decoder = transaction.decoders[index(direction)].get();
      if (decoder != nullptr) decoder->gap();
      sink.on_transaction_gap(transaction, direction, length);
    }
    void on_http_message_end(PooledTransaction& transaction, Direction direction) {
      transaction.decoders[index(direction)].reset();
      sink.on_message_end(transaction, direction);
    }
    void on_http_transaction_end(PooledTransaction& transaction) { sink.on_transaction_end(transaction); }

    BodyDecoders& decoders;
    Sink& sink;
  };

  BodyDecoders decoders_;
  HttpPool pool_;
  Http1Parser parser_{pool_};
};

}  // namespace gatetape
