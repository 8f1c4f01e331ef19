#include "rules/engine/buffers.h"

#include <algorithm>
#include <cctype>

#include "rules/engine/content_inspection.h"

namespace gatetape {

std::span<const uint8_t> TransactionBuffers::dotted(Buffer buffer) {
  const auto bytes = transaction_->buffer(buffer, direction_, 0);
  if (!bytes) return {};
  dotted_.assign(1, '.').append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  return {reinterpret_cast<const uint8_t*>(dotted_.data()), dotted_.size()};
}

std::span<const uint8_t> transformed(std::span<const uint8_t> buffer, std::span<const Transform> transforms,
                                     std::string& scratch) {
  if (transforms.empty()) return buffer;
  scratch.assign(reinterpret_cast<const char*>(buffer.data()), buffer.size());
  const auto space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  for (const Transform transform : transforms) {
    switch (transform) {
      case Transform::kDotPrefix:
        scratch.insert(scratch.begin(), '.');
        break;
      case Transform::kToLowercase:
        for (char& c : scratch) c = static_cast<char>(to_lower(static_cast<uint8_t>(c)));
        break;
      case Transform::kStripWhitespace:
        scratch.erase(std::remove_if(scratch.begin(), scratch.end(), space), scratch.end());
        break;
      case Transform::kCompressWhitespace: {
        size_t out = 0;
        for (size_t i = 0; i < scratch.size(); ++i) {
          if (!space(scratch[i])) {
            scratch[out++] = scratch[i];
          } else if (i == 0 || !space(scratch[i - 1])) {
            scratch[out++] = ' ';
          }
        }
        scratch.resize(out);
        break;
      }
    }
  }
  return {reinterpret_cast<const uint8_t*>(scratch.data()), scratch.size()};
}

}  // namespace gatetape
