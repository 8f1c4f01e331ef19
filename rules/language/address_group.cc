#include "rules/language/address_group.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "rules/language/group_parser.h"
#include "rules/language/load_report.h"

namespace gatetape {
namespace {

const IpAddress kLowest{};
const IpAddress kHighest = [] {
  IpAddress a;
  a.bytes.fill(0xff);
  return a;
}();

IpAddress v4(uint8_t fill) {
  const uint8_t four[4] = {fill, fill, fill, fill};
  return IpAddress::from_v4(four);
}
AddressRange all_v4() {
  return {v4(0x00), v4(0xff)};
}

bool is_highest(const IpAddress& a) {
  return a == kHighest;
}
bool is_highest(uint16_t port) {
  return port == UINT16_MAX;
}

IpAddress successor(IpAddress a) {
  for (size_t i = 16; i-- > 0 && ++a.bytes[i] == 0;) {
  }
  return a;
}
IpAddress predecessor(IpAddress a) {
  for (size_t i = 16; i-- > 0 && a.bytes[i]-- == 0;) {
  }
  return a;
}
uint16_t successor(uint16_t port) {
  return static_cast<uint16_t>(port + 1);
}
uint16_t predecessor(uint16_t port) {
  return static_cast<uint16_t>(port - 1);
}

// Sorts ranges and joins those that overlap or touch.
template <class Range>
std::vector<Range> normalised(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  std::vector<Range> joined;
  for (const Range& range : ranges) {
    if (!joined.empty() && (is_highest(joined.back().last) || range.first <= successor(joined.back().last))) {
      joined.back().last = std::max(joined.back().last, range.last);
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

template <class Range, class Value>
std::vector<Range> gaps(const std::vector<Range>& ranges, Value lowest, Value highest) {
  std::vector<Range> result;
  Value next = lowest;
  for (const Range& range : ranges) {
    if (next < range.first) result.push_back({next, predecessor(range.first)});
    if (is_highest(range.last)) return result;
    next = successor(range.last);
  }
  result.push_back({next, highest});
  return result;
}

template <class Range>
std::vector<Range> common_part(const std::vector<Range>& a, const std::vector<Range>& b) {
  std::vector<Range> result;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const auto first = std::max(a[i].first, b[j].first);
    const auto last = std::min(a[i].last, b[j].last);
    if (first <= last) result.push_back({first, last});
    if (a[i].last < b[j].last) {
      ++i;
    } else {
      ++j;
    }
  }
  return result;
}

template <class Range, class Value>
bool holds(const std::vector<Range>& ranges, const Value& value) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), value,
                                      [](const Value& v, const Range& range) { return v < range.first; });
  return after != ranges.begin() && value <= std::prev(after)->last;
}

std::optional<AddressRange> parse_netmask(std::string_view text, size_t slash) {
  const Result<IpAddress> address = IpAddress::parse(text.substr(0, slash));
  const Result<IpAddress> mask = IpAddress::parse(text.substr(slash + 1));
  if (!address || !mask || !address->is_v4() || !mask->is_v4()) return std::nullopt;
  AddressRange range{*address, *address};
  for (size_t i = 12; i < 16; ++i) {
    range.first.bytes[i] &= mask->bytes[i];
    range.last.bytes[i] |= static_cast<uint8_t>(~mask->bytes[i]);
  }
  return range;
}

std::optional<AddressRange> parse_prefix(std::string_view text) {
  const Result<IpPrefix> prefix = IpPrefix::parse(text);
  if (!prefix) return std::nullopt;
  AddressRange range{prefix->address, prefix->address};
  for (int bit = prefix->length; bit < 128; ++bit) range.last.bytes[bit / 8] |= static_cast<uint8_t>(0x80 >> (bit % 8));
  return range;
}

// Reads one address, prefix, netmask or range of a rule.
std::optional<AddressRange> parse_address(std::string_view text) {
  if (const size_t dash = text.find('-'); dash != std::string_view::npos) {
    const Result<IpAddress> first = IpAddress::parse(trimmed(text.substr(0, dash)));
    const Result<IpAddress> last = IpAddress::parse(trimmed(text.substr(dash + 1)));
    if (!first || !last || first->is_v4() != last->is_v4() || *last < *first) return std::nullopt;
    return AddressRange{*first, *last};
  }
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos && text.find('.', slash) != std::string_view::npos) {
    return parse_netmask(text, slash);
  }
  return parse_prefix(text);
}

