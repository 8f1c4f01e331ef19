// The state that a worker keeps of a flow beside what the flow table counts.
#pragma once

#include <cstdint>

#include "packet/records.h"
#include "reassembly/stack/protocols.h"
#include "reassembly/tcp_stream.h"
#include "rules/engine/matcher.h"
#include "storage/write/store_writer.h"

namespace gatetape {

struct PipelineFlow {
  TcpConnection tcp;
  Protocols::Layer application;
  Matcher::FlowStatePointer rules;
  RetentionClass retention = RetentionClass::kFull;
  bool answered = false;  // both sides have sent
  uint32_t alerts = 0;
};

}  // namespace gatetape
