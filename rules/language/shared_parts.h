// The parts that the rules of one load share: equal groups of addresses and ports, equal expressions, the names of
// flowbits, and the strings that had to be rewritten. Options and headers ask for a part by its text and get the same
// object for the same text. One object serves one load, on one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "rules/language/parser.h"

namespace gatetape {

class SharedParts {
 public:
  // All must outlive this object. New flowbit names go to `parsed`, kept strings to `text`.
  SharedParts(const RuleVariables& variables, ParsedRules& parsed, RuleText& text)
      : variables_(variables), parsed_(parsed), text_(text) {}

  // A copy that lives as long as the rules.
  std::string_view keep(std::string_view string);

  // The set that a group of the header describes. Null: it does not, and `error` says why and where.
  std::shared_ptr<const AddressSet> address_set(std::string_view group, GroupError& error);
  std::shared_ptr<const PortSet> port_set(std::string_view group, GroupError& error);

  // The index of a flowbit's name in ParsedRules::flowbit_names. A new name gets the next index.
  uint32_t flowbit(std::string_view name);

  // The compiled expression for this pattern and these PCRE2_* options. It is null until somebody compiles and assigns
  // it.
  CompiledPattern& expression(std::string_view pattern, uint32_t options);

 private:
  const RuleVariables& variables_;
  ParsedRules& parsed_;
  RuleText& text_;
  std::string* arena_ = nullptr;  // in text_.strings: where keep() appends
  std::unordered_map<std::string, std::shared_ptr<const AddressSet>> addresses_;
  std::unordered_map<std::string, std::shared_ptr<const PortSet>> ports_;
  std::unordered_map<std::string, CompiledPattern> expressions_;  // by options and pattern
  std::unordered_map<std::string_view, uint32_t> flowbits_;
};

}  // namespace gatetape
