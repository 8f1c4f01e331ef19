// Where signed checkpoints leave the machine: a file, syslog, or a socket of the same machine that somebody carries on.
// A target for an Outlet; the records are events whose detail is the text to send.
//
//   FILE           notes are appended as they are; the file stays open until the run ends
//   syslog:ADDR    a datagram of RFC 5424 per line; ADDR is an address with or without a port (514): 192.0.2.1,
//                  192.0.2.1:5514, [2001:db8::1]:514. No name is looked up.
//   unix:PATH      a stream socket that somebody listens on; a line each
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/result.h"
#include "export/outlet_target.h"

namespace gatetape {

// The name of those events; others become an empty line in a file, and nothing elsewhere.
inline constexpr std::string_view kEventCheckpoint = "evidence.checkpoint";

// Whether a place takes a note as it stands, or only as one line.
bool takes_whole_notes(const std::string& place);

// Fails when the place is none of those above.
Result<std::unique_ptr<OutletTarget>> checkpoint_target(const std::string& place);

}  // namespace gatetape
