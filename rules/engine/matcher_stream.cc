#include <algorithm>
#include <cstring>

#include "rules/engine/fast_pattern.h"
#include "rules/engine/matcher_impl.h"

namespace gatetape {
namespace {

// After the handshake encrypted bytes match nothing but by chance.
constexpr uint64_t kEncryptedBytesInspected = 16u << 10;

// Forgets the oldest bytes, but keeps those that a match may look back at.
void make_room(StreamTail& side) {
  StreamWindow& window = *side.window;
  const size_t kept = std::min<size_t>(window.length, kStreamRetainedBytes);
  const size_t dropped = window.length - kept;
  std::memmove(window.bytes.data(), window.bytes.data() + dropped, kept);
  window.length = static_cast<uint32_t>(kept);
  window.base += dropped;
  std::erase_if(side.pending, [&](const PendingStreamRule& p) { return p.literal_end <= window.base; });
}

}  // namespace

// Gathers the bytes in the stream's window, to be looked at when the packet ends. If the packet brings more than the
// window holds, or bytes behind a gap, those before are looked at now, together with the packet itself.
void Matcher::Impl::stream(Direction direction, std::span<const uint8_t> bytes, uint64_t offset) {
  const Scene scene(*current.decoded, *current.facts, *current.flow, direction, true);
  const RuleList& list = rules->zone_rules(scene.source, scene.destination, direction).stream;
  if (list.empty()) return;
  const bool encrypted = is_encrypted(current.facts->app_protocol);
  const uint64_t limit = encrypted ? kEncryptedBytesInspected : kStreamBytesInspected;
  const int side_index = index(direction);
  StreamLook& waiting = stream_looks[side_index];
  StreamTail& side = state().streams()[static_cast<size_t>(side_index)];
  if (offset >= limit) {
    if (side.window != nullptr && !waiting.waits) pool.release_window(side.window);
    return;
  }
  bytes = bytes.first(std::min<uint64_t>(bytes.size(), limit - offset));

  StreamWindow& window = pool.window_of(state(), side_index);
  const auto look_now = [&] {
    if (!waiting.waits) return;
    ++packets_in_parts;
    look_at_packet_and_streams();
  };
  if (window.end() != offset) {
    look_now();
    window.length = 0;
    window.base = offset;
    side.pending.clear();
  }
  while (!bytes.empty() && current.inspected) {
    if (window.length + bytes.size() > kStreamWindowBytes) {
      look_now();
      make_room(side);
    }
    const std::span<const uint8_t> piece = bytes.first(std::min(bytes.size(), kStreamWindowBytes - window.length));
    if (!waiting.waits) waiting = {true, window.length};
    std::memcpy(window.bytes.data() + window.length, piece.data(), piece.size());
    window.length += static_cast<uint32_t>(piece.size());
    bytes = bytes.subspan(piece.size());
  }
}

void Matcher::Impl::find_stream_candidates(const RuleList& list, size_t side_index) {
  StreamTail& side = state().streams()[side_index];
  const StreamWindow& window = *side.window;
  const size_t old_length = stream_looks[side_index].begin;
  const size_t first = stream_candidates.size();
  begin_candidates();
  const auto add = [&](uint32_t rule, uint64_t literal_end) {
    if (mark(rule)) {
      stream_candidates.push_back({rule, static_cast<uint8_t>(side_index), literal_end});
      return;
    }
    // Found before in this look: the last place counts.
    const auto same = std::find_if(stream_candidates.begin() + static_cast<ptrdiff_t>(first), stream_candidates.end(),
                                   [&](const StreamCandidate& c) { return c.rule == rule; });
    same->literal_end = std::max(same->literal_end, literal_end);
  };
  if (list.prefilter != nullptr) {
    const size_t from = old_length - std::min(old_length, kFastPatternBytesMax - 1);
    list.prefilter->scan(window.view().subspan(from), scratch.get(), [&](uint32_t literal, uint64_t end) {
      if (from + end <= old_length) return;  // found with the packet before
      const uint64_t stream_end = window.base + from + end;
      for (const uint32_t rule : list.prefilter->rules_of(literal)) {
        // A place that counts from a payload's start counts, in a stream, from the stream's own start.
        if (stream_end <= rules->rule(rule).literal_ends_within[side_index]) add(rule, stream_end);
      }
    });
  }
  for (const PendingStreamRule& p : side.pending) add(p.rule, p.literal_end);
  for (const uint32_t rule : list.always) add(rule, 0);
  side.pending.clear();
}

}  // namespace gatetape
