// A list of protocols, put between the flows of a worker and a sink that knows only transactions.
//
// A flow holds one Layer: what its conversation speaks, and that protocol's state, in the flow itself. A protocol that
// carries streams of other protocols holds a Layer for each of them (InnerStream); so a connection without any pays for
// one. Which protocol a layer speaks is decided by its first bytes; the list is asked in its order, and the first
// protocol that does not say no has the word. All dispatch is static: a comparison per parsed protocol of the list.
//
// One ProtocolStack per worker, one thread. It outlives its layers. Allocates for inner streams alone.
#pragma once

#include <cstdint>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "reassembly/protocol.h"
#include "reassembly/protocol_detector.h"

namespace gatetape {

template <class... Protocols>
class ProtocolStack {
  static_assert((Protocol<Protocols> && ...), "reassembly/protocol.h says what a protocol supplies");

  template <class P>
  struct NoConnection {};  // stands for the state of a protocol that is not parsed
  template <class P>
  struct ConnectionOf {
    using Type = NoConnection<P>;
  };
  template <ParsedProtocol P>
  struct ConnectionOf<P> {
    using Type = typename P::Connection;
  };

  template <class P>
  static constexpr bool kOverStreams = StreamProtocol<P> || !ParsedProtocol<P>;

 public:
  static constexpr uint32_t kLayersMax = 4;  // on top of each other; bytes for more are not looked at
  static constexpr bool kTakesDatagrams = (DatagramProtocol<Protocols> || ...);

  // The protocol of one stream, or of one flow of datagrams, as far as it is known.
  class Layer {
   public:
    // The protocol; where that is an envelope around one other, what is in it.
    AppProtocol protocol() const { return named_; }
    bool decided() const { return detector_.decided(); }
    bool reversed() const { return detector_.reversed(); }  // ProtocolDetector
    // The beginning was not seen. Before the first recognise().
    void set_midstream() {
      midstream_ = true;
      detector_.set_midstream();
    }
    // Fetches what consume() will need. For a burst, before the first consume().
    void prefetch() const {
      std::visit(
          [](const auto& connection) {
            if constexpr (requires { connection.prefetch(); }) connection.prefetch();
          },
          connection_);
    }

   private:
    friend ProtocolStack;

    // The place of a protocol is its place in the list plus one; without a parser it stays 0.
    std::variant<std::monostate, typename ConnectionOf<Protocols>::Type...> connection_;
    ProtocolDetector detector_;
    AppProtocol named_ = AppProtocol::kUnknown;
    bool midstream_ = false;
    bool held_waits_ = false;  // the protocol was recognised and has not got the bytes that were held until then
  };

  // The next bytes of a stream, before consume() gets them: looks whether they tell the protocol. Returns it.
  AppProtocol recognise(Layer& layer, Direction direction, std::span<const uint8_t> bytes) {
    if (!layer.decided() && layer.detector_.look(direction, bytes, ask_streams)) begin(layer);
    return layer.protocol();
  }
  template <class Sink>
  void consume(Layer& layer, Direction direction, std::span<const uint8_t> bytes, const Packet& packet, Sink& sink) {
    Events<Sink> events(*this, layer, sink);
    consume_in(layer, direction, bytes, packet, events);
  }
  template <class Sink>
  void gap(Layer& layer, Direction direction, uint64_t length, const Packet& packet, Sink& sink) {
    Events<Sink> events(*this, layer, sink);
    gap_in(layer, direction, length, packet, events);
  }
  template <class Sink>
  void end(Layer& layer, Direction direction, Sink& sink) {
    Events<Sink> events(*this, layer, sink);
    end_in(layer, direction, events);
  }
  template <class Sink>
  void datagram(Layer& layer, Direction direction, std::span<const uint8_t> bytes, const Packet& packet, Sink& sink) {
    if (!layer.decided() && layer.detector_.look(direction, bytes, ask_datagrams)) begin(layer);
    Events<Sink> events(*this, layer, sink);
    on_connection(layer, [&](auto& protocol, auto& connection) {
      if constexpr (DatagramProtocol<std::remove_cvref_t<decltype(protocol)>>) {
        protocol.datagram(connection, direction, bytes, packet, events);
      }
    });
  }
  // The flow is over. Nothing of the layer comes after it.
  template <class Sink>
  void finish(Layer& layer, Sink& sink) {
    Events<Sink> events(*this, layer, sink);
    finish_in(layer, events);
  }

