// The inside of an Expression: its terms, and the state from which they are answered. Only expression*.cc and
// storage/query/index_planning.cc include this header.
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

// A part of the text that libpcap compiles.
struct ExpressionPiece {
  ExpressionNode node;        // the parsed text, for the index and for records
  std::string misunderstood;  // the parser's error, when only libpcap understands the piece; else empty
  std::string text;           // as the user wrote it
  std::string program;        // the text to compile: `text` behind the earlier pieces that change its meaning
  std::map<LinkType, BpfProgram> by_link_type;
};

// A term that selects connections: terms on fields of one record, sid, or community_id.
struct ConnectionTerm {
  ExpressionNode node;
  OwnName name = OwnName::kSid;
  RecordTypes of = 0;  // kField: the records of a connection by which it is selected
  std::unordered_set<uint64_t> flows;
  // For community_id: the connection's endpoints, once a record told them; and the answers for packets, by flow.
  std::optional<Endpoints> endpoints;
  std::unordered_map<uint64_t, bool> verdicts;
};

struct ExpressionTerm {
  enum class Kind : uint8_t { kAnd, kOr, kNot, kPiece, kOwn, kConnection };
  Kind kind = Kind::kPiece;
  size_t index = 0;  // kPiece, kConnection: the place in Parts::pieces or Parts::connections
  OwnTerm own;
  std::string text;  // kPiece, kOwn, kConnection: as the user wrote it
  std::vector<ExpressionTerm> children;
};

struct Expression::Parts {
  std::string text;
  std::optional<ExpressionTerm> root;  // none: everything
  std::vector<ExpressionPiece> pieces;
  std::vector<ConnectionTerm> connections;
  bool offsets_certain = false;  // expression/link_offsets.h
  bool too_many = false;         // more than kConnectionsMax connections match a term

  bool matches(const ExpressionTerm& term, const StoredPacket& packet, std::optional<DecodedPacket>& decoded);
  bool matches_community(ConnectionTerm& term, const StoredPacket& packet, std::optional<DecodedPacket>& decoded);
  bool matches(const ExpressionTerm& term, const Record& record, const Endpoints& endpoints);
};

// expression_split.cc

// Splits the tree into terms, pieces and connection terms. Precondition: `parts.text` is set.
void split_expression(Expression::Parts& parts, const ExpressionNode& node);
// Makes the whole text one piece. `node` is the parsed text, or the parser's error.
void add_whole_piece(Expression::Parts& parts, Result<ExpressionNode> node);
// Describes a term in words, for --explain.
std::string describe(const ExpressionTerm& term);

// expression_records.cc

// Returns whether a tree of terms on fields holds for one record.
bool fields_hold(const ExpressionNode& node, const Record& record);
// Return the endpoints and the flow of a record, or nullptr and 0 for records that belong to no flow.
const Endpoints* endpoints_in(const Record& record);
uint64_t flow_id_in(const Record& record);

// expression_match.cc

// Return whether an own term holds for the values of a packet or record.
bool holds_any(const OwnTerm& term, uint64_t first, uint64_t second);
bool holds_address(const OwnTerm& term, const IpAddress& source, const IpAddress& destination);
bool holds_vlan(const OwnTerm& term, const uint16_t* ids, unsigned count);
bool is_community(const OwnTerm& term, const Endpoints& endpoints);

}  // namespace gatetape
