#include <algorithm>
#include <cstring>

#include "rules/engine/fast_pattern.h"
#include "rules/engine/matcher_impl.h"

namespace gatetape {
namespace {

// What is encrypted after the handshake matches nothing but by chance.
constexpr uint64_t kEncryptedBytesInspected = 16u << 10;

// Room for at least one more byte, keeping what a match may look back at.
void make_room(StreamTail& side) {
  StreamWindow& window = *side.window;
  if (window.length < kStreamWindowBytes) return;
  const size_t dropped = window.length - kStreamRetainedBytes;
  std::memmove(window.bytes.data(), window.bytes.data() + dropped, kStreamRetainedBytes);
  window.length = kStreamRetainedBytes;
  window.base += dropped;
  std::erase_if(side.pending, [&](const PendingStreamRule& p) { return p.literal_end <= window.base; });
}

}  // namespace

void Matcher::Impl::stream(Scene& scene, std::span<const uint8_t> bytes, uint64_t offset) {
  const RuleList& list = rules->zone_rules(scene.source, scene.destination, scene.direction).stream;
  if (list.empty()) return;
  const bool encrypted = is_encrypted(scene.facts.app_protocol);
  const uint64_t limit = encrypted ? kEncryptedBytesInspected : kStreamBytesInspected;
  const int side_index = index(scene.direction);
  StreamTail& side = state(scene).streams()[static_cast<size_t>(side_index)];
  if (offset >= limit) {
    if (side.window != nullptr) pool.release_window(side.window);
    return;
  }
  bytes = bytes.first(std::min<uint64_t>(bytes.size(), limit - offset));

  StreamWindow& window = pool.window_of(*scene.flow, side_index);
  if (window.end() != offset) {
    window.length = 0;
    window.base = offset;
    side.pending.clear();
  }
  while (!bytes.empty() && !scene.flow->passed) {
    make_room(side);
    const std::span<const uint8_t> piece = bytes.first(std::min(bytes.size(), kStreamWindowBytes - window.length));
    stream_piece(scene, list, side, piece);
    bytes = bytes.subspan(piece.size());
  }
}

void Matcher::Impl::find_stream_candidates(const RuleList& list, StreamTail& side, size_t old_length) {
  const size_t side_index = side.window->side;
  const StreamWindow& window = *side.window;
  ++look;
  stream_candidates.clear();
  const auto add = [&](uint32_t rule, uint64_t literal_end) {
    if (mark(rule)) {
      stream_candidates.push_back({rule, literal_end});
      return;
    }
    // Found before in this look: what counts is the last place.
    const auto same = std::find_if(stream_candidates.begin(), stream_candidates.end(),
                                   [&](const PendingStreamRule& c) { return c.rule == rule; });
    same->literal_end = std::max(same->literal_end, literal_end);
  };
  if (list.prefilter != nullptr) {
    const size_t from = old_length - std::min(old_length, kFastPatternBytesMax - 1);
    list.prefilter->scan(window.view().subspan(from), scratch.get(), [&](uint32_t literal, uint64_t end) {
      if (from + end <= old_length) return;  // found with the piece before
      const uint64_t stream_end = window.base + from + end;
      for (const uint32_t rule : list.prefilter->rules_of(literal)) {
        // What counts from the start of a payload counts, in a stream, from the stream's own start.
        if (stream_end <= rules->rule(rule).literal_ends_within[side_index]) add(rule, stream_end);
      }
    });
  }
  for (const PendingStreamRule& p : side.pending) add(p.rule, p.literal_end);
  for (const uint32_t rule : list.always) add(rule, 0);
  side.pending.clear();
  std::sort(stream_candidates.begin(), stream_candidates.end(),
            [](const PendingStreamRule& a, const PendingStreamRule& b) { return a.rule < b.rule; });
}

void Matcher::Impl::stream_piece(Scene& scene, const RuleList& list, StreamTail& side, std::span<const uint8_t> piece) {
  StreamWindow& window = *side.window;
  const size_t old_length = window.length;
  std::memcpy(window.bytes.data() + old_length, piece.data(), piece.size());
  window.length += static_cast<uint32_t>(piece.size());
  find_stream_candidates(list, side, old_length);

  for (const PendingStreamRule& candidate : stream_candidates) {
    const CompiledRule& rule = rules->rule(candidate.rule);
    if (rule.positional && window.base != 0) continue;
    if (!conditions_hold(rule, scene)) continue;
    // A rule without literal would find the same again in what was seen before: it looks at what is new.
    const bool always = candidate.literal_end == 0;
    if (payload_holds(rule, always ? window.view().subspan(old_length) : window.view())) {
      if (!matched(candidate.rule, scene, nullptr)) return;
    } else if (!always && rule.may_complete_later) {
      if (side.pending.size() < kPendingStreamRulesMax) {
        side.pending.push_back(candidate);
      } else {
        ++pool.counters.pending_over_limit;
      }
    }
  }
}

}  // namespace gatetape
