#include "reassembly/http/http1_protocol.h"

#include "reassembly/http/http1_head.h"

namespace gatetape {

Recognition Http1Protocol::recognise(std::span<const uint8_t> first_bytes) {
  using Answer = Recognition::Answer;
  bool enough = false;
  if (looks_like_http_request(first_bytes, enough)) {
    return {enough ? Answer::kYes : Answer::kMaybe, Direction::kToServer};
  }
  if (looks_like_http_response(first_bytes, enough)) {
    return {enough ? Answer::kYes : Answer::kMaybe, Direction::kToClient};
  }
  return {};
}

void Http1Protocol::count(WorkerAccount& account) const {
  account[Counter::kHttpTransactions] += parser_.counters().ended;
  account[Counter::kHttpAnomalies] += parser_.counters().anomalous;
}

}  // namespace gatetape
