// The index of a sealed segment (FORMAT.md, sealing): made from its frames when it is sealed, and made again by whoever
// checks that it follows from them. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/format/format.h"
#include "storage/format/lane.h"
#include "storage/format/posting_table.h"
#include "storage/format/sealing.h"

namespace gatetape {

class SegmentIndexBuilder {
 public:
  // The lanes of a packet frame; frames in order.
  void add(std::span<const Lane> lanes, uint32_t frame);
  // A frame whose lanes cannot be read: it matches whatever is asked.
  void add_unreadable(uint32_t frame);

  // Appends the index frame, header and sections. Call once.
  void serialise(const SegmentHeader& segment, std::span<const FrameEntry> frames, const SegmentSummary& summary,
                 ByteSink& out);

 private:
  template <class T>
  static void add(PostingTableBuilder& table, T key, uint32_t frame);

  PostingTableBuilder hosts_{16}, ports_{2}, protocols_{1}, connections_{8}, flow_ids_{8}, unindexed_{1};
};

}  // namespace gatetape
