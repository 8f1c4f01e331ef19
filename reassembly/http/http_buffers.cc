#include "reassembly/http/http_buffers.h"

#include <strings.h>

#include <algorithm>

namespace gatetape {
namespace {

// Heads with more fields than this are not searched for repeated names, which costs the square of their number.
constexpr size_t kJoinedFieldsMax = 128;

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool repeats_earlier(const std::vector<HttpField>& fields, size_t i) {
  if (fields.size() > kJoinedFieldsMax) return false;
  return std::any_of(fields.begin(), fields.begin() + static_cast<ptrdiff_t>(i),
                     [&](const HttpField& f) { return same_name(f.name, fields[i].name); });
}

void append_joined_value(const std::vector<HttpField>& fields, size_t i, std::string& out) {
  out.append(fields[i].value);
  if (fields.size() > kJoinedFieldsMax || same_name(fields[i].name, "content-length")) return;
  for (size_t j = i + 1; j < fields.size(); ++j) {
    if (same_name(fields[j].name, fields[i].name)) out.append(", ").append(fields[j].value);
  }
}

}  // namespace

void HttpBuffers::begin(const HttpTransaction& transaction, Direction direction) {
  transaction_ = &transaction;
  heads_version_ = transaction.heads_version;
  direction_ = direction;
  for (View& view : views_) view.built = view.present = false;
  fields_[0].built = fields_[1].built = false;
}

std::optional<std::span<const uint8_t>> HttpBuffers::get(const HttpTransaction& transaction, Buffer buffer,
                                                         Direction direction, size_t instance) {
  if (&transaction != transaction_ || transaction.heads_version != heads_version_ || direction != direction_) {
    begin(transaction, direction);
  }
  if (buffer_info(buffer).http == HttpPart::kEachField) {
    const HttpHead& head = head_of(buffer);
    if (instance >= head.fields.size()) return std::nullopt;
    return bytes_of(field_line(head.fields[instance]));
  }
  if (instance > 0) return std::nullopt;
  View& view = views_[static_cast<size_t>(buffer)];
  if (!view.built) {
    view.built = true;
    build(buffer, view);
  }
  if (!view.present) return std::nullopt;
  return view.bytes;
}

const HttpHead& HttpBuffers::head_of(Buffer buffer) const {
  const BufferDirections directions = buffer_directions(buffer);
  const bool response = directions == kInBoth ? direction_ == Direction::kToClient : directions == kInResponse;
  return response ? transaction_->response : transaction_->request;
}

void HttpBuffers::set(View& view, std::string_view value) {
  view.present = true;
  view.bytes = bytes_of(value);
}

void HttpBuffers::set_if_any(View& view, std::string_view value) {
  if (!value.empty()) set(view, value);
}

void HttpBuffers::build(Buffer buffer, View& view) {
  const HttpHead& head = head_of(buffer);
  std::string& text = text_[static_cast<size_t>(buffer)];
  switch (buffer_info(buffer).http) {
    case HttpPart::kNone:
      if (buffer == Buffer::kPayload) set_if_any(view, head.bytes);
      return;
    case HttpPart::kField:
      return set_field(view, buffer, head);
    case HttpPart::kMethod:
      return set_if_any(view, head.method);
    case HttpPart::kUri:
      return set_if_any(view, transaction_->normalised_uri);
    case HttpPart::kUriRaw:
      return set_if_any(view, head.uri);
    case HttpPart::kProtocol:
      return set_if_any(view, head.protocol);
    case HttpPart::kStartLine:
      return set_if_any(view, head.start_line);
    case HttpPart::kFields:
      text.clear();
      append_fields(head, direction_ == Direction::kToServer ? "cookie" : "set-cookie", text);
      return set_if_any(view, text);
    case HttpPart::kFieldsRaw:
      // To the end of the head: the empty line that ends the fields belongs to them.
      if (head.raw_fields.empty()) return;
      return set(view, {head.raw_fields.data(),
                        static_cast<size_t>(head.bytes.data() + head.bytes.size() - head.raw_fields.data())});
    case HttpPart::kFieldNames:
      if (head.fields.empty()) return;
      build_header_names(head, text);
      return set(view, text);
    case HttpPart::kEachField:
      return;  // several instances: get()
    case HttpPart::kHead:
      if (head.start_line.empty()) return;
      build_start(head, text);
      return set(view, text);
    case HttpPart::kHost:
      return set_if_any(view, transaction_->normalised_host);
    case HttpPart::kStatusCode:
      return set_if_any(view, head.status_text);
    case HttpPart::kReason:
      return set_if_any(view, head.reason);
    case HttpPart::kBody:
      return;  // bodies are told in pieces
  }
}

void HttpBuffers::set_field(View& view, Buffer buffer, const HttpHead& head) {
  const bool response = &head == &transaction_->response;
  const HeaderFieldId field = header_field_of(buffer, response ? Direction::kToClient : Direction::kToServer);
  const FieldIndex& index = fields_of(head);
  if (index.first[field] < 0) return;
  const auto first = static_cast<size_t>(index.first[field]);
  if (!index.several[field]) return set(view, head.fields[first].value);
  std::string& text = text_[static_cast<size_t>(buffer)];
  text.clear();
  append_joined_value(head.fields, first, text);
  set(view, text);
}

const HttpBuffers::FieldIndex& HttpBuffers::fields_of(const HttpHead& head) {
  FieldIndex& index = fields_[&head == &transaction_->request ? 0 : 1];
  if (index.built) return index;
  index.built = true;
  index.first.fill(-1);
  index.several.fill(false);
  for (size_t i = 0; i < head.fields.size(); ++i) {
    const HeaderFieldId field = find_header_field(head.fields[i].name);
    if (field == kNoHeaderField) continue;
    if (index.first[field] < 0) {
      index.first[field] = static_cast<int32_t>(i);
    } else {
      index.several[field] = true;
    }
  }
  return index;
}

std::string_view HttpBuffers::field_line(const HttpField& field) {
  line_.assign(field.name).append(": ").append(field.value);
  return line_;
}

void HttpBuffers::append_fields(const HttpHead& head, std::string_view without, std::string& out) {
  for (size_t i = 0; i < head.fields.size(); ++i) {
    const HttpField& field = head.fields[i];
    if (same_name(field.name, without) || repeats_earlier(head.fields, i)) continue;
    out.append(field.name).append(": ");
    append_joined_value(head.fields, i, out);
    out.append("\r\n");
  }
}

void HttpBuffers::build_header_names(const HttpHead& head, std::string& out) {
  out.assign("\r\n");
  for (size_t i = 0; i < head.fields.size(); ++i) {
    if (!repeats_earlier(head.fields, i)) out.append(head.fields[i].name).append("\r\n");
  }
  out.append("\r\n");
}

void HttpBuffers::build_start(const HttpHead& head, std::string& out) {
  out.assign(head.start_line).append("\r\n");
  append_fields(head, "", out);
  out.append("\r\n");
}

}  // namespace gatetape
