#include "rules/language/parser.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/json_writer.h"
#include "rules/language/option_values.h"
#include "rules/language/rule_checks.h"
#include "rules/language/rule_draft.h"
#include "rules/language/rule_header.h"
#include "rules/language/rule_options.h"

namespace gatetape {
namespace {

uint64_t identity(const Rule& rule) {
  return uint64_t{rule.gid} << 32 | rule.sid;
}

// Keeps one rule per gid and sid: the one with the highest rev, or the first if there are several.
class RuleCollector {
 public:
  explicit RuleCollector(ParsedRules& parsed) : parsed_(parsed) {}

  void add(Rule rule) {
    const auto [place, is_new] = by_identity_.emplace(identity(rule), parsed_.rules.size());
    if (is_new) {
      parsed_.rules.push_back(std::move(rule));
      return;
    }
    Rule& kept = parsed_.rules[place->second];
    const bool newer = rule.rev > kept.rev;
    if (newer) std::swap(rule, kept);
    report_duplicate(rule, kept, newer);
  }

 private:
  void report_duplicate(const Rule& dropped, const Rule& kept, bool newer) {
    ++parsed_.report.broken;
    if (parsed_.report.problems.size() >= kRuleProblemsMax) return;
    RuleProblem& problem = parsed_.report.problems.emplace_back();
    problem.kind = RuleProblemKind::kDuplicate;
    problem.location = {parsed_.files[dropped.file], dropped.line, 1};
    problem.message =
        fmt::format("duplicate rule {}:{}: rev {} {} rev {} at {}:{}", dropped.gid, dropped.sid, dropped.rev,
                    newer ? "is replaced by" : "is not newer than", kept.rev, parsed_.files[kept.file], kept.line);
    problem.sid = dropped.sid;
  }

  ParsedRules& parsed_;
  std::unordered_map<uint64_t, size_t> by_identity_;
};

// Reports the first character that no rule may contain. Returns whether there is none.
bool check_characters(std::string_view text, RuleDraft& draft) {
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    const size_t length = c >= 0x20 && c < 0x7f ? 1 : utf8_sequence_length(text.substr(i));
    const bool control = length == 1 && (c == 0x7f || (c < 0x20 && !is_space(c)));
    if (control || length == 0) {
      draft.problems.syntax(text.substr(i), "{}", control ? "control character in rule" : "rule is not valid UTF-8");
      return false;
    }
    i += length;
  }
  return true;
}

// Fills the draft from its text, as far as the text can be read.
void parse_rule(RuleDraft& draft) {
  std::string_view rest = draft.rule.text;
  if (check_characters(rest, draft) && parse_rule_header(rest, draft) && parse_rule_options(rest, draft)) {
    check_rule(draft);
  }
}

class Parser {
 public:
  explicit Parser(const RuleVariables& variables)
      : text_(std::make_shared<RuleText>()), shared_(variables, parsed_, *text_), collector_(parsed_) {}

  void parse(std::string name, std::string content) {
    const auto file = static_cast<uint32_t>(parsed_.files.size());
    parsed_.files.push_back(std::move(name));
    const std::string& kept = text_->files.emplace_back(std::move(content));
    RuleLines lines(kept, text_->strings);
    RuleLine line;
    while (lines.next(line)) {
      ++parsed_.report.rules;
      RuleDraft draft(shared_, parsed_, file, line);
      parse_rule(draft);
      if (draft.problems.finish(draft.rule.sid)) collector_.add(std::move(draft.rule));
    }
  }

  ParsedRules finish() {
    parsed_.report.loaded = parsed_.rules.size();
    parsed_.text = std::move(text_);
    return std::move(parsed_);
  }

 private:
  ParsedRules parsed_;
  std::shared_ptr<RuleText> text_;
  SharedParts shared_;
  RuleCollector collector_;
};

struct FileDescriptor {
  int fd = -1;
  ~FileDescriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Result<std::string> read_file(const std::string& path) {
  const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat status {};
  if (file.fd < 0 || ::fstat(file.fd, &status) != 0) return fail("{}: {}", path, std::strerror(errno));
  std::string content;
  if (status.st_size > 0) content.reserve(static_cast<size_t>(status.st_size) + 1);
  char chunk[64 << 10];
  for (;;) {
    const ssize_t count = ::read(file.fd, chunk, sizeof chunk);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail("{}: {}", path, std::strerror(errno));
    if (count == 0) return content;
    content.append(chunk, static_cast<size_t>(count));
  }
}

}  // namespace

Result<ParsedRules> parse_rule_files(const RuleLoadOptions& options) {
  Parser parser(options.variables);
  for (const std::string& path : options.files) {
    Result<std::string> content = read_file(path);
    if (!content) return pass_on(content);
    parser.parse(path, std::move(*content));
  }
  return parser.finish();
}

ParsedRules parse_rule_text(std::string_view name, std::string_view text, const RuleVariables& variables) {
  Parser parser(variables);
  parser.parse(std::string(name), std::string(text));
  return parser.finish();
}

}  // namespace gatetape
