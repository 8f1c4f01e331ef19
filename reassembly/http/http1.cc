#include "reassembly/http/http1.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "reassembly/app_protocol.h"
#include "reassembly/http/http1_head.h"
#include "reassembly/http/http_uri.h"

namespace gatetape {
namespace {

using State = Http1Side::State;

constexpr uint64_t kChunkBytesMax = uint64_t{1} << 60;

int hex_value(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  const uint8_t lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool& message_done(PooledTransaction& t, Direction d) {
  return d == Direction::kToServer ? t.request_done : t.response_done;
}

// After it, the connection carries something else (RFC 9110 sections 9.3.6 and 15.2.2).
bool opens_tunnel(const HttpTransaction& t) {
  return t.status == 101 || (t.request.method == "CONNECT" && t.status >= 200 && t.status < 300);
}

bool looks_like_start(Direction d, std::span<const uint8_t> bytes, bool& enough) {
  return d == Direction::kToServer ? looks_like_http_request(bytes, enough) : looks_like_http_response(bytes, enough);
}

}  // namespace

Http1Connection::~Http1Connection() {
  while (PooledTransaction* transaction = oldest_) {
    oldest_ = transaction->next;
    HttpPool::give_back(transaction);
  }
}

Http1Parser::Event Http1Parser::next(Http1Connection& connection, Direction direction, Input& input) {
  Http1Side& side = connection.sides_[index(direction)];
  for (;;) {
    PooledTransaction* const oldest = connection.oldest_;
    if (oldest != nullptr && oldest->request_done && oldest->response_done) {
      return {EventKind::kTransactionEnd, oldest, {}, 0};
    }
    Event event;
    bool told;
    if (side.state == State::kEnd) {
      told = end_message(connection, direction, event);
    } else if (input.gap > 0) {
      told = read_gap(connection, direction, input, event);
    } else if (input.size() > 0) {
      told = read(connection, direction, input, event);
    } else if (input.ends && !side.ended) {
      told = read_end(connection, direction, input, event);
    } else {
      return {};
    }
    if (told) return event;
  }
}

// Each read_* consumes input, and says whether it found something to tell.
bool Http1Parser::read(Http1Connection& connection, Direction direction, Input& input, Event& event) {
  Http1Side& side = connection.sides_[index(direction)];
  switch (side.state) {
    case State::kLength:
    case State::kChunkData:
    case State::kUntilClose:
      return read_body(connection, direction, input, event);
    case State::kStart:
      return read_start(connection, direction, input, event);
    case State::kHead:
      return read_head(connection, direction, input, event);
    case State::kChunkSize:
      return read_chunk_size(connection, direction, input);
    case State::kChunkEnd:
      return read_chunk_end(side, input);
    case State::kTrailer:
      return read_trailer(connection, direction, input);
    case State::kSearch:
      return search(connection, direction, input);
    case State::kEnd:
    case State::kTunnel:
      break;
  }
  input.at = input.end;
  return false;
}

bool Http1Parser::read_body(Http1Connection& connection, Direction direction, Input& input, Event& event) {
  Http1Side& side = connection.sides_[index(direction)];
  const bool bounded = side.state != State::kUntilClose;
  const size_t length = bounded ? static_cast<size_t>(std::min<uint64_t>(input.size(), side.remaining)) : input.size();
  event = {EventKind::kBody, side.transaction, {input.at, length}, 0};
  side.transaction->body_length[index(direction)] += length;
  side.transaction->progress[index(direction)] = Progress::kBody;
  input.at += length;
  if (bounded) advance_body(side, length);
  return true;
}

void Http1Parser::advance_body(Http1Side& side, uint64_t length) {
  side.remaining -= length;
  if (side.remaining > 0) return;
  side.state = side.state == State::kLength ? State::kEnd : State::kChunkEnd;
  side.line_bytes = 0;
}

bool Http1Parser::read_start(Http1Connection& connection, Direction direction, Input& input, Event& event) {
  Http1Side& side = connection.sides_[index(direction)];
  if (side.prefix_length == 0) {
    while (input.at < input.end && (*input.at == '\r' || *input.at == '\n')) ++input.at;  // RFC 9112 section 2.2
    if (input.at == input.end) return false;
  }
  bool enough = true;
  if (!is_plausible_start(side, direction, input, enough)) {
    lose_place(connection, direction, 0);
    side.at_line_start = false;
    return false;
  }
  if (!enough) {
    std::memcpy(side.prefix + side.prefix_length, input.at, input.size());
    side.prefix_length = static_cast<uint8_t>(side.prefix_length + input.size());
    input.at = input.end;
    return false;
  }
  const uint8_t held = std::exchange(side.prefix_length, uint8_t{0});
  if (!begin_message(connection, direction)) return false;
  side.transaction->head(direction).bytes.assign(reinterpret_cast<const char*>(side.prefix), held);
  return read_head(connection, direction, input, event);
}

// Whether what is held and the input may begin a message: anything visible a request, "HTTP/" a response.
bool Http1Parser::is_plausible_start(const Http1Side& side, Direction direction, const Input& input, bool& enough) {
  if (direction == Direction::kToServer) return *input.at > ' ' && *input.at < 0x7f;
  constexpr std::string_view kResponse = "HTTP/";
  const std::string_view wanted = kResponse.substr(side.prefix_length);
  const size_t length = std::min(input.size(), wanted.size());
  enough = length == wanted.size();
  return std::memcmp(input.at, wanted.data(), length) == 0;
}

// Finds the transaction that the message belongs to. False: the pool has no room for one, and the message is skipped.
bool Http1Parser::begin_message(Http1Connection& connection, Direction direction) {
  Http1Side& side = connection.sides_[index(direction)];
  if (!pool_.has_room()) {
    ++counters_.over_memory;
    lose_place(connection, direction, 0);
    side.at_line_start = false;
    return false;
  }
  side.state = State::kHead;
  side.scanned = 0;
  if (direction == Direction::kToServer) {
    side.transaction = add_transaction(connection);
    return true;
  }
  if (side.lost_messages && !connection.pipelines_) {
    for (PooledTransaction* t = connection.oldest_; t != nullptr && t != connection.newest_; t = t->next) {
      t->anomalies |= t->response_done ? 0u : uint32_t{kHttpGap};
      t->response_done = true;
    }
  }
  side.lost_messages = false;
  PooledTransaction* waiting = connection.oldest_;
  while (waiting != nullptr && waiting->response_done) waiting = waiting->next;
  if (waiting == nullptr) {
    waiting = add_transaction(connection);
    waiting->request_done = true;
    waiting->anomalies |= kHttpResponseWithoutRequest;
  }
  side.transaction = waiting;
  return true;
}

PooledTransaction* Http1Parser::add_transaction(Http1Connection& connection) {
  if (connection.outstanding_ >= options_.outstanding_max) {
    // The oldest one goes; a response that was being read for it is lost.
    ++counters_.over_outstanding;
    for (const Direction d : {Direction::kToServer, Direction::kToClient}) {
      if (connection.sides_[index(d)].transaction == connection.oldest_) lose_place(connection, d, 0);
    }
    connection.oldest_->request_done = connection.oldest_->response_done = true;
  }
  PooledTransaction* transaction = pool_.take();
  transaction->id = connection.next_id_++;
  transaction->response_done = connection.sides_[index(Direction::kToClient)].ended;
  (connection.newest_ == nullptr ? connection.oldest_ : connection.newest_->next) = transaction;
  connection.newest_ = transaction;
  ++connection.outstanding_;
  ++counters_.transactions;
  return transaction;
}

// In one piece, a head is found where it lies and copied once; else its pieces are gathered until it is whole.
bool Http1Parser::read_head(Http1Connection& connection, Direction direction, Input& input, Event& event) {
  Http1Side& side = connection.sides_[index(direction)];
  PooledTransaction& transaction = *side.transaction;
  if (!pool_.has_room()) {
    ++counters_.over_memory;
    return cut_head(connection, direction, kHttpHeadTooLarge, *input.packet, event);
  }
  HttpHead& head = transaction.head(direction);
  const char* const bytes = reinterpret_cast<const char*>(input.at);
  const size_t before = head.bytes.size();
  const size_t taken = std::min(input.size(), options_.head_bytes_max - before);
  size_t end;
  if (before == 0) {
    end = find_head_end(bytes, taken, side.scanned);
    head.bytes.assign(bytes, end == SIZE_MAX ? taken : end);
  } else {
    head.bytes.append(bytes, taken);
    end = find_head_end(head.bytes.data(), head.bytes.size(), side.scanned);
    if (end != SIZE_MAX) head.bytes.resize(end);
  }
  pool_.charge(transaction);
  if (end != SIZE_MAX) {
    input.at += end - before;
    head.complete = true;
    return end_head(connection, direction, *input.packet, event);
  }
  input.at += taken;
  if (head.bytes.size() < options_.head_bytes_max) return false;
  ++counters_.heads_too_large;
  return cut_head(connection, direction, kHttpHeadTooLarge, *input.packet, event);
}

// The head is whole: says what comes behind it.
bool Http1Parser::end_head(Http1Connection& connection, Direction direction, const Packet& packet, Event& event) {
  Http1Side& side = connection.sides_[index(direction)];
  PooledTransaction& transaction = *side.transaction;
  event = {EventKind::kHead, &transaction, {}, 0};
  if (direction == Direction::kToServer) {
    const HeadFraming framing = fill_request(transaction, packet);
    transaction.progress[index(direction)] = Progress::kHead;
    side.state = State::kEnd;
    if (framing.chunked) {
      begin_chunk(side);
    } else if (framing.has_length && framing.length > 0) {
      side.state = State::kLength;
      side.remaining = framing.length;
    }
    return true;
  }
  const HeadFraming framing = fill_response(transaction, packet);
  if (transaction.status >= 100 && transaction.status < 200 && transaction.status != 101) {
    ++counters_.interim_responses;  // another response follows (RFC 9110 section 15.2)
    transaction.response.clear();
    transaction.status = 0;
    side.state = State::kStart;
    side.transaction = nullptr;
    return false;
  }
  transaction.progress[index(direction)] = Progress::kHead;
  begin_response_body(side, transaction, framing);
  return true;
}

// RFC 9112 section 6.3.
void Http1Parser::begin_response_body(Http1Side& side, const PooledTransaction& transaction,
                                      const HeadFraming& framing) {
  const uint16_t status = transaction.status;
  const std::string_view method = transaction.request.method;
  side.remaining = framing.length;
  if (opens_tunnel(transaction) || method == "HEAD" || status == 204 || status == 304) {
    side.state = State::kEnd;
  } else if (framing.chunked) {
    begin_chunk(side);
  } else if (framing.has_length && !framing.has_other_coding) {
    side.state = framing.length == 0 ? State::kEnd : State::kLength;
  } else {
    side.state = State::kUntilClose;
  }
}

HeadFraming Http1Parser::fill_request(PooledTransaction& transaction, const Packet& packet) {
  HttpHead& head = transaction.request;
  const HeadFraming framing = parse_request_head(head, options_.fields_max);
  pool_.renew_heads(transaction);
  transaction.anomalies |= framing.anomalies;
  transaction.request_timestamp_ns = packet.timestamp_ns;
  transaction.request_ordinal = packet.ordinal;
  normalise_uri(head.uri, transaction.normalised_uri);
  std::string_view host = head.method == "CONNECT" ? head.uri : authority_of(head.uri);
  if (host.empty()) {
    if (const HttpField* field = head.find("Host")) host = field->value;
  }
  normalise_host(host, transaction.normalised_host);
  return framing;
}

HeadFraming Http1Parser::fill_response(PooledTransaction& transaction, const Packet& packet) {
  const HeadFraming framing = parse_response_head(transaction.response, options_.fields_max, transaction.status);
  pool_.renew_heads(transaction);
  transaction.anomalies |= framing.anomalies;
  transaction.response_timestamp_ns = packet.timestamp_ns;
  transaction.response_ordinal = packet.ordinal;
  return framing;
}

// The head will not become whole: tells what there is of it, and gives the message up.
bool Http1Parser::cut_head(Http1Connection& connection, Direction direction, uint32_t anomaly, const Packet& packet,
                           Event& event) {
  PooledTransaction& transaction = *connection.sides_[index(direction)].transaction;
  direction == Direction::kToServer ? fill_request(transaction, packet) : fill_response(transaction, packet);
  transaction.progress[index(direction)] = Progress::kHead;
  event = {EventKind::kHead, &transaction, {}, 0};
  lose_place(connection, direction, anomaly);
  connection.sides_[index(direction)].at_line_start = anomaly == kHttpGap;
  return true;
}

void Http1Parser::begin_chunk(Http1Side& side) {
  side.state = State::kChunkSize;
  side.remaining = 0;
  side.line_bytes = 0;
  side.chunk_has_digits = side.chunk_size_done = false;
}

// One byte of a chunk-size line before its end: chunk-size [ chunk-ext ] CRLF (RFC 9112 section 7.1). False: it is
// none.
bool Http1Parser::take_chunk_size(Http1Side& side, uint8_t c) {
  const bool is_blank = c == ' ' || c == '\t';
  if (++side.line_bytes > options_.head_bytes_max) return false;
  if (side.chunk_size_done) return true;
  const int digit = hex_value(c);
  if (digit >= 0) {
    side.remaining = side.remaining << 4 | static_cast<uint64_t>(digit);
    side.chunk_has_digits = true;
    return side.remaining < kChunkBytesMax;
  }
  if (!side.chunk_has_digits) return is_blank;
  side.chunk_size_done = true;
  if (!is_blank && c != ';' && c != '\r') side.transaction->anomalies |= kHttpBadChunk;
  return true;
}

bool Http1Parser::read_chunk_size(Http1Connection& connection, Direction direction, Input& input) {
  Http1Side& side = connection.sides_[index(direction)];
  while (input.at < input.end) {
    const uint8_t c = *input.at++;
    if (c == '\n' && side.chunk_has_digits) {
      side.state = side.remaining > 0 ? State::kChunkData : State::kTrailer;
      side.line_bytes = side.trailer_bytes = 0;
      return false;
    }
    if (c == '\n' || !take_chunk_size(side, c)) {
      lose_place(connection, direction, kHttpBadChunk);
      side.at_line_start = c == '\n';
      return false;
    }
  }
  return false;
}

bool Http1Parser::read_chunk_end(Http1Side& side, Input& input) {
  const uint8_t c = *input.at;
  if (c == '\r' && side.line_bytes == 0) {
    ++side.line_bytes;
    ++input.at;
    return false;
  }
  if (c == '\n') {
    ++input.at;
  } else {
    side.transaction->anomalies |= kHttpBadChunk;  // the size was wrong, or the line end is missing
  }
  begin_chunk(side);
  return false;
}

// Trailer fields are not kept; the section ends with an empty line. line_bytes counts those of the line, without LF.
bool Http1Parser::read_trailer(Http1Connection& connection, Direction direction, Input& input) {
  Http1Side& side = connection.sides_[index(direction)];
  while (input.at < input.end) {
    const void* found = std::memchr(input.at, '\n', input.size());
    const uint8_t* const line_end = found == nullptr ? input.end : static_cast<const uint8_t*>(found);
    const uint32_t length = static_cast<uint32_t>(line_end - input.at);
    if (side.line_bytes == 0) side.line_is_return = length > 0 && *input.at == '\r';
    side.line_bytes += length;
    side.trailer_bytes += length;
    input.at = found == nullptr ? input.end : line_end + 1;
    if (side.trailer_bytes > options_.head_bytes_max) {
      lose_place(connection, direction, kHttpHeadTooLarge);
      side.at_line_start = found != nullptr;
      return false;
    }
    if (found == nullptr) return false;
    if (side.line_bytes == 0 || (side.line_bytes == 1 && side.line_is_return)) {
      side.state = State::kEnd;
      return false;
    }
    side.line_bytes = 0;
  }
  return false;
}

bool Http1Parser::end_message(Http1Connection& connection, Direction direction, Event& event) {
  Http1Side& side = connection.sides_[index(direction)];
  Http1Side& other = connection.sides_[1 - index(direction)];
  PooledTransaction& transaction = *side.transaction;
  event = {EventKind::kMessageEnd, &transaction, {}, 0};
  message_done(transaction, direction) = true;
  transaction.progress[index(direction)] = Progress::kComplete;
  side.transaction = nullptr;
  side.state = State::kStart;
  const bool connects = transaction.request.method == "CONNECT";
  if (direction == Direction::kToServer) {
    if (connects) side.state = State::kTunnel;  // until the response says no
    return true;
  }
  if (connection.outstanding_ > 1 && !(transaction.anomalies & kHttpGap)) connection.pipelines_ = true;
  if (opens_tunnel(transaction)) {
    give_up(connection, Direction::kToServer, 0);
    side.state = other.state = State::kTunnel;
    abandon_all(connection);
  } else if (connects && other.state == State::kTunnel) {
    other.state = State::kStart;
  }
  return true;
}

// Bytes are missing. Where the length of the body is known they are counted off; else the place is lost.
bool Http1Parser::read_gap(Http1Connection& connection, Direction direction, Input& input, Event& event) {
  Http1Side& side = connection.sides_[index(direction)];
  const bool bounded = side.state == State::kLength || (side.state == State::kChunkData && input.gap <= side.remaining);
  if (bounded || side.state == State::kUntilClose) {
    const uint64_t length = bounded ? std::min(input.gap, side.remaining) : input.gap;
    side.transaction->anomalies |= kHttpGap;
    event = {EventKind::kGap, side.transaction, {}, length};
    input.gap -= length;
    if (bounded) advance_body(side, length);
    return true;
  }
  input.gap = 0;
  if (side.state == State::kTunnel) return false;
  if (side.state == State::kHead) {
    side.lost_messages = true;
    return cut_head(connection, direction, kHttpGap, *input.packet, event);
  }
  lose_place(connection, direction, kHttpGap);
  side.lost_messages = true;
  return false;
}

// The stream is over. A body that lasts until then is complete; whatever else was being read is not.
bool Http1Parser::read_end(Http1Connection& connection, Direction direction, Input& input, Event& event) {
  Http1Side& side = connection.sides_[index(direction)];
  if (side.state == State::kUntilClose) {
    side.state = State::kEnd;
    return false;
  }
  if (side.state == State::kHead) return cut_head(connection, direction, kHttpTruncated, *input.packet, event);
  give_up(connection, direction, kHttpTruncated);
  side.state = State::kTunnel;
  side.ended = true;
  if (direction == Direction::kToClient) {
    for (PooledTransaction* t = connection.oldest_; t != nullptr; t = t->next) t->response_done = true;
  }
  return false;
}

// Looks for a line that can only be a start line. What could become one is kept in `prefix` until there is more.
bool Http1Parser::search(Http1Connection& connection, Direction direction, Input& input) {
  Http1Side& side = connection.sides_[index(direction)];
  if (!side.at_line_start) {
    const void* found = std::memchr(input.at, '\n', input.size());
    const uint8_t* const to = found == nullptr ? input.end : static_cast<const uint8_t*>(found) + 1;
    counters_.bytes_skipped += static_cast<uint64_t>(to - input.at);
    input.at = to;
    side.at_line_start = found != nullptr;
    return false;
  }
  const size_t taken = std::min(input.size(), sizeof(side.prefix) - side.prefix_length);
  std::memcpy(side.prefix + side.prefix_length, input.at, taken);
  bool enough = true;
  const bool looks = looks_like_start(direction, {side.prefix, side.prefix_length + taken}, enough);
  if (looks && !enough) {
    side.prefix_length = static_cast<uint8_t>(side.prefix_length + taken);
    input.at += taken;
    return false;
  }
  if (looks) {
    if (!begin_message(connection, direction)) return false;
    side.transaction->head(direction).bytes.assign(reinterpret_cast<const char*>(side.prefix), side.prefix_length);
  } else {
    side.at_line_start = false;
    counters_.bytes_skipped += side.prefix_length;
  }
  side.prefix_length = 0;
  return false;
}

// Nothing more is read for the message.
void Http1Parser::give_up(Http1Connection& connection, Direction direction, uint32_t anomaly) {
  Http1Side& side = connection.sides_[index(direction)];
  if (side.transaction == nullptr) return;
  side.transaction->anomalies |= anomaly;
  message_done(*side.transaction, direction) = true;
  side.transaction = nullptr;
}

void Http1Parser::lose_place(Http1Connection& connection, Direction direction, uint32_t anomaly) {
  Http1Side& side = connection.sides_[index(direction)];
  give_up(connection, direction, anomaly);
  counters_.places_lost += side.state != State::kSearch;
  side.state = State::kSearch;
  side.at_line_start = true;
  side.prefix_length = 0;
}

void Http1Parser::abandon_all(Http1Connection& connection) {
  for (PooledTransaction* t = connection.oldest_; t != nullptr; t = t->next) t->request_done = t->response_done = true;
}

void Http1Parser::remove(Http1Connection& connection, PooledTransaction& transaction) {
  connection.oldest_ = transaction.next;
  if (connection.oldest_ == nullptr) connection.newest_ = nullptr;
  --connection.outstanding_;
  counters_.completed += transaction.complete();
  counters_.anomalous += transaction.anomalies != 0;
}

}  // namespace gatetape
