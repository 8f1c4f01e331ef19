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

// Names every counter of its parts: one that is added to a part does not compile here until it is named and has its row
// in packet/account_table.h.
void Http1Protocol::count(WorkerAccount& account) const {
  const auto& [begun, ended, completed, interim_responses, heads_too_large, over_outstanding, over_memory, places_lost,
               bytes_skipped, anomalous] = parser_.counters();
  account[Counter::kHttpTransactions] += ended;
  account[Counter::kHttpAnomalies] += anomalous;
  account[Counter::kHttpBegun] += begun;
  account[Counter::kHttpComplete] += completed;
  account[Counter::kHttpInterim] += interim_responses;
  account[Counter::kHttpHeadsTooLarge] += heads_too_large;
  account[Counter::kHttpOverOutstanding] += over_outstanding;
  account[Counter::kHttpOverMemory] += over_memory;
  account[Counter::kHttpPlacesLost] += places_lost;
  account[Counter::kHttpBytesSkipped] += bytes_skipped;
  account[Counter::kHttpHeld] += pool_.in_use();
  account[Counter::kHttpHeadBytesHeld] += pool_.head_bytes();

  const auto& [bodies, bytes_in, bytes_out, malformed, bombs] = decoders_.counters();
  account[Counter::kBodiesDecoded] += bodies;
  account[Counter::kBodyBytesCoded] += bytes_in;
  account[Counter::kBodyBytesDecoded] += bytes_out;
  account[Counter::kBodiesMalformed] += malformed;
  account[Counter::kBodiesBombs] += bombs;
  account[Counter::kBodiesRefused] += decoders_.refused();
}

}  // namespace gatetape
