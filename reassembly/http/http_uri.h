// Request targets and hosts as rules see them: Suricata's http.uri and http.host, which follow libhtp's "IDS"
// personality.
//
// Pure functions over untrusted bytes; any thread. Output is never longer than input.
#pragma once

#include <string>
#include <string_view>

namespace gatetape {

// The path with percent and %u escapes decoded, backslashes turned into slashes, repeated slashes made one, and dot
// segments resolved (RFC 3986 section 5.2.4); then the query, decoded, and the fragment as sent. Scheme and authority
// of an absolute target are left out. A malformed escape stays as it is; case is kept.
void normalise_uri(std::string_view target, std::string& out);

// Lower case, without port, user information and trailing dots; an IPv6 literal keeps its brackets.
void normalise_host(std::string_view host, std::string& out);

// The authority of an absolute target ("http://host:80/path" gives "host:80"); empty when it has none.
std::string_view authority_of(std::string_view target);

}  // namespace gatetape
