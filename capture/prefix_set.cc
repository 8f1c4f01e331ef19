#include "capture/prefix_set.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace gatetape {
namespace {

IpAddress masked(const IpAddress& address, uint8_t length) {
  IpAddress out = address;
  for (int i = 0; i < 16; ++i) {
    const int bits = std::clamp(length - i * 8, 0, 8);
    out.bytes[i] &= static_cast<uint8_t>(0xff00 >> bits);
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace

size_t PrefixSet::Hash::operator()(const IpAddress& address) const {
  uint64_t high, low;
  std::memcpy(&high, address.bytes.data(), 8);
  std::memcpy(&low, address.bytes.data() + 8, 8);
  const uint64_t h = (high ^ (low >> 29)) * 0x9fb21c651e98df25u + low;
  return h ^ (h >> 32);
}

PrefixSet::PrefixSet(const std::vector<IpPrefix>& prefixes) {
  for (const IpPrefix& prefix : prefixes) {
    auto at =
        std::find_if(by_length_.begin(), by_length_.end(), [&](const Length& l) { return l.length == prefix.length; });
    if (at == by_length_.end()) at = by_length_.insert(at, Length{prefix.length, {}});
    at->networks.insert(prefix.address);
  }
}

bool PrefixSet::contains(const IpAddress& address) const {
  return std::any_of(by_length_.begin(), by_length_.end(), [&](const Length& l) {
    return l.networks.contains(l.length == 128 ? address : masked(address, l.length));
  });
}

Result<std::vector<IpPrefix>> parse_prefix_list(std::string_view text) {
  std::vector<IpPrefix> prefixes;
  for (size_t start = 0; start <= text.size();) {
    const size_t comma = std::min(text.find(',', start), text.size());
    Result<IpPrefix> prefix = IpPrefix::parse(trimmed(text.substr(start, comma - start)));
    if (!prefix) return pass_on(prefix);
    prefixes.push_back(*prefix);
    start = comma + 1;
  }
  return prefixes;
}

Result<std::vector<IpPrefix>> read_prefix_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail("{}: {}", path, std::strerror(errno));
  std::vector<IpPrefix> prefixes;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string_view text = trimmed(std::string_view(line).substr(0, line.find('#')));
    if (text.empty()) continue;
    Result<IpPrefix> prefix = IpPrefix::parse(text);
    if (!prefix) return fail("{}:{}: {}", path, number, prefix.error().message);
    prefixes.push_back(*prefix);
  }
  if (file.bad()) return fail("{}: {}", path, std::strerror(errno));
  return prefixes;
}

}  // namespace gatetape
