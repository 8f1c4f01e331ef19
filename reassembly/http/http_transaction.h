// An HTTP transaction: a request and its response. The parsers of all versions of HTTP fill the same structure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "packet/flow_key.h"
#include "packet/transaction.h"

namespace gatetape {

class HttpBuffers;  // reassembly/http/http_buffers.h

struct HttpField {
  std::string_view name;   // as sent
  std::string_view value;  // leading and trailing white space removed; folded lines as sent
};

// The head of a request or a response. All views point into `bytes`, which is recycled from transaction to transaction.
struct HttpHead {
  bool complete = false;  // the blank line after the fields was seen
  std::string bytes;      // as received, from the start line to the blank line, at most the parser's head limit
  std::string_view start_line;
  std::string_view raw_fields;  // all field lines with their line ends, without the blank line
  std::vector<HttpField> fields;
  // A request has method, uri and protocol; a response has protocol, status_text and reason.
  std::string_view method;
  std::string_view uri;  // the request target as sent
  std::string_view protocol;
  std::string_view status_text;
  std::string_view reason;

  // The first field of that name, compared without case (RFC 9110 section 5.1); nullptr when there is none.
  const HttpField* find(std::string_view name) const;
  void clear();
};

struct HttpTransaction : Transaction {
  explicit HttpTransaction(AppProtocol spoken = AppProtocol::kHttp1) : Transaction(spoken) {}

  // --- Transaction ---
  std::optional<std::span<const uint8_t>> buffer(Buffer buffer, Direction direction, size_t instance) const override;
  Record record(const RecordContext& context) const override;
  void describe(AlertRecord& alert) const override;

  const HttpHead& head(Direction direction) const { return direction == Direction::kToServer ? request : response; }
  HttpHead& head(Direction direction) { return direction == Direction::kToServer ? request : response; }
  void clear();

  // The parser's, beside what it writes for each piece of a body: nothing more comes of that message, since it is
  // complete or was given up.
  bool request_done = false;
  bool response_done = false;
  uint16_t status = 0;               // 0: none seen
  uint32_t anomalies = 0;            // HttpAnomaly
  uint64_t body_length[2] = {0, 0};  // by Direction: entity bytes after the transfer coding was removed

  // Builds buffer(); shared by the transactions of a worker, and set by whoever makes the transaction.
  HttpBuffers* buffers = nullptr;
  // Tells the buffers' builder whether it has seen these heads: a number that no other state of a transaction with the
  // same builder has had. Renewed when a head is filled.
  uint64_t heads_version = 0;

  HttpHead request;
  HttpHead response;
  std::string normalised_uri;        // percent-decoded path, dot segments resolved, as rules see it in http.uri
  std::string normalised_host;       // lower case, without port; from the request target if absolute, else from Host
  int64_t request_timestamp_ns = 0;  // packet that completed the request head
  int64_t response_timestamp_ns = 0;
  uint64_t request_ordinal = 0;
  uint64_t response_ordinal = 0;
};

}  // namespace gatetape
