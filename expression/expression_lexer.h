// ExpressionLexer splits an expression into tokens as libpcap's scanner does, as far as that is needed to tell
// primitives apart. The text must outlive the lexer. A copy of a lexer looks ahead.
#pragma once

#include <cctype>
#include <cstddef>
#include <string_view>

namespace gatetape {

struct ExpressionToken {
  enum class Kind : unsigned char { kEnd, kWord, kAnd, kOr, kNot, kOpen, kClose, kString, kOperator };
  Kind kind = Kind::kEnd;
  size_t begin = 0, end = 0;
  std::string_view text;
};

class ExpressionLexer {
 public:
  explicit ExpressionLexer(std::string_view text, size_t position = 0) : text_(text), position_(position) {}

  std::string_view text() const { return text_; }
  size_t position() const { return position_; }
  void seek(size_t position) { position_ = position; }

  ExpressionToken peek() const {
    ExpressionLexer ahead = *this;
    return ahead.next();
  }

  ExpressionToken next() {
    using Kind = ExpressionToken::Kind;
    skip_space();
    const size_t begin = position_;
    if (begin == text_.size()) return token(Kind::kEnd, begin, begin);
    const char c = text_[begin];
    const std::string_view two = text_.substr(begin, 2);
    if (two == "&&") return token(Kind::kAnd, begin, begin + 2);
    if (two == "||") return token(Kind::kOr, begin, begin + 2);
    if (two == "==" || two == "!=" || two == "<=" || two == ">=" || two == "<<" || two == ">>") {
      return token(Kind::kOperator, begin, begin + 2);
    }
    if (c == '!') return token(Kind::kNot, begin, begin + 1);
    if (c == '(') return token(Kind::kOpen, begin, begin + 1);
    if (c == ')') return token(Kind::kClose, begin, begin + 1);
    if (c == '"') return string(begin);
    if (is_word(c) || c == '\\') return word(begin);
    return token(Kind::kOperator, begin, begin + 1);
  }

 private:
  static bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

  void skip_space() {
    while (position_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[position_])) != 0) ++position_;
  }

  ExpressionToken token(ExpressionToken::Kind kind, size_t begin, size_t end) {
    position_ = end;
    return {kind, begin, end, text_.substr(begin, end - begin)};
  }

  // A word consists of letters, digits and _, with - and . inside. A backslash escapes the word behind it.
  ExpressionToken word(size_t begin) {
    using Kind = ExpressionToken::Kind;
    size_t end = begin + 1;
    if (text_[begin] == '\\') {
      while (end < text_.size() && std::string_view(" !()\n\t").find(text_[end]) == std::string_view::npos) ++end;
      return token(Kind::kWord, begin, end);
    }
    while (end < text_.size() && (is_word(text_[end]) || text_[end] == '.' || text_[end] == '-')) ++end;
    while (text_[end - 1] == '-') --end;
    const std::string_view text = text_.substr(begin, end - begin);
    if (text == "and") return token(Kind::kAnd, begin, end);
    if (text == "or") return token(Kind::kOr, begin, end);
    if (text == "not") return token(Kind::kNot, begin, end);
    return token(Kind::kWord, begin, end);
  }

  // A string ends at the next quote without a backslash, or at the end of the text.
  ExpressionToken string(size_t begin) {
    size_t end = begin + 1;
    while (end < text_.size() && text_[end] != '"') end += text_[end] == '\\' && end + 1 < text_.size() ? 2 : 1;
    return token(ExpressionToken::Kind::kString, begin, end < text_.size() ? end + 1 : end);
  }

  std::string_view text_;
  size_t position_;
};

}  // namespace gatetape
