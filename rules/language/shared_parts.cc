#include "rules/language/shared_parts.h"

#include <fmt/format.h>

#include <algorithm>

namespace gatetape {
namespace {

constexpr size_t kArenaChunkBytes = 64 << 10;

}  // namespace

std::string_view SharedParts::keep(std::string_view string) {
  // The open chunk never grows beyond what was reserved, so that views into it stay valid.
  if (arena_ == nullptr || arena_->capacity() - arena_->size() < string.size()) {
    arena_ = &text_.strings.emplace_back();
    arena_->reserve(std::max(kArenaChunkBytes, string.size()));
  }
  const size_t start = arena_->size();
  arena_->append(string);
  return std::string_view(*arena_).substr(start);
}

std::shared_ptr<const AddressSet> SharedParts::address_set(std::string_view group, GroupError& error) {
  auto& set = addresses_[std::string(group)];
  if (set) return set;
  auto parsed_set = parse_address_group(group, variables_);
  if (parsed_set) {
    set = std::make_shared<const AddressSet>(std::move(*parsed_set));
  } else {
    error = std::move(parsed_set.error());
  }
  return set;
}

std::shared_ptr<const PortSet> SharedParts::port_set(std::string_view group, GroupError& error) {
  auto& set = ports_[std::string(group)];
  if (set) return set;
  auto parsed_set = parse_port_group(group, variables_);
  if (parsed_set) {
    set = std::make_shared<const PortSet>(std::move(*parsed_set));
  } else {
    error = std::move(parsed_set.error());
  }
  return set;
}

uint32_t SharedParts::flowbit(std::string_view name) {
  const auto [place, is_new] = flowbits_.emplace(name, static_cast<uint32_t>(parsed_.flowbit_names.size()));
  if (is_new) parsed_.flowbit_names.push_back(name);
  return place->second;
}

CompiledPattern& SharedParts::expression(std::string_view pattern, uint32_t options) {
  return expressions_[fmt::format("{:x}/{}", options, pattern)];
}

}  // namespace gatetape
