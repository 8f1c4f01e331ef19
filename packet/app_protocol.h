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
  const char* name;        // EVE's app_proto
  bool encrypted = false;  // its payload cannot be inspected and does not compress
};

inline constexpr AppProtocolRow kAppProtocols[] = {
    {"unknown"}, {"http"}, {"http2"}, {"tls", true}, {"dns"}, {"ssh", true}, {"smtp"}, {"ftp"}, {"failed"},
};

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