  // Fills what the protocols know of the flow and the account.
  void describe(const Layer& layer, FlowRecord& record) const {
    record.app_protocol = layer.protocol();
    on_connection(layer, [&](const auto& protocol, const auto& connection) {
      if constexpr (requires { protocol.describe(connection, record); }) protocol.describe(connection, record);
    });
  }
  void count(WorkerAccount& account) const {
    const auto count_one = [&](const auto& protocol) {
      if constexpr (requires { protocol.count(account); }) protocol.count(account);
    };
    (count_one(std::get<Protocols>(protocols_)), ...);
  }
  // Pieces that were not looked at, since they lay behind more than kLayersMax layers.
  uint64_t over_layers() const { return over_layers_; }
  template <class P>
  const P& get() const {
    return std::get<P>(protocols_);
  }

  // The list's answer about the first bytes of a stream, and about a datagram.
  static Recognised ask_streams(std::span<const uint8_t> first_bytes) {
    Recognised answer;
    (void)(... || ask<Protocols, kOverStreams<Protocols>>(first_bytes, answer));
    return answer;
  }
  static Recognised ask_datagrams(std::span<const uint8_t> first_bytes) {
    Recognised answer;
    (void)(... || ask<Protocols, DatagramProtocol<Protocols>>(first_bytes, answer));
    return answer;
  }

 private:
  // The sink that a protocol sees: the caller's, and the way to the next layer.
  template <class Sink>
  struct Events {
    Events(ProtocolStack& all, Layer& outermost, Sink& told, uint32_t layers_below = 0)
        : stack(all), root(outermost), sink(told), depth(layers_below) {}

    void on_transaction_head(Transaction& t, Direction d) { sink.on_transaction_head(t, d); }
    bool wants_body(Transaction& t, Direction d) { return sink.wants_body(t, d); }
    void on_transaction_body(Transaction& t, Direction d, std::span<const uint8_t> bytes) {
      sink.on_transaction_body(t, d, bytes);
    }
    void on_transaction_gap(Transaction& t, Direction d, uint64_t length) {
      if constexpr (requires { sink.on_transaction_gap(t, d, length); }) sink.on_transaction_gap(t, d, length);
    }
    void on_message_end(Transaction& t, Direction d) { sink.on_message_end(t, d); }
    void on_transaction_end(Transaction& t) { sink.on_transaction_end(t); }

    void hand_on(InnerStream& inner, Direction direction, std::span<const uint8_t> bytes, const Packet& packet) {
      Layer* const layer = layer_of(inner);
      if (layer == nullptr) return;
      Events next(stack, root, sink, depth + 1);
      const bool decided_before = layer->decided();
      const AppProtocol protocol = stack.recognise(*layer, direction, bytes);
      if (!decided_before && layer->decided() && inner.role_ == InnerStream::Role::kNamesConnection) {
        root.named_ = protocol;
      }
      stack.consume_in(*layer, direction, bytes, packet, next);
    }
    void hand_on_gap(InnerStream& inner, Direction direction, uint64_t length, const Packet& packet) {
      Layer* const layer = layer_of(inner);
      if (layer == nullptr) return;
      Events next(stack, root, sink, depth + 1);
      stack.gap_in(*layer, direction, length, packet, next);
    }
    void hand_on_end(InnerStream& inner, Direction direction) {
      if (inner.layer_ == nullptr) return;
      Events next(stack, root, sink, depth + 1);
      stack.end_in(*static_cast<Layer*>(inner.layer_), direction, next);
    }
    void finish(InnerStream& inner) {
      if (inner.layer_ == nullptr) return;
      Events next(stack, root, sink, depth + 1);
      stack.finish_in(*static_cast<Layer*>(inner.layer_), next);
    }

    // Makes the layer of an inner stream with its first bytes; null where that would be one too many.
    Layer* layer_of(InnerStream& inner) {
      if (depth + 1 >= kLayersMax) {
        ++stack.over_layers_;
        return nullptr;
      }
      if (inner.layer_ == nullptr) {
        inner.layer_ = new Layer;
        inner.destroy_ = [](void* layer) { delete static_cast<Layer*>(layer); };
      }
      return static_cast<Layer*>(inner.layer_);
    }

