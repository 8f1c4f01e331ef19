#include "rules/language/parser.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "rules/language/rule_builder.h"

namespace gatetape {
namespace {

constexpr size_t kProblemsPerRuleMax = 64;
constexpr size_t kArenaChunkBytes = 64 << 10;

uint64_t identity(const Rule& rule) {
  return uint64_t{rule.gid} << 32 | rule.sid;
}

// Keeps one rule per gid and sid: the one with the higher rev, the first of equals.
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

class Parser {
 public:
  explicit Parser(const RuleVariables& variables)
      : text_(std::make_shared<RuleText>()), context_(variables, parsed_, *text_), collector_(parsed_) {}

  void parse(std::string name, std::string content) {
    const auto file = static_cast<uint32_t>(parsed_.files.size());
    parsed_.files.push_back(std::move(name));
    const std::string& kept = text_->files.emplace_back(std::move(content));
    RuleLines lines(kept, text_->strings);
    RuleLine line;
    while (lines.next(line)) {
      ++parsed_.report.rules;
      RuleBuilder builder(context_, file, line);
      if (builder.build()) collector_.add(std::move(builder.rule()));
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
  ParseContext context_;
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

std::string_view ParseContext::keep(std::string_view string) {
  std::deque<std::string>& strings = text.strings;
  // The open chunk never grows beyond what was reserved, so that views into it stay valid.
  if (arena_ == nullptr || arena_->capacity() - arena_->size() < string.size()) {
    arena_ = &strings.emplace_back();
    arena_->reserve(std::max(kArenaChunkBytes, string.size()));
  }
  const size_t start = arena_->size();
  arena_->append(string);
  return std::string_view(*arena_).substr(start);
}

std::shared_ptr<const AddressSet> ParseContext::address_set(std::string_view group, GroupError& error) {
  auto& set = addresses[std::string(group)];
  if (set) return set;
  auto parsed_set = parse_address_group(group, variables);
  if (parsed_set) {
    set = std::make_shared<const AddressSet>(std::move(*parsed_set));
  } else {
    error = std::move(parsed_set.error());
  }
  return set;
}

std::shared_ptr<const PortSet> ParseContext::port_set(std::string_view group, GroupError& error) {
  auto& set = ports[std::string(group)];
  if (set) return set;
  auto parsed_set = parse_port_group(group, variables);
  if (parsed_set) {
    set = std::make_shared<const PortSet>(std::move(*parsed_set));
  } else {
    error = std::move(parsed_set.error());
  }
  return set;
}

uint32_t ParseContext::flowbit(std::string_view name) {
  const auto [place, is_new] = flowbits.emplace(name, static_cast<uint32_t>(parsed.flowbit_names.size()));
  if (is_new) parsed.flowbit_names.push_back(name);
  return place->second;
}

RuleBuilder::RuleBuilder(ParseContext& context, uint32_t file, const RuleLine& line) : context_(context), line_(line) {
  rule_.file = file;
  rule_.line = line.pieces.front().line;
  rule_.text = line.text;
  first_problem_ = context.parsed.report.problems.size();
}

bool RuleBuilder::build() {
  std::string_view rest = line_.text;
  if (check_characters() && parse_header(rest) && parse_options(rest)) finish();
  RuleLoadReport& report = context_.parsed.report;
  for (size_t i = first_problem_; i < report.problems.size(); ++i) report.problems[i].sid = rule_.sid;
  if (broken_) {
    ++report.broken;
  } else if (unsupported_) {
    ++report.unsupported;
  }
  return !broken_ && !unsupported_;
}

void RuleBuilder::add_problem(RuleProblemKind kind, std::string_view where, std::string message,
                              std::string_view keyword) {
  (kind == RuleProblemKind::kUnsupported ? unsupported_ : broken_) = true;
  std::vector<RuleProblem>& problems = context_.parsed.report.problems;
  if (problems.size() >= first_problem_ + kProblemsPerRuleMax || problems.size() >= kRuleProblemsMax) return;
  const RuleLine::Place place = line_.place_of(where.data());
  RuleProblem& problem = problems.emplace_back();
  problem.kind = kind;
  problem.location = {context_.parsed.files[rule_.file], place.line, place.column};
  problem.message = std::move(message);
  problem.keyword = keyword;
}

void RuleBuilder::unsupported(std::string_view where, std::string_view what, std::string_view name) {
  unsupported_ = true;
  if (std::find(unsupported_names_.begin(), unsupported_names_.end(), name) != unsupported_names_.end()) return;
  unsupported_names_.push_back(name);
  const std::string keyword = what == "keyword" ? std::string(name) : fmt::format("{} {}", what, name);
  add_problem(RuleProblemKind::kUnsupported, where, fmt::format("unsupported {}: {}", what, name), keyword);
}

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
