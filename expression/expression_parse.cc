#include "expression/expression_parse.h"

#include <charconv>
#include <optional>

#include "common/time_text.h"
#include "expression/expression_lexer.h"

namespace gatetape {

namespace {

using Kind = ExpressionNode::Kind;
using Token = ExpressionToken::Kind;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Returns whether a word can only be a misspelt own name: it has a dot and is compared with something. libpcap would
// look such a word up in the DNS.
bool is_unknown_name(std::string_view text, const ExpressionToken& word) {
  if (word.kind != Token::kWord || word.text.find('.') == std::string_view::npos) return false;
  if (std::isalpha(static_cast<unsigned char>(word.text[0])) == 0) return false;
  const ExpressionToken second = ExpressionLexer(text, word.end).next();
  return second.kind == Token::kString || comparison_of(second.text).has_value();
}

// The own name that a word is where it stands.
std::optional<OwnNameInfo> own_name_at(std::string_view text, const ExpressionToken& word) {
  std::optional<OwnNameInfo> info = find_own_name(word.text);
  if (!info || !info->needs_comparison) return info;
  return comparison_of(ExpressionLexer(text, word.end).next().text) ? info : std::nullopt;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) {}

  Result<ExpressionNode> whole() {
    Result<ExpressionNode> node = chain();
    if (!node) return node;
    const ExpressionToken rest = lexer_.peek();
    if (rest.kind == Token::kClose) return error(rest.begin, "this ) closes nothing");
    if (rest.kind != Token::kEnd) return error(rest.begin, "expected 'and' or 'or' before '{}'", rest.text);
    return node;
  }

 private:
  template <class... Args>
  tl::unexpected<Error> error(size_t at, fmt::format_string<Args...> format, Args&&... args) {
    return fail("column {}: {}", at + 1, fmt::format(format, std::forward<Args>(args)...));
  }

  // Parses unary (and|or unary)* from left to right. A run of the same operator makes one node.
  Result<ExpressionNode> chain() {
    Result<ExpressionNode> left = unary();
    while (left) {
      const ExpressionToken token = lexer_.peek();
      if (token.kind != Token::kAnd && token.kind != Token::kOr) break;
      lexer_.next();
      Result<ExpressionNode> right = unary();
      if (!right) return right;
      const Kind kind = token.kind == Token::kAnd ? Kind::kAnd : Kind::kOr;
      if (left->kind == kind && !left->parenthesised) {
        append(*left, std::move(*right));
      } else {
        if (++alternations_ > kExpressionDepthMax) return error(token.begin, "too many changes between 'and' and 'or'");
        ExpressionNode parent;
        parent.kind = kind;
        parent.begin = left->begin;
        append(parent, std::move(*left));
        append(parent, std::move(*right));
        left = std::move(parent);
      }
    }
    return left;
  }

  static void append(ExpressionNode& parent, ExpressionNode child) {
    parent.end = child.end;
    parent.has_own |= child.has_own;
    parent.children.push_back(std::move(child));
  }

  Result<ExpressionNode> unary() {
    const ExpressionToken token = lexer_.peek();
    if (++depth_ > kExpressionDepthMax) return error(token.begin, "nested too deeply");
    Result<ExpressionNode> node = token.kind == Token::kNot ? negation() : primary();
    --depth_;
    return node;
  }

  Result<ExpressionNode> negation() {
    const size_t begin = lexer_.next().begin;
    Result<ExpressionNode> child = unary();
    if (!child) return child;
    ExpressionNode node;
    node.kind = Kind::kNot;
    node.begin = begin;
    append(node, std::move(*child));
    return node;
  }

  Result<ExpressionNode> primary() {
    const ExpressionToken token = lexer_.peek();
    switch (token.kind) {
      case Token::kEnd:
        return error(token.begin, "the expression ends where a term should follow");
      case Token::kAnd:
      case Token::kOr:
      case Token::kClose:
      case Token::kString:
        return error(token.begin, "expected a term before '{}'", token.text);
      case Token::kOpen:
        return starts_arithmetic() ? atom() : group();
      default:
        return own_name_at(lexer_.text(), token) ? own_term() : atom();
    }
  }