std::optional<uint16_t> parse_port_number(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

std::optional<PortRange> parse_ports(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    const auto port = parse_port_number(text);
    return port ? std::optional(PortRange{*port, *port}) : std::nullopt;
  }
  const std::string_view low = trimmed(text.substr(0, colon)), high = trimmed(text.substr(colon + 1));
  if (low.empty() && high.empty()) return std::nullopt;
  const auto first = low.empty() ? uint16_t{0} : parse_port_number(low);
  const auto last = high.empty() ? UINT16_MAX : parse_port_number(high);
  if (!first || !last || *last < *first) return std::nullopt;
  return PortRange{*first, *last};
}

// Whether any range holds an address of that family.
bool touches_family(const std::vector<AddressRange>& ranges, bool want_v4) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const AddressRange& r) { return r.first.is_v4() == want_v4; });
}

// An IPv6 range says nothing about IPv4 packets, although their addresses, as stored here, lie in ::/0.
void append_family_range(std::vector<AddressRange>& out, const AddressRange& range) {
  if (range.first.is_v4()) {
    out.push_back(range);
    return;
  }
  for (const AddressRange& part : common_part({range}, gaps(std::vector{all_v4()}, kLowest, kHighest))) {
    out.push_back(part);
  }
}

}  // namespace

AddressSet AddressSet::all() {
  return of({{kLowest, kHighest}});
}

AddressSet AddressSet::of(std::vector<AddressRange> ranges) {
  AddressSet set;
  set.ranges_ = normalised(std::move(ranges));
  return set;
}

bool AddressSet::is_all() const {
  return ranges_.size() == 1 && ranges_[0].first == kLowest && ranges_[0].last == kHighest;
}

bool AddressSet::contains(const IpAddress& address) const {
  return holds(ranges_, address);
}

AddressSet AddressSet::complement() const {
  AddressSet set;
  set.ranges_ = gaps(ranges_, kLowest, kHighest);
  return set;
}

AddressSet AddressSet::minus(const AddressSet& other) const {
  AddressSet set;
  set.ranges_ = common_part(ranges_, other.complement().ranges_);
  return set;
}

PortSet PortSet::all() {
  return of({{0, UINT16_MAX}});
}

PortSet PortSet::of(std::vector<PortRange> ranges) {
  PortSet set;
  set.ranges_ = normalised(std::move(ranges));
  return set;
}

bool PortSet::is_all() const {
  return ranges_.size() == 1 && ranges_[0] == PortRange{0, UINT16_MAX};
}

bool PortSet::contains(uint16_t port) const {
  return holds(ranges_, port);
}

PortSet PortSet::complement() const {
  PortSet set;
  set.ranges_ = gaps(ranges_, uint16_t{0}, uint16_t{UINT16_MAX});
  return set;
}

PortSet PortSet::minus(const PortSet& other) const {
  PortSet set;
  set.ranges_ = common_part(ranges_, other.complement().ranges_);
  return set;
}

tl::expected<AddressSet, GroupError> parse_address_group(std::string_view text, const RuleVariables& variables) {
  GroupParser<AddressRange> parser(variables.address_groups, "an address", parse_address);
  auto members = parser.parse(text);
  if (!members) return tl::unexpected(members.error());
  std::vector<AddressRange> positive, negative;
  if (members->any) positive.push_back({kLowest, kHighest});
  for (const AddressRange& range : members->positive) append_family_range(positive, range);
  for (const AddressRange& range : members->negative) append_family_range(negative, range);
  // A negation alone starts from all addresses of its own family: "!10.0.0.0/8" contains no IPv6 address.
  if (!members->any) {
    const bool has_v4 = touches_family(positive, true), has_v6 = touches_family(positive, false);
    if (!has_v4 && touches_family(negative, true)) positive.push_back(all_v4());
    if (!has_v6 && touches_family(negative, false)) append_family_range(positive, {kLowest, kHighest});
  }
  AddressSet set = AddressSet::of(std::move(positive)).minus(AddressSet::of(std::move(negative)));
  if (set.empty() || members->not_any) return tl::unexpected(GroupError{0, "no address is left in this group"});
  return set;
}

tl::expected<PortSet, GroupError> parse_port_group(std::string_view text, const RuleVariables& variables) {
  GroupParser<PortRange> parser(variables.port_groups, "a port", parse_ports);
  auto members = parser.parse(text);
  if (!members) return tl::unexpected(members.error());
  const bool everything = members->any || members->positive.empty();
  const PortSet positive = everything ? PortSet::all() : PortSet::of(std::move(members->positive));
  PortSet set = positive.minus(PortSet::of(std::move(members->negative)));
  if (set.empty() || members->not_any) return tl::unexpected(GroupError{0, "no port is left in this group"});
  return set;
}

}  // namespace gatetape
