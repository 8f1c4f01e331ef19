#include "reassembly/http/http_transaction.h"

#include <strings.h>

#include "common/check.h"
#include "reassembly/http/http_buffers.h"

namespace gatetape {
namespace {

std::string_view value_of(const HttpHead& head, std::string_view name) {
  const HttpField* field = head.find(name);
  return field == nullptr ? std::string_view() : field->value;
}

}  // namespace

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

std::optional<std::span<const uint8_t>> HttpTransaction::buffer(Buffer buffer, Direction direction,
                                                                size_t instance) const {
  GT_CHECK(buffers != nullptr);
  return buffers->get(*this, buffer, direction, instance);
}

Record HttpTransaction::record(const RecordContext& context) const {
  HttpRecord record;
  record.flow_id = context.flow_id;
  record.transaction_id = id;
  record.endpoints = context.endpoints;
  record.vlan_id[0] = context.vlan_id[0];
  record.vlan_id[1] = context.vlan_id[1];
  // A response whose request was never seen has only its own time.
  record.timestamp_ns = request_timestamp_ns != 0 ? request_timestamp_ns : response_timestamp_ns;
  record.response_timestamp_ns = response_timestamp_ns;
  record.request_ordinal = request_ordinal;
  record.response_ordinal = response_ordinal;
  record.method = request.method;
  record.uri = request.uri;
  record.protocol = request.protocol.empty() ? response.protocol : request.protocol;
  record.host = normalised_host;
  record.user_agent = value_of(request, "user-agent");
  record.referer = value_of(request, "referer");
  record.request_content_type = value_of(request, "content-type");
  record.response_content_type = value_of(response, "content-type");
  record.status = status;
  record.request_body_length = body_length[index(Direction::kToServer)];
  record.response_body_length = body_length[index(Direction::kToClient)];
  record.anomalies = anomalies;
  record.complete = complete();
  return record;
}

void HttpTransaction::describe(AlertRecord& alert) const {
  alert.method = request.method;
  alert.uri = request.uri;
  alert.host = normalised_host;
  alert.protocol = request.protocol;
  alert.status = status;
}

void HttpTransaction::clear() {
  id = 0;
  progress[0] = progress[1] = Progress::kNone;
  kept = false;
  request_done = response_done = false;
  status = 0;
  anomalies = 0;
  body_length[0] = body_length[1] = 0;
  request.clear();
  response.clear();
  normalised_uri.clear();
  normalised_host.clear();
  request_timestamp_ns = response_timestamp_ns = 0;
  request_ordinal = response_ordinal = 0;
}

}  // namespace gatetape