  // Returns whether an atom such as "(tcp[13] & 2) != 0" begins here, and not a group: an operator follows
  // the closing parenthesis.
  bool starts_arithmetic() const {
    ExpressionLexer ahead = lexer_;
    int open = 0;
    for (ExpressionToken token = ahead.next(); token.kind != Token::kEnd; token = ahead.next()) {
      if (token.kind == Token::kOpen) ++open;
      if (token.kind == Token::kClose && --open == 0) return ahead.peek().kind == Token::kOperator;
    }
    return false;
  }

  Result<ExpressionNode> group() {
    const size_t begin = lexer_.next().begin;
    Result<ExpressionNode> node = chain();
    if (!node) return node;
    const ExpressionToken close = lexer_.next();
    if (close.kind == Token::kEnd) return error(begin, "this ( is not closed");
    if (close.kind != Token::kClose) return error(close.begin, "expected 'and', 'or' or ) before '{}'", close.text);
    node->begin = begin;
    node->end = close.end;
    node->parenthesised = true;
    return node;
  }

  // Takes everything up to the next boolean operator as one primitive of libpcap's, including parentheses and brackets.
  Result<ExpressionNode> atom() {
    const ExpressionToken first = lexer_.peek();
    ExpressionNode node;
    node.begin = first.begin;
    std::vector<size_t> open;
    bool direction = false;  // the word before was src or dst: "src or dst port 80" is one primitive
    for (ExpressionToken token = lexer_.peek(); token.kind != Token::kEnd; token = lexer_.peek()) {
      const bool boolean = token.kind == Token::kAnd || token.kind == Token::kOr;
      if (boolean && open.empty() && !(direction && next_is_direction())) break;
      if (token.kind == Token::kClose && open.empty()) break;
      if (own_name_at(lexer_.text(), token)) return misplaced_own(token, node.begin);
      if (is_unknown_name(lexer_.text(), token)) return error(token.begin, "unknown name '{}'", token.text);
      if (token.kind == Token::kOpen) open.push_back(token.begin);
      if (token.kind == Token::kClose) open.pop_back();
      direction = token.text == "src" || token.text == "dst";
      node.end = lexer_.next().end;
    }
    if (!open.empty()) return error(open.back(), "this ( is not closed");
    inherit_qualifiers(node);
    return node;
  }

  bool next_is_direction() const {
    ExpressionLexer ahead = lexer_;
    ahead.next();
    const ExpressionToken token = ahead.next();
    return token.text == "src" || token.text == "dst";
  }

  tl::unexpected<Error> misplaced_own(const ExpressionToken& token, size_t atom_begin) {
    const std::string_view before = lexer_.text().substr(atom_begin, token.begin - atom_begin);
    return error(token.begin,
                 "'{}' is a name of Gatetape's own and cannot stand inside '{}'; for a host called so write \\{}",
                 token.text, before.substr(0, before.find_last_not_of(' ') + 1), token.text);
  }

  // Lets "443" in "port 80 or 443" inherit "port", as libpcap does. Any other single word is one of libpcap's own, and
  // an atom behind it inherits nothing that parse_endpoint_condition() understands.
  void inherit_qualifiers(ExpressionNode& node) {
    const std::string_view text = lexer_.text().substr(node.begin, node.end - node.begin);
    const size_t space = text.find_last_of(" \t\n");
    node.endpoint_condition = parse_endpoint_condition(text);
    if (space != std::string_view::npos) {
      qualifiers_ = text.substr(0, space);
    } else if (std::isalpha(static_cast<unsigned char>(text[0])) != 0) {
      qualifiers_ = text;
    } else if (!qualifiers_.empty()) {
      node.inherited = qualifiers_;
      node.endpoint_condition = parse_endpoint_condition(fmt::format("{} {}", qualifiers_, text));
    }
  }

  Result<ExpressionNode> own_term() {
    const ExpressionToken name = lexer_.next();
    const OwnNameInfo entry = *find_own_name(name.text);
    qualifiers_ = {};
    if (entry.value == OwnNameInfo::Value::kUnsupported)
      return error(name.begin, "'{}' is not supported yet", name.text);
    ExpressionNode node;
    node.kind = Kind::kOwn;
    node.has_own = true;
    node.begin = name.begin;
    node.own.name = entry.name;
    node.own.field = entry.field;
    const ExpressionToken token = lexer_.peek();
    if (const auto comparison = comparison_of(token.text)) {
      lexer_.next();
      node.own.comparison = *comparison;
      if (!entry.allows(*comparison)) return error(token.begin, "'{}' cannot be asked of {}", token.text, entry.word);
    }
    Result<void> read = value(entry, node.own);
    if (!read) return pass_on(read);
    node.end = lexer_.position();
    return node;
  }

