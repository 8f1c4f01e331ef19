// An HTTP sink that writes down what it is told, and checks that the order of calls makes sense.
//   > GET /x host        request head: method, normalised URI, normalised host ("cut" behind it: not complete)
//   > "body"             body bytes, pieces joined; (5) a gap
//   > end                that message is complete
//   < 200, < "..."       the response
//   = 0 ok 1f            the transaction ended: id, ok or cut, anomalies in hex (left out when none)
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <string>

#include "reassembly/http/http1.h"

namespace gatetape::test {

class HttpLog {
 public:
  void on_http_head(HttpTransaction& t, Direction d) {
    Seen& seen = seen_[&t];
    REQUIRE_FALSE(seen.head[index(d)]);
    seen.head[index(d)] = true;
    const HttpHead& head = d == Direction::kToServer ? t.request : t.response;
    check_views(head);
    std::string line = d == Direction::kToServer
                           ? std::string(head.method) + ' ' + t.normalised_uri + ' ' + t.normalised_host
                           : std::to_string(t.status);
    if (!head.complete) line += " cut";
    add(d, line);
  }
  void on_http_body(HttpTransaction& t, Direction d, std::span<const uint8_t> bytes) {
    REQUIRE_FALSE(bytes.empty());
    check_open(t, d);
    const std::string text(bytes.begin(), bytes.end());
    if (last_is_body_ && last_direction_ == d) {
      text_.insert(text_.size() - 2, text);  // within the quotes
    } else {
      add(d, '"' + text + '"');
      last_is_body_ = true;
    }
  }
  void on_http_gap(HttpTransaction& t, Direction d, uint64_t length) {
    check_open(t, d);
    add(d, '(' + std::to_string(length) + ')');
  }
  void on_http_message_end(HttpTransaction& t, Direction d) {
    check_open(t, d);
    seen_[&t].end[index(d)] = true;
    add(d, "end");
  }
  void on_http_transaction_end(HttpTransaction& t) {
    const Seen seen = seen_[&t];
    for (const Direction d : {Direction::kToServer, Direction::kToClient}) {
      const Progress progress = t.progress[index(d)];
      REQUIRE((progress == Progress::kComplete) == seen.end[index(d)]);
      REQUIRE((progress == Progress::kNone) == !seen.head[index(d)]);
    }
    seen_.erase(&t);
    text_ += "= " + std::to_string(t.id) + (t.complete() ? " ok" : " cut");
    if (t.anomalies != 0) text_ += fmt::format(" {:x}", t.anomalies);
    text_ += '\n';
    last_is_body_ = false;
    ++ended;
  }

  const std::string& text() const { return text_; }
  bool all_ended() const { return seen_.empty(); }
  size_t ended = 0;

 private:
  struct Seen {
    bool head[2] = {false, false};
    bool end[2] = {false, false};
  };

  void add(Direction d, const std::string& line) {
    text_ += (d == Direction::kToServer ? "> " : "< ") + line + '\n';
    last_is_body_ = false;
    last_direction_ = d;
  }
  void check_open(HttpTransaction& t, Direction d) {
    REQUIRE(seen_[&t].head[index(d)]);
    REQUIRE_FALSE(seen_[&t].end[index(d)]);
  }
  static void check_views(const HttpHead& head) {
    const auto inside = [&](std::string_view view) {
      REQUIRE((view.empty() || (view.data() >= head.bytes.data() &&
                                view.data() + view.size() <= head.bytes.data() + head.bytes.size())));
    };
    for (const std::string_view view :
         {head.start_line, head.raw_fields, head.method, head.uri, head.protocol, head.status_text, head.reason}) {
      inside(view);
    }
    for (const HttpField& field : head.fields) {
      inside(field.name);
      inside(field.value);
    }
  }

  std::string text_;
  std::map<const HttpTransaction*, Seen> seen_;
  bool last_is_body_ = false;
  Direction last_direction_ = Direction::kToServer;
};

}  // namespace gatetape::test
