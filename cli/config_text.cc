#include "cli/config_text.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>

namespace gatetape {
namespace {

constexpr size_t kFileBytesMax = 1 << 20;
constexpr size_t kFilesMax = 1000;
constexpr std::string_view kInclude = "include";

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return text;
}

// Takes the text apart from front to back. Lines end with "\n"; the text's end ends the last one.
class ConfigParser {
 public:
  ConfigParser(std::string_view text, const std::string& file) : text_(text), file_(file) {
    if (text_.starts_with("\xef\xbb\xbf")) line_begin_ = at_ = 3;  // a byte order mark
  }

  Result<std::vector<ConfigEntry>> parse() {
    if (const size_t zero = text_.find('\0'); zero != std::string_view::npos) {
      return fail("{}: the file has a byte of zero at offset {}: it is no text", file_, zero);
    }
    std::vector<ConfigEntry> entries;
    while (at_ < text_.size()) {
      skip_blanks();
      if (!at_line_end()) {
        ConfigEntry entry;
        if (!take_entry(entry)) return fail("{}: {}", problem_place_.text(), problem_);
        entries.push_back(std::move(entry));
      }
      next_line();
    }
    return entries;
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\n'; }
  bool at_line_end() const { return peek() == '\n' || peek() == '#'; }
  // A value may hold '#'; a comment has a blank before it.
  bool at_value_end() const { return peek() == '\n' || (peek() == '#' && is_blank(text_[at_ - 1])); }

  void skip_blanks() {
    while (is_blank(peek())) ++at_;
  }

  void next_line() {
    at_ = std::min(text_.find('\n', at_), text_.size());
    if (at_ < text_.size()) ++at_;
    ++line_;
    line_begin_ = at_;
  }

  ConfigPlace place(size_t at) const {
    ConfigPlace here{file_, line_, 1};
    for (size_t i = line_begin_; i < at; ++i) here.column += (static_cast<uint8_t>(text_[i]) & 0xc0) != 0x80;
    return here;
  }

  bool wrong(size_t at, std::string message) {
    problem_ = std::move(message);
    problem_place_ = place(at);
    return false;
  }

  bool take_entry(ConfigEntry& entry) {
    const size_t begin = at_;
    while (is_name(peek())) ++at_;
    entry.name = text_.substr(begin, at_ - begin);
    entry.place = place(begin);
    if (entry.name.empty()) {
      return wrong(begin, peek() == '[' ? "sections are not needed: each command takes the options that it knows"
                                        : "expected 'name = value'");
    }
    const bool blank = is_blank(peek());
    skip_blanks();
    if (peek() == '=') {
      ++at_;
    } else if (entry.name != kInclude || !blank) {
      return wrong(at_, fmt::format("expected '=' after '{}'", entry.name));
    }
    skip_blanks();
    if (at_line_end()) return wrong(at_, fmt::format("'{}' has no value", entry.name));
    return peek() == '[' ? take_brackets(entry) : take_line(entry);
  }

  // A value in quotes, or up to `end`. A quote that does not begin a value is part of it.
  template <class End>
  bool take_value(ConfigValue& value, End&& end) {
    const size_t begin = at_;
    value.place = place(begin);
    if (peek() == '"' || peek() == '\'') return take_quoted(value.text) && closes(end);
    while (!end()) ++at_;
    value.text = trimmed(text_.substr(begin, at_ - begin));
    return true;
  }

  bool take_quoted(std::string& out) {
    const size_t begin = at_;
    const char quote = text_[at_++];
    for (; peek() != quote; ++at_) {
      if (peek() == '\n') return wrong(begin, "the closing quote is missing");
      if (quote == '"' && peek() == '\\') {
        ++at_;
        if (peek() != '"' && peek() != '\\') return wrong(at_ - 1, R"(in quotes a \ stands before " or \ alone)");
      }
      out += peek();
    }
    ++at_;
    return true;
  }

  template <class End>
  bool closes(End&& end) {
    skip_blanks();
    return end() || wrong(at_, "text after the closing quote");
  }

  bool take_line(ConfigEntry& entry) {
    const size_t begin = at_;
    const auto end = [this] { return at_value_end() || peek() == ','; };
    for (;;) {
      ConfigValue value;
      if (!take_value(value, end)) return false;
      entry.list.push_back(std::move(value));
      if (peek() != ',') break;
      ++at_;
      skip_blanks();
      if (at_value_end()) break;
    }
    entry.whole = entry.list.front();
    const std::string_view all = trimmed(text_.substr(begin, at_ - begin));
    if (entry.list.size() > 1 || all.back() == ',') entry.whole.text = all;
    std::erase_if(entry.list, [](const ConfigValue& value) { return value.text.empty(); });
    return true;
  }

  // Skips blanks, comments and ends of lines.
  void skip_to_element() {
    for (skip_blanks(); at_line_end() && at_ < text_.size(); skip_blanks()) next_line();
  }

  bool take_brackets(ConfigEntry& entry) {
    entry.in_brackets = true;
    entry.whole.place = place(at_);
    const ConfigPlace opened = place(at_);
    const auto end = [this] { return at_value_end() || peek() == ',' || peek() == ']'; };
    for (++at_;;) {
      skip_to_element();
      if (at_ >= text_.size()) {
        problem_ = "the closing ']' is missing";
        problem_place_ = opened;
        return false;
      }
      if (peek() == ']') break;
      if (peek() == ',') {
        ++at_;
        continue;
      }
      ConfigValue value;
      if (!take_value(value, end)) return false;
      entry.list.push_back(std::move(value));
    }
    ++at_;
    skip_blanks();
    return at_line_end() || wrong(at_, "text after the closing ']'");
  }

  std::string_view text_;
  const std::string& file_;
  size_t at_ = 0, line_begin_ = 0;
  unsigned line_ = 1;
  std::string problem_;
  ConfigPlace problem_place_;
};

class ConfigReader {
 public:
  explicit ConfigReader(const ReadConfigFile& read) : read_(read) {}

