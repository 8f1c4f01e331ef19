// An Expression says which packets, or which records, a user wants. It is a tcpdump filter to which Gatetape adds
// names of its own (expression/own_term.h). Text that libpcap accepts means what it means to libpcap, on the
// packet as stored.
//
//  - An expression without own names goes to libpcap whole and unchanged.
//  - Any other expression is split. The largest parts without own names are libpcap's pieces, compiled as they stand.
//    A piece such as `vlan 12`, which changes how libpcap reads all that follows it in the text, has that effect on
//    later pieces too. A packet that was captured too short for a piece does not match that piece; libpcap alone would
//    let such a packet fail the whole filter.
//  - A term on a field of records (packet/record_fields.h) selects the packets of connections with such a record in the
//    time range. Terms on records of one type that are joined by `and` or `or` must hold for one record. A value that a
//    record does not have (no status yet, no Host) satisfies no term.
//  - A term on sid selects the connections in which the rule alerted. Terms on fields and sid are resolved through the
//    store's records before packets are read.
//  - `!=` on a name that a packet may have several of (any.host, any.port, vlan.id) means that none of them is equal.
//
// To use one: parse() it, compile() it, let it learn() the store's records if record_types() is not 0, then ask
// matches(). An Expression belongs to one thread. It keeps eight bytes per connection that a term selected, for at most
// kConnectionsMax connections.
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
  // Parses the text; blank text selects everything. An error begins with "column N: ". Mistakes inside libpcap's pieces
  // are found by compile().
  static Result<Expression> parse(std::string_view text);
  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;
  ~Expression();

  const std::string& text() const;
  bool selects_everything() const;

  // Compiles libpcap's pieces for each link type, for Ethernet if there is none. Fails when a piece makes sense
  // for none of them. Returns a note for each link type that a piece makes no sense for; packets of that type do
  // not match it.
  Result<std::vector<std::string>> compile(std::vector<LinkType> link_types);

  // Returns the types of records that learn() must see before packets or records are matched, or 0 when it needs none.
  RecordTypes record_types() const;
  // Returns the rules (sid) whose alerts it asks for by their number.
  std::vector<uint64_t> sids() const;
  // Takes one record of the store. The caller passes all records of record_types() that are dated from
  // kLookBackNanoseconds before the range to its end, because a transaction counts when its request or its response
  // lies in the range.
  void learn(const Record& record, const TimeRange& range);
  static constexpr int64_t kLookBackNanoseconds = 600'000'000'000;
  // Ends learning, after the last record. Fails when more than kConnectionsMax connections match.
  Result<void> learned() const;

  bool matches(const StoredPacket& packet);

  // Checks that records can be matched: every primitive of libpcap's must be an EndpointCondition. The error names the
  // first that is not.
  Result<void> check_for_records() const;
  // Matches HTTP, flow and alert records; others never match. A term that the record itself cannot answer, such as sid
  // for a flow, is answered by its connection, as for packets.
  bool matches(const Record& record);

  // Describes how the text was split, one item per line, for --explain.
  std::string explain() const;

  // The inside, from which a query of the index is planned (storage/query/index_planning.h).
  struct Parts;  // expression/expression_parts.h
  const Parts& parts() const { return *parts_; }

 private:
  explicit Expression(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace gatetape
