#include "expression/expression_parts.h"
#include "expression/link_offsets.h"

#include <algorithm>

namespace gatetape {

namespace {

using Kind = ExpressionTerm::Kind;
using NodeKind = ExpressionNode::Kind;

// The records whose fields all of the tree's terms ask for, so that one record may answer them; 0 when there are none.
RecordTypes common_records(const ExpressionNode& node) {
  if (node.kind == NodeKind::kOwn) return node.own.field ? node.own.field->of_connection() : 0;
  if (node.kind != NodeKind::kAnd && node.kind != NodeKind::kOr) return 0;
  const RecordTypes first = common_records(node.children[0]);
  const auto same = [&](const ExpressionNode& child) { return common_records(child) == first; };
  return std::ranges::all_of(node.children, same) ? first : 0;
}

class Splitter {
 public:
  explicit Splitter(Expression::Parts& parts) : parts_(parts) {}

  ExpressionTerm split(const ExpressionNode& node) {
    if (!node.has_own) return piece(node);
    if (common_records(node) != 0) return connection(node, text_of(node));
    if (node.kind == NodeKind::kNot) {
      ExpressionTerm term;
      term.kind = Kind::kNot;
      term.children.push_back(split(node.children[0]));
      return term;
    }
    if (node.kind != NodeKind::kOwn) return chain(node);
    if (node.own.name == OwnName::kSid || node.own.name == OwnName::kCommunityId)
      return connection(node, text_of(node));
    ExpressionTerm term;
    term.kind = Kind::kOwn;
    term.own = node.own;
    term.text = text_of(node);
    return term;
  }

  ExpressionTerm piece(ExpressionNode node) {
    ExpressionTerm term;
    term.kind = Kind::kPiece;
    term.index = parts_.pieces.size();
    term.text = text_of(node);
    ExpressionPiece piece;
    piece.text = term.text;
    piece.node = std::move(node);
    parts_.pieces.push_back(std::move(piece));
    return term;
  }

 private:
  std::string text_of(const ExpressionNode& node) const {
    return parts_.text.substr(node.begin, node.end - node.begin);
  }

  ExpressionTerm connection(ExpressionNode node, std::string text) {
    ExpressionTerm term;
    term.kind = Kind::kConnection;
    term.index = parts_.connections.size();
    term.text = std::move(text);
    ConnectionTerm& added = parts_.connections.emplace_back();
    added.of = common_records(node);
    added.name = added.of != 0 ? OwnName::kField : node.own.name;
    added.node = std::move(node);
    return term;
  }

  // Makes one node of neighbours under the same operator.
  static ExpressionNode group(NodeKind kind, std::vector<ExpressionNode> members) {
    if (members.size() == 1) return members[0];
    ExpressionNode grouped;
    grouped.kind = kind;
    grouped.begin = members.front().begin;
    grouped.end = members.back().end;
    grouped.has_own = members.front().has_own;
    grouped.children = std::move(members);
    return grouped;
  }

  // Splits an `and` or `or`. In `a and b and http.x and c and http.y`, the pieces are "a and b" and "c", and one
  // transaction must have x and y; terms on records of another type are another one's.
  ExpressionTerm chain(const ExpressionNode& node) {
    ExpressionTerm term;
    term.kind = node.kind == NodeKind::kAnd ? Kind::kAnd : Kind::kOr;
    std::vector<ExpressionNode> run;
    std::map<RecordTypes, std::vector<ExpressionNode>> by_record;
    const auto end_run = [&] {
      if (!run.empty()) term.children.push_back(piece(group(node.kind, std::move(run))));
      run.clear();
    };
    for (const ExpressionNode& child : node.children) {
      if (!child.has_own) {
        run.push_back(child);
        continue;
      }
      end_run();
      if (const RecordTypes of = common_records(child); of != 0) {
        by_record[of].push_back(child);
      } else {
        term.children.push_back(split(child));
      }
    }
    end_run();
    for (auto& [of, members] : by_record) {
      std::string text;
      for (const ExpressionNode& member : members) {
        if (!text.empty()) text += node.kind == NodeKind::kAnd ? " and " : " or ";
        text += text_of(member);
      }
      term.children.push_back(connection(group(node.kind, std::move(members)), std::move(text)));
    }
    return term;
  }

  Expression::Parts& parts_;
};

// Returns the piece's text with the words written out that its first primitive inherits from the piece before.
std::string standing_alone(const ExpressionPiece& piece) {
  const ExpressionNode* first = &piece.node;
  while (!first->children.empty()) first = &first->children.front();
  std::string text = piece.text;
  if (!first->inherited.empty()) text.insert(first->begin - piece.node.begin, first->inherited + " ");
  return text;
}

// Puts each piece that moves libpcap's offsets (`vlan`, `mpls`, …) in front of all later pieces, in a way that leaves
// the result of the later piece unchanged. In the user's text such a word affects all that follows.
void add_context(std::vector<ExpressionPiece>& pieces) {
  std::string context;
  for (ExpressionPiece& piece : pieces) {
    const std::string alone = standing_alone(piece);
    piece.program = context.empty() ? alone : fmt::format("({}len >= 0) and ({})", context, alone);
    const OffsetWords words = offset_words(piece.text);
    if (words.vlans + words.tunnels != 0) context += fmt::format("({}) or ", alone);
  }
}

}  // namespace

void split_expression(Expression::Parts& parts, const ExpressionNode& node) {
  parts.root = Splitter(parts).split(node);
  add_context(parts.pieces);
}

void add_whole_piece(Expression::Parts& parts, Result<ExpressionNode> node) {
  ExpressionNode whole = node ? std::move(*node) : ExpressionNode();
  whole.begin = 0;
  whole.end = parts.text.size();
  parts.root = Splitter(parts).piece(std::move(whole));
  if (!node) parts.pieces[0].misunderstood = node.error().message;
  parts.pieces[0].program = parts.text;
}

std::string describe(const ExpressionTerm& term) {
  switch (term.kind) {
    case Kind::kPiece:
      return fmt::format("libpcap[ {} ]", term.text);
    case Kind::kOwn:
      return fmt::format("packet[ {} ]", term.text);
    case Kind::kConnection:
      return fmt::format("connection[ {} ]", term.text);
    case Kind::kNot:
      return "not " + describe(term.children[0]);
    case Kind::kAnd:
    case Kind::kOr:
      break;
  }
  std::string out;
  for (const ExpressionTerm& child : term.children) {
    if (!out.empty()) out += term.kind == Kind::kAnd ? " and " : " or ";
    out += describe(child);
  }
  return "(" + out + ")";
}

}  // namespace gatetape
