// The list of protocols. A line here is all that the rest of Gatetape needs to recognise, parse, match and record one
// more; reassembly/README.md says what else a protocol consists of.
#pragma once

#include "reassembly/http/http1_protocol.h"
#include "reassembly/stack/protocol_stack.h"
#include "reassembly/unparsed_protocols.h"

namespace gatetape {

// The order is that in which they are asked about first bytes. HTTP/2's preface also looks like a request of HTTP/1.
using Protocols = ProtocolStack<TlsRecogniser,    //
                                SshRecogniser,    //
                                Http2Recogniser,  //
                                Http1Protocol>;

}  // namespace gatetape
