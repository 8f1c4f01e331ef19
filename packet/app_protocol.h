// The application protocols that a connection can be said to speak.
//
// To add one, append a value to AppProtocol and its row to kAppProtocols. Values are stored (storage/FORMAT.md, the
// record of a flow): they keep their numbers for ever.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace gatetape {

enum class AppProtocol : uint8_t {
  kUnknown,  // nothing certain was seen yet
  kHttp1,
  kHttp2,
  kTls,
  kDns,
  kSsh,
  kSmtp,
  kFtp,
  kOther,  // both sides have begun with bytes that no known protocol begins with
};

struct AppProtocolRow {
  const char* name;              // EVE's app_proto
  bool encrypted = false;        // its payload cannot be inspected and does not compress
  const char* rule_name = "";    // the header of rules for this protocol alone; empty: there are none yet
  const char* rule_family = "";  // the header of rules for this and its kin
};

inline constexpr AppProtocolRow kAppProtocols[] = {
    {"unknown"},
    {"http", false, "http1", "http"},
    {"http2", false, "", "http"},
    {"tls", true},
    {"dns"},
    {"ssh", true},
    {"smtp"},
    {"ftp"},
    {"failed"},
};

// A set of protocols, a bit each.
using AppProtocolSet = uint32_t;
static_assert(std::size(kAppProtocols) <= 32);
constexpr AppProtocolSet set_of(AppProtocol protocol) {
  return AppProtocolSet{1} << static_cast<unsigned>(protocol);
}

// The row of a protocol. A number that has none, since a newer version stored it, counts as kOther.
constexpr const AppProtocolRow& row_of(AppProtocol protocol) {
  const auto number = static_cast<size_t>(protocol);
  return kAppProtocols[number < std::size(kAppProtocols) ? number : static_cast<size_t>(AppProtocol::kOther)];
}
constexpr const char* to_string(AppProtocol protocol) {
  return row_of(protocol).name;
}
constexpr bool is_encrypted(AppProtocol protocol) {
  return row_of(protocol).encrypted;
}

}  // namespace gatetape
