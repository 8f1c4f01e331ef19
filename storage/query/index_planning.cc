#include "storage/query/index_planning.h"

#include <algorithm>

#include "expression/expression_parts.h"

namespace gatetape {

namespace {

using Clause = std::vector<IndexTerm>;

constexpr size_t kIndexTermsMax = 4096;  // in one clause; a clause that would grow beyond is not asked
constexpr size_t kProductTermsMax = 64;
constexpr size_t kProductClausesMax = 8;
constexpr int kPortsMax = 16;

// One term that asks both, unless they ask about the same thing.
template <class T>
bool merge_member(std::optional<T>& into, const std::optional<T>& from) {
  if (into && from) return false;
  if (from) into = from;
  return true;
}

bool merge(IndexTerm& into, const IndexTerm& from) {
  return merge_member(into.host, from.host) && merge_member(into.port, from.port) &&
         merge_member(into.protocol, from.protocol) && merge_member(into.connection, from.connection) &&
         merge_member(into.flow_id, from.flow_id);
}

// (a1 or a2) and (b1 or b2) as (a1b1 or a1b2 or a2b1 or a2b2), which holds only when one packet has both.
std::optional<Clause> product(const Clause& a, const Clause& b) {
  if (a.size() * b.size() > kProductTermsMax) return std::nullopt;
  Clause joined;
  for (const IndexTerm& left : a) {
    for (const IndexTerm& right : b) {
      joined.push_back(left);
      if (!merge(joined.back(), right)) return std::nullopt;
    }
  }
  return joined;
}

// How many packets a term lets pass, roughly: fewer is lower.
int breadth(const IndexTerm& term) {
  if (term.flow_id || term.connection) return 0;
  if (term.host && term.host->length == 128) return 1;
  if (term.host) return 2;
  return term.port ? 3 : 4;
}

int breadth(const Clause& clause) {
  int widest = 0;
  for (const IndexTerm& term : clause) widest = std::max(widest, breadth(term));
  return widest;
}

void keep_narrowest(IndexFilter& filter) {
  const auto narrower = [](const Clause& a, const Clause& b) { return breadth(a) < breadth(b); };
  std::iter_swap(filter.all_of.begin(), std::min_element(filter.all_of.begin(), filter.all_of.end(), narrower));
  filter.all_of.resize(1);
}

IndexFilter one_clause(Clause clause) {
  IndexFilter filter;
  filter.all_of.push_back(std::move(clause));
  return filter;
}

IndexFilter port_filter(const EndpointCondition& condition) {
  if (*condition.port_high - *condition.port_low >= kPortsMax) return {};
  Clause clause;
  if (condition.protocol != kProtocolSctp) {
    for (int port = *condition.port_low; port <= *condition.port_high; ++port) {
      IndexTerm term;
      term.port = static_cast<uint16_t>(port);
      term.protocol = condition.protocol;
      clause.push_back(term);
    }
  }
  // libpcap knows SCTP's ports, our decoder does not.
  if (!condition.protocol || condition.protocol == kProtocolSctp) {
    IndexTerm sctp;
    sctp.protocol = kProtocolSctp;
    clause.push_back(sctp);
  }
  return one_clause(std::move(clause));
}

IndexFilter atom_filter(const ExpressionNode& atom) {
  const std::optional<EndpointCondition>& condition = atom.endpoint_condition;
  if (!condition) return {};
  if (condition->port_low) return port_filter(*condition);
  IndexTerm term;
  term.host = condition->prefix;
  term.protocol = condition->protocol;
  return term.host || term.protocol ? one_clause({term}) : IndexFilter();
}

// A and B: both hold, joined into terms of the same packet where they ask different things of it.
IndexFilter both_of(IndexFilter a, IndexFilter b) {
  for (Clause& clause : b.all_of) {
    bool joined = false;
    for (Clause& existing : a.all_of) {
      std::optional<Clause> both = product(existing, clause);
      if (!both) continue;
      existing = std::move(*both);
      joined = true;
      break;
    }
    if (!joined) a.all_of.push_back(std::move(clause));
  }
  return a;
}

// A or B. Asks nothing when either asks nothing.
IndexFilter either_of(IndexFilter a, IndexFilter b) {
  if (a.all_of.empty() || b.all_of.empty()) return {};
  if (a.all_of.size() * b.all_of.size() > kProductClausesMax) {
    keep_narrowest(a);
    keep_narrowest(b);
  }
  IndexFilter either;
  for (const Clause& left : a.all_of) {
    for (const Clause& right : b.all_of) {
      if (left.size() + right.size() > kIndexTermsMax) continue;
      Clause clause = left;
      clause.insert(clause.end(), right.begin(), right.end());
      either.all_of.push_back(std::move(clause));
    }
  }
  return either;
}

// From a tree without own names. A part that is not understood asks nothing.
IndexFilter index_filter_of(const ExpressionNode& node) {
  switch (node.kind) {
    case ExpressionNode::Kind::kAtom:
      return atom_filter(node);
    case ExpressionNode::Kind::kAnd:
    case ExpressionNode::Kind::kOr: {
      IndexFilter filter = index_filter_of(node.children[0]);
      for (size_t i = 1; i < node.children.size(); ++i) {
        IndexFilter next = index_filter_of(node.children[i]);
        filter = node.kind == ExpressionNode::Kind::kAnd ? both_of(std::move(filter), std::move(next))
                                                         : either_of(std::move(filter), std::move(next));
      }
      return filter;
    }
    case ExpressionNode::Kind::kNot:
    case ExpressionNode::Kind::kOwn:
      return {};
  }
  return {};
}

IndexFilter one_term(IndexTerm term) {
  IndexFilter filter;
  filter.all_of.push_back({std::move(term)});
  return filter;
}

// any.host and any.port ask what decode() found, which is what the index holds; a frame that it could not decode, they
// do not match.
IndexFilter index_own(const OwnTerm& own) {
  IndexTerm term;
  if (own.comparison != Comparison::kEqual) return {};
  if (own.name == OwnName::kFlowId) {
    term.flow_id = own.number;
  } else if (own.name == OwnName::kAnyHost) {
    term.host = own.prefix;
  } else if (own.name == OwnName::kAnyPort) {
    term.port = static_cast<uint16_t>(own.number);
  } else {
    return {};
  }
  return one_term(term);
}

IndexFilter index_connection(const ConnectionTerm& term) {
  if (term.name == OwnName::kCommunityId) {
    if (!term.endpoints || term.node.own.comparison != Comparison::kEqual) return {};
    // ICMP's requests and replies are one community, and two connections to the index.
    if (term.endpoints->protocol != kProtocolTcp && term.endpoints->protocol != kProtocolUdp) return {};
    IndexTerm connection;
    connection.connection = term.endpoints;
    return one_term(connection);
  }
  if (term.flows.size() > kIndexTermsMax) return {};
  IndexFilter filter;
  std::vector<IndexTerm>& clause = filter.all_of.emplace_back();
  for (const uint64_t flow_id : term.flows) clause.emplace_back().flow_id = flow_id;
  return filter;
}

IndexFilter index_filter_of(const Expression::Parts& parts, const ExpressionTerm& term) {
  switch (term.kind) {
    case ExpressionTerm::Kind::kPiece: {
      const ExpressionPiece& piece = parts.pieces[term.index];
      return parts.offsets_certain ? index_filter_of(piece.node) : IndexFilter();
    }
    case ExpressionTerm::Kind::kOwn:
      return index_own(term.own);
    case ExpressionTerm::Kind::kConnection:
      return index_connection(parts.connections[term.index]);
    case ExpressionTerm::Kind::kNot:
      return {};
    case ExpressionTerm::Kind::kAnd:
    case ExpressionTerm::Kind::kOr:
      break;
  }
  IndexFilter filter = index_filter_of(parts, term.children[0]);
  for (size_t i = 1; i < term.children.size(); ++i) {
    IndexFilter next = index_filter_of(parts, term.children[i]);
    filter = term.kind == ExpressionTerm::Kind::kAnd ? both_of(std::move(filter), std::move(next))
                                                     : either_of(std::move(filter), std::move(next));
  }
  return filter;
}

}  // namespace

IndexFilter index_filter_of(const Expression& expression) {
  const Expression::Parts& parts = expression.parts();
  return parts.root ? index_filter_of(parts, *parts.root) : IndexFilter();
}

}  // namespace gatetape