  Result<void> add(const std::string& path, unsigned depth) {
    Result<std::string> text = read_(path);
    if (!text) return pass_on(text);
    Result<std::vector<ConfigEntry>> parsed = parse_config_text(*text, path);
    if (!parsed) return pass_on(parsed);
    open_.push_back(path);
    for (ConfigEntry& entry : *parsed) {
      entry.depth = depth;
      if (entry.name != kInclude) {
        entries_.push_back(std::move(entry));
      } else if (Result<void> included = include(entry, depth); !included) {
        return included;
      }
    }
    open_.pop_back();
    return {};
  }

  std::vector<ConfigEntry> entries() { return std::move(entries_); }

 private:
  Result<void> include(const ConfigEntry& entry, unsigned depth) {
    const std::vector<ConfigValue> files = entry.in_brackets ? entry.list : std::vector{entry.whole};
    for (const ConfigValue& file : files) {
      const auto folder = std::filesystem::path(open_.back()).parent_path();
      const std::string path = (folder / file.text).lexically_normal().string();
      if (std::ranges::find(open_, path) != open_.end()) {
        return fail("{}: include {}: a circle: that file is being read already", file.place.text(), file.text);
      }
      if (++files_ > kFilesMax) return fail("{}: more than {} files are included", file.place.text(), kFilesMax);
      const size_t before = entries_.size();
      if (Result<void> added = add(path, depth + 1); !added) {
        const bool unreadable = entries_.size() == before && added.error().code != 0;
        return unreadable ? fail("{}: include {}", file.place.text(), added.error().message) : added;
      }
    }
    return {};
  }

  const ReadConfigFile& read_;
  std::vector<std::string> open_;  // from the first file to the one that is read
  std::vector<ConfigEntry> entries_;
  size_t files_ = 0;
};

}  // namespace

Result<std::vector<ConfigEntry>> parse_config_text(std::string_view text, const std::string& file) {
  return ConfigParser(text, file).parse();
}

Result<std::string> read_config_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return fail_with(EISDIR, "{}", path);
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail_with(errno, "{}", path);
  std::string text(kFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return fail_with(errno, "{}", path);
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kFileBytesMax) return fail("{}: longer than {} bytes: it is no configuration", path, kFileBytesMax);
  return text;
}

Result<std::vector<ConfigEntry>> read_config(const std::string& path, const ReadConfigFile& read) {
  ConfigReader reader(read);
  if (Result<void> added = reader.add(std::filesystem::path(path).lexically_normal().string(), 0); !added) {
    return pass_on(added);
  }
  return reader.entries();
}

}  // namespace gatetape
