// An expression: which packets, or which records, a user wants. A tcpdump filter with names of our own added
// (expression/expression_parse.h); what libpcap accepts means what libpcap means, on the outer frame as stored.
//
//  - Without own names the text goes to libpcap whole and unchanged.
//  - Else it is split: the largest parts without own names are libpcap's pieces, as they stand. What a piece such as
//    `vlan 12` changes for all that follows it in the text, it changes for later pieces too. A packet that was cut
//    short of what libpcap would have to read does not match the piece (libpcap alone lets such a packet fail the whole
//    filter).
//  - A term on http.* selects the packets of the connections that carried such a transaction within the time range;
//  http.*
//    terms joined by `and`/`or` are asked of one and the same transaction. `sid` selects the connections in which the
//    rule alerted. Both are resolved through the store's records before packets are read. A value that a transaction
//    does not have (no status yet, no Host) satisfies no term.
//  - `!=` on a name of which a packet has several (any.host, any.port, vlan.id) means that none is equal.
//
// Use: parse, compile, learn from the store's records when record_types() is not 0, then match. One thread. Memory:
// eight bytes per connection that a term selected, at most kConnectionsMax.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "common/time_range.h"
#include "packet/records.h"
#include "packet/stored_packet.h"

namespace gatetape {

inline constexpr size_t kConnectionsMax = 4'000'000;

class Expression {
 public:
  // Blank text: everything. An error names the column and says whether it is ours or libpcap's.
  static Result<Expression> parse(std::string_view text);
  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;
  ~Expression();

  const std::string& text() const;
  bool selects_everything() const;

  // Compiles libpcap's pieces. Fails when a piece makes sense for none of the link types; returns a note for each where
  // it makes no sense (packets of that link type do not match it). No link types: Ethernet.
  Result<std::vector<std::string>> compile(std::vector<LinkType> link_types);

  // The records through which terms must be resolved before packets (or records) are matched; 0: none.
  RecordTypes record_types() const;
  // One record; those from kLookBackNanoseconds before the range must be among them: a transaction counts when its
  // request or its response lies in the range.
  void learn(const Record& record, const TimeRange& range);
  static constexpr int64_t kLookBackNanoseconds = 600'000'000'000;
  // After the last record: fails when too many connections match.
  Result<void> learned() const;

  bool matches(const StoredPacket& packet);

  // Prepares to match records: every piece of libpcap's must be one that speaks of endpoints
  // (expression/endpoint_condition.h).
  Result<void> check_for_records() const;
  // HTTP, flow and alert records; others never match. A term that the record itself cannot answer (sid of a flow) is
  // answered by its connection, as for packets.
  bool matches(const Record& record);

  // How the text was split, one item a line, and what each asks; for --explain.
  std::string explain() const;

  // The inside, for whoever plans a query of an index (storage/query/index_planning.h).
  struct Parts;  // expression/expression_parts.h
  const Parts& parts() const { return *parts_; }

 private:
  explicit Expression(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace gatetape
