#include "expression/link_offsets.h"

#include <algorithm>

#include "expression/expression_lexer.h"

namespace gatetape {

OffsetWords offset_words(std::string_view text) {
  OffsetWords found;
  ExpressionLexer lexer(text);
  for (ExpressionToken token = lexer.next(); token.kind != ExpressionToken::Kind::kEnd; token = lexer.next()) {
    if (token.text == "vlan") ++found.vlans;
    for (const std::string_view word : {"mpls", "pppoes", "pppoed", "geneve", "vxlan"}) {
      if (token.text == word) ++found.tunnels;
    }
  }
  return found;
}

bool offsets_certain(const ExpressionNode& root, std::string_view text) {
  const OffsetWords words = offset_words(text);
  if (words.tunnels != 0) return false;
  if (words.vlans == 0) return true;
  const auto is_tag = [&](const ExpressionNode& node) {
    if (node.kind != ExpressionNode::Kind::kAtom) return false;
    return ExpressionLexer(text.substr(node.begin, node.end - node.begin)).next().text == "vlan";
  };
  if (root.kind != ExpressionNode::Kind::kAnd) return is_tag(root);
  return std::ranges::count_if(root.children, is_tag) == words.vlans;
}

}  // namespace gatetape
