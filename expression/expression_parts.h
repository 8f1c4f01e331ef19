// The inside of an Expression: its terms, and what they need to be answered. Only for expression*.cc.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "expression/bpf_program.h"
#include "expression/expression.h"
#include "expression/expression_parse.h"

namespace gatetape {

// One of libpcap's pieces.
struct ExpressionPiece {
  ExpressionNode node;        // our understanding of it, for the index and for records
  std::string misunderstood;  // why we have none, and only libpcap can tell what it means
  std::string text;           // as it stands
  std::string program;        // what is compiled: the text, behind what changes its meaning
  std::map<LinkType, BpfProgram> by_link_type;
};

// A term that is answered by the connection: http.* terms of one transaction, sid or community_id.
struct ConnectionTerm {
  ExpressionNode node;
  OwnName name = OwnName::kSid;  // kHttpHost for all of http.*
  std::unordered_set<uint64_t> flows;
  // community_id: the connection, once a record told it; and what was found by flow, for packets.
  std::optional<Endpoints> endpoints;
  std::unordered_map<uint64_t, bool> verdicts;
};

struct ExpressionTerm {
  enum class Kind : uint8_t { kAnd, kOr, kNot, kPiece, kOwn, kConnection };
  Kind kind = Kind::kPiece;
  size_t index = 0;  // of a piece or a connection term
  OwnTerm own;
  std::string text;  // of a piece, own or connection term
  std::vector<ExpressionTerm> children;
};

struct Expression::Parts {
  std::string text;
  std::optional<ExpressionTerm> root;  // none: everything
  std::vector<ExpressionPiece> pieces;
  std::vector<ConnectionTerm> connections;
  bool offsets_certain = false;  // expression/link_offsets.h
  bool too_many = false;         // connections matched

  bool matches(const ExpressionTerm& term, const StoredPacket& packet, std::optional<DecodedPacket>& decoded);
  bool matches_community(ConnectionTerm& term, const StoredPacket& packet, std::optional<DecodedPacket>& decoded);
  bool matches(const ExpressionTerm& term, const Record& record, const Endpoints& endpoints);
};

// expression_split.cc: the tree as terms; `parts.text` is set.
void split_expression(Expression::Parts& parts, const ExpressionNode& node);
// The whole text is libpcap's; `node` is our understanding of it, if any.
void add_whole_piece(Expression::Parts& parts, Result<ExpressionNode> node);
std::string describe(const ExpressionTerm& term);

// expression_records.cc: whether one transaction, whole or as an alert carries it, has what a tree of http.* terms
// asks.
struct TransactionFields {
  std::string_view host, uri, method;
  uint16_t status;
};
bool transaction_holds(const ExpressionNode& node, const TransactionFields& fields);
TransactionFields fields_of(const HttpRecord& record);
// The endpoints and flow of a record that belongs to a flow; nullptr and 0 for others.
const Endpoints* endpoints_in(const Record& record);
uint64_t flow_id_in(const Record& record);

// expression_match.cc: own terms on what a packet or a record has.
bool holds_any(const OwnTerm& term, uint64_t first, uint64_t second);
bool holds_address(const OwnTerm& term, const IpAddress& source, const IpAddress& destination);
bool holds_vlan(const OwnTerm& term, const uint16_t* ids, unsigned count);
bool is_community(const OwnTerm& term, const Endpoints& endpoints);

}  // namespace gatetape