    ProtocolStack& stack;
    Layer& root;  // the flow's
    Sink& sink;
    const uint32_t depth;  // layers below the one that speaks
  };

  template <class P, bool asked>
  static bool ask(std::span<const uint8_t> first_bytes, Recognised& answer) {
    if constexpr (asked) {
      const Recognition recognition = P::recognise(first_bytes);
      if (recognition.answer != Recognition::Answer::kNo) answer = {P::kProtocol, recognition};
    }
    return answer.recognition.answer != Recognition::Answer::kNo;
  }

  // Calls call(protocol, connection) for the protocol that the layer is parsed by, if there is one.
  template <class Self, class AnyLayer, class Call>
  static void on_connection_of(Self& self, AnyLayer& layer, Call&& call) {
    const size_t place = layer.connection_.index();
    const auto is_it = [&]<size_t i>(std::integral_constant<size_t, i>) {
      using P = std::tuple_element_t<i, std::tuple<Protocols...>>;
      if constexpr (ParsedProtocol<P>) {
        if (place != i + 1) return false;
        call(std::get<i>(self.protocols_), *std::get_if<i + 1>(&layer.connection_));
        return true;
      } else {
        return false;
      }
    };
    [&]<size_t... i>(std::index_sequence<i...>) {
      (void)(... || is_it(std::integral_constant<size_t, i>()));
    }
    (std::index_sequence_for<Protocols...>());
  }
  template <class Call>
  void on_connection(Layer& layer, Call&& call) {
    on_connection_of(*this, layer, call);
  }
  template <class Call>
  void on_connection(const Layer& layer, Call&& call) const {
    on_connection_of(*this, layer, call);
  }

  // The protocol is known: makes its connection.
  void begin(Layer& layer) {
    layer.named_ = layer.detector_.protocol();
    const auto begin_if = [&]<size_t i>(std::integral_constant<size_t, i>) {
      using P = std::tuple_element_t<i, std::tuple<Protocols...>>;
      if constexpr (ParsedProtocol<P>) {
        if (P::kProtocol != layer.named_) return;
        auto& connection = layer.connection_.template emplace<i + 1>();
        if constexpr (requires { connection.set_midstream(); }) {
          if (layer.midstream_) connection.set_midstream();
        }
        layer.held_waits_ = true;
      }
    };
    [&]<size_t... i>(std::index_sequence<i...>) {
      (begin_if(std::integral_constant<size_t, i>()), ...);
    }
    (std::index_sequence_for<Protocols...>());
  }

  template <class Sink>
  void consume_in(Layer& layer, Direction direction, std::span<const uint8_t> bytes, const Packet& packet,
                  Events<Sink>& events) {
    on_connection(layer, [&](auto& protocol, auto& connection) {
      if constexpr (StreamProtocol<std::remove_cvref_t<decltype(protocol)>>) {
        if (layer.held_waits_) [[unlikely]] {
          layer.held_waits_ = false;
          for (const Direction d : {Direction::kToServer, Direction::kToClient}) {
            const std::span<const uint8_t> held = layer.detector_.held(d);
            if (!held.empty()) protocol.consume(connection, d, held, packet, events);
          }
        }
        protocol.consume(connection, direction, bytes, packet, events);
      }
    });
  }
  template <class Sink>
  void gap_in(Layer& layer, Direction direction, uint64_t length, const Packet& packet, Events<Sink>& events) {
    if (!layer.decided()) layer.detector_.set_midstream();
    on_connection(layer, [&](auto& protocol, auto& connection) {
      if constexpr (StreamProtocol<std::remove_cvref_t<decltype(protocol)>>) {
        protocol.gap(connection, direction, length, packet, events);
      }
    });
  }
  template <class Sink>
  void end_in(Layer& layer, Direction direction, Events<Sink>& events) {
    on_connection(layer, [&](auto& protocol, auto& connection) {
      if constexpr (StreamProtocol<std::remove_cvref_t<decltype(protocol)>>) {
        protocol.end(connection, direction, events);
      }
    });
  }
  template <class Sink>
  void finish_in(Layer& layer, Events<Sink>& events) {
    on_connection(layer, [&](auto& protocol, auto& connection) { protocol.finish(connection, events); });
  }

  std::tuple<Protocols...> protocols_;
  uint64_t over_layers_ = 0;
};

}  // namespace gatetape
