// The options for loading rules, and the report on what became of each rule. The parser, the compiler and the command
// line share these types.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace gatetape {

// A place in a rule file, counted from 1. Columns count bytes.
struct RuleLocation {
  std::string file;
  uint32_t line = 0;
  uint32_t column = 0;
};

enum class RuleProblemKind : uint8_t { kSyntax, kUnsupported, kDuplicate, kCompile };

// A reason why a rule was not loaded. It is printed as "file:line:column: message".
struct RuleProblem {
  RuleProblemKind kind = RuleProblemKind::kSyntax;
  RuleLocation location;
  std::string message;  // "unsupported keyword: ja3.hash"
  std::string keyword;  // the keyword concerned, else empty
  uint32_t sid = 0;     // 0: not known
};

struct RuleVariables {
  std::map<std::string, std::string> address_groups;  // "HOME_NET" -> "[10.0.0.0/8,...]"
  std::map<std::string, std::string> port_groups;     // "HTTP_PORTS" -> "80"
  // The variables of Suricata's default configuration with their values. Public rule sets use no others.
  static RuleVariables defaults();
};

struct RuleLoadOptions {
  std::vector<std::string> files;
  RuleVariables variables = RuleVariables::defaults();
  bool checksums = true;  // rules are not matched on packets with a wrong checksum
  // The directory that keeps compiled databases from one start to the next (rules/engine/database_cache.h); empty:
  // none.
  std::string cache_directory;
};

struct RuleLoadReport {
  uint64_t rules = 0;  // rule lines seen
  uint64_t loaded = 0;
  uint64_t unsupported = 0;  // skipped, for a keyword or protocol not supported
  uint64_t broken = 0;       // skipped, for an error in the rule
  std::vector<RuleProblem> problems;
  double load_seconds = 0;
  double compile_seconds = 0;  // part of load_seconds, after parsing
  uint64_t databases = 0;
  uint64_t databases_cached = 0;  // not compiled but found in the cache
  std::string cache_problem;      // why the cache was of no use; empty when it was, or was not asked for
};

}  // namespace gatetape
