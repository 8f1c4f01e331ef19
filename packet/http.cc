#include "packet/http.h"

#include <strings.h>

namespace gatetape {

const HttpField* HttpHead::find(std::string_view name) const {
  for (const HttpField& field : fields) {
    if (field.name.size() == name.size() && strncasecmp(field.name.data(), name.data(), name.size()) == 0)
      return &field;
  }
  return nullptr;
}

void HttpHead::clear() {
  complete = false;
  bytes.clear();
  start_line = raw_fields = method = uri = protocol = status_text = reason = {};
  fields.clear();
}

void HttpTransaction::clear() {
  id = 0;
  request.clear();
  response.clear();
  normalised_uri.clear();
  normalised_host.clear();
  status = 0;
  request_complete = response_complete = false;
  anomalies = 0;
  body_length[0] = body_length[1] = 0;
  request_timestamp_ns = response_timestamp_ns = 0;
  request_ordinal = response_ordinal = 0;
  kept = false;
}

}  // namespace gatetape