  Result<void> value(const OwnNameInfo& entry, OwnTerm& own) {
    const size_t at = lexer_.peek().begin;
    Result<std::string> read = lexer_.peek().kind == Token::kString ? quoted() : Result<std::string>(bare());
    if (!read) return pass_on(read);
    const bool is_text =
        entry.field ? entry.field->kind() == FieldKind::kText : entry.value == OwnNameInfo::Value::kText;
    if (is_text) {
      if (read->empty()) return error(at, "{} needs a value, as in {} == \"...\"", entry.word, entry.word);
      own.text = entry.word == "http.host" ? lower(*read) : *read;
      own.is_number = number_of(*read, own.number);
    } else if (entry.field) {
      return field_number(*entry.field, *read, at, own);
    } else if (entry.value == OwnNameInfo::Value::kPrefix) {
      Result<IpPrefix> prefix = IpPrefix::parse(*read);
      if (!prefix) return error(at, "'{}' is neither an IP address nor a network such as 10.0.0.0/8", *read);
      own.prefix = *prefix;
    } else {
      if (!number_of(*read, own.number) || own.number > entry.number_max) {
        return error(at, "'{}' is not a number from 0 to {} ({})", *read, entry.number_max, entry.word);
      }
    }
    return {};
  }

  static bool number_of(const std::string& text, uint64_t& number) {
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    return failed == std::errc() && end == text.data() + text.size();
  }

  // Sizes may have units (10K), durations are in seconds unless they have one (1.5, 250ms).
  Result<void> field_number(const FieldRef& field, const std::string& text, size_t at, OwnTerm& own) {
    if (field.kind() == FieldKind::kDuration) {
      const bool unit = !text.empty() && std::isalpha(static_cast<unsigned char>(text.back())) != 0;
      const Result<int64_t> duration = parse_time((unit ? "+" : "@") + text, 0);
      if (!duration) return error(at, "'{}' is not a duration such as 1.5, 250ms or 2m ({})", text, field.name());
      own.number = static_cast<uint64_t>(*duration);
      return {};
    }
    if (number_of(text, own.number) && own.number <= INT64_MAX) return {};
    const Result<uint64_t> size = parse_size(text);
    if (field.kind() != FieldKind::kBytes || !size) return error(at, "'{}' is not a number ({})", text, field.name());
    own.number = *size;
    return {};
  }

  // Reads a value without quotes, which ends at white space or a parenthesis. Shells remove quotes.
  std::string bare() {
    const size_t begin = lexer_.peek().begin;
    const size_t end = std::min(lexer_.text().find_first_of(" \t\n()", begin), lexer_.text().size());
    lexer_.seek(end);
    return std::string(lexer_.text().substr(begin, end - begin));
  }

  // Reads a value in double quotes. A backslash stands before a quote or a backslash in it.
  Result<std::string> quoted() {
    const ExpressionToken token = lexer_.next();
    std::string out;
    size_t i = 1;
    for (; i < token.text.size() && token.text[i] != '"'; ++i) {
      if (token.text[i] == '\\' && i + 1 < token.text.size()) ++i;
      out.push_back(token.text[i]);
    }
    if (i >= token.text.size()) return error(token.begin, "this string is not closed");
    return out;
  }

  ExpressionLexer lexer_;
  std::string_view qualifiers_;  // those of the last atom, inherited by an atom without any
  int depth_ = 0;
  int alternations_ = 0;  // each adds a level to the tree
};

}  // namespace

Result<ExpressionNode> parse_expression(std::string_view text) {
  return Parser(text).whole();
}

bool mentions_own_names(std::string_view text) {
  ExpressionLexer lexer(text);
  for (ExpressionToken token = lexer.next(); token.kind != Token::kEnd; token = lexer.next()) {
    if (own_name_at(text, token) || is_unknown_name(text, token)) return true;
  }
  return false;
}

}  // namespace gatetape
