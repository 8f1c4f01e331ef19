#include "rules/engine/threshold.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace gatetape {

ThresholdTable::Entry& ThresholdTable::find(const Entry& key, bool& created) {
  if (entries_.empty()) entries_.resize(kEntriesMax);
  uint8_t bytes[16 + 16 + 8 + 4];
  std::memcpy(bytes, key.first.bytes.data(), 16);
  std::memcpy(bytes + 16, key.second.bytes.data(), 16);
  std::memcpy(bytes + 32, &key.flow_id, 8);
  std::memcpy(bytes + 40, &key.rule, 4);
  const uint64_t hash = XXH3_64bits(bytes, sizeof(bytes));
  Entry* const bucket = &entries_[(hash % (kEntriesMax / kWays)) * kWays];
  Entry* oldest = bucket;
  for (Entry* e = bucket; e != bucket + kWays; ++e) {
    if (e->rule == key.rule && e->flow_id == key.flow_id && e->first == key.first && e->second == key.second) {
      created = false;
      e->used = ++clock_;
      return *e;
    }
    if (e->used < oldest->used) oldest = e;
  }
  if (oldest->rule != UINT32_MAX) ++evicted_;
  *oldest = key;
  oldest->used = ++clock_;
  created = true;
  return *oldest;
}

bool ThresholdTable::count_and_ask(const ThresholdQuestion& question) {
  const Threshold& threshold = *question.threshold;
  Entry key;
  key.rule = question.rule;
  switch (threshold.track) {
    case ThresholdTrack::kBySource:
      key.first = question.source;
      break;
    case ThresholdTrack::kByDestination:
      key.first = question.destination;
      break;
    case ThresholdTrack::kByBoth:
      key.first = std::min(question.source, question.destination);
      key.second = std::max(question.source, question.destination);
      break;
    case ThresholdTrack::kByRule:
      break;
    case ThresholdTrack::kByFlow:
      key.flow_id = question.flow_id;
      break;
  }
  bool created = false;
  Entry& entry = find(key, created);
  const int64_t window_ns = int64_t{threshold.seconds} * 1'000'000'000;
  const bool windowed = threshold.kind != ThresholdKind::kBackoff;
  if (created || (windowed && question.timestamp_ns - entry.start_ns > window_ns)) {
    entry.start_ns = question.timestamp_ns;
    entry.count = 0;
    entry.next_report = threshold.count;
  }
  if (entry.count != UINT32_MAX) ++entry.count;
  switch (threshold.kind) {
    case ThresholdKind::kNone:
      return true;
    case ThresholdKind::kLimit:
      return entry.count <= threshold.count;
    case ThresholdKind::kThreshold:
      if (entry.count < threshold.count) return false;
      entry.count = 0;
      return true;
    case ThresholdKind::kBoth:
      return entry.count == threshold.count;
    case ThresholdKind::kDetectionFilter:
      return entry.count > threshold.count;
    case ThresholdKind::kBackoff:
      if (entry.count < entry.next_report) return false;
      entry.next_report *= std::max<uint32_t>(threshold.multiplier, 2);
      return true;
  }
  return true;
}

}  // namespace gatetape
