// The state that a worker keeps for a flow, beside the flow table's counters.
#pragma once

#include <cstdint>

#include "capture/body_decoders.h"
#include "packet/records.h"
#include "reassembly/app_protocol.h"
#include "reassembly/http/http1.h"
#include "reassembly/tcp_stream.h"
#include "rules/engine/matcher.h"
#include "storage/write/store_writer.h"

namespace gatetape {

struct PipelineFlow {
  TcpConnection tcp;
  Http1Connection http;
  AppProtocolDetector protocol;
  Matcher::FlowStatePointer rules;
  BodyDecoders::Pointer decoders[2];  // by Direction, of the body being received; null: it is inspected as it comes
  RetentionClass retention = RetentionClass::kFull;
  bool answered = false;  // both sides have sent
  uint32_t alerts = 0;
  uint64_t http_transactions = 0;
};

}  // namespace gatetape
