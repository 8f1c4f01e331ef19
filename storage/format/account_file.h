// The layout of a store's account file (storage/FORMAT.md, account): the account as its recorder last gave it, where it
// outlives the recorder. Pure functions over bytes: any thread, no files. What parses trusts no length.
//
// Each worker has two slots, written in turn, so that one of them is whole at any instant. A slot begins and ends with
// its number, which rises by one with each write: a slot whose two numbers differ is one that was being written.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/result.h"
#include "packet/records.h"
#include "storage/format/byte_order.h"
#include "storage/format/format.h"

namespace gatetape {

inline constexpr char kAccountFileName[] = "account";

struct AccountFileHeader {
  Uuid run_uuid{};
  int64_t run_started_ns = 0;
  bool of_file = false;  // the packets are the clock
  uint16_t workers = 0;
  // Rows of packet/account_table.h whose words a slot has, in its order. Bit 15: the word counts dropped packets.
  std::vector<uint16_t> worker_numbers, port_numbers;
  // A record batch: the last accounts of runs before this one that had no proper end.
  std::vector<uint8_t> earlier;

  static constexpr size_t kFixedBytes = 64, kBytesMax = 4 << 20;
  // With the rows of this version.
  static AccountFileHeader make();
  std::vector<uint8_t> serialise() const;
  // How many bytes serialise() gives, from the first kFixedBytes of them.
  static Result<size_t> size(std::span<const uint8_t> fixed);
  static Result<AccountFileHeader> parse(std::span<const uint8_t> bytes);

  size_t slot_bytes() const;
  // `header_bytes`: of the serialised header. `which`: 0 or 1.
  uint64_t slot_offset(size_t header_bytes, uint16_t worker, unsigned which) const;
  uint64_t file_bytes(size_t header_bytes) const { return slot_offset(header_bytes, workers, 0); }
};

struct AccountSlot {
  uint64_t number = 0;   // 0: never written
  int64_t beat_ns = 0;   // wall time: the recorder was alive
  bool ended = false;    // the run ended properly
  AccountRecord record;  // nothing is known yet where its time is INT64_MIN

  // Precondition: `header` is this version's.
  void serialise(const AccountFileHeader& header, ByteSink& out) const;
  // False: not whole. Words that this version does not know are left out, but for what they count as dropped.
  // Precondition: `bytes` are header.slot_bytes().
  static bool parse(const AccountFileHeader& header, std::span<const uint8_t> bytes, AccountSlot& slot);
};

}  // namespace gatetape
