// The writing side of the store: what a capture holds. One Store per process and store directory (it takes a lock
// file); one StoreWorker per capture worker, used by that worker's thread alone; everything slow (writing, sealing,
// index writing, eviction) happens on the store's own threads behind bounded queues.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/file.h"
#include "common/result.h"
#include "packet/account.h"
#include "packet/decode.h"
#include "packet/packet.h"
#include "packet/records.h"
#include "packet/stored_packet.h"
#include "storage/evidence/notary.h"

namespace gatetape {

struct StoreOptions {
  std::vector<std::string> directories;  // created when missing; workers are spread over them
  unsigned workers = 1;
  // Over all directories; 0: four fifths of what is free on each file system. Less than kRingBytesMin (or two segments,
  // where their size is given) for each worker, or more than the file systems hold, is refused before anything is
  // touched.
  uint64_t ring_bytes_max = 0;
  static constexpr uint64_t kRingBytesMin = 8 << 20;  // eight of the smallest segments: two are open or being sealed
  std::vector<uint64_t> directory_bytes_max;          // instead: one size for each directory
  // Captured bytes per segment: the domain of references.
  uint64_t segment_raw_bytes_max = uint64_t{4} << 30;
  // Bytes on disk at which a segment ends; 0: a sixteenth of a worker's share of the ring, at most 512 MiB.
  uint64_t segment_stored_bytes_max = 0;
  uint64_t reference_memory_bytes = 512 << 20;  // payloads kept to find repeats, divided among workers
  int compression_level = 1;                    // zstd's
  unsigned sync_interval_s = 5;  // a power cut may take so much; the death of the process takes only open frames
  // Packets' ordinals count one sequence over all workers (a distributor numbered them): readers merge workers by
  // ordinal. Else each worker numbers its own and readers merge by time.
  bool shared_ordinals = false;
  std::vector<StoreInterface> interfaces;
  // The run's name in its segments, wall time, the same as in its records; 0: now.
  int64_t run_started_ns = 0;

  // Both must outlive the store; nullptr: the machine's.
  FileSystem* files = nullptr;
  EvidenceOptions evidence;    // the ledger, and who signs it
  bool group_may_ask = false;  // the group of what is written may leave requests (storage/evidence/store_request.h)

  Clock* clock = nullptr;
  // Where uuids and the seeds of hashes come from; 0: they are random. For a run that must be repeatable.
  uint64_t seed = 0;
  // Fixes where repeats are looked for, and nothing else: two runs over the same packets store the same bytes but for
  // uuids and times. For benchmarks; who knows the seed can make traffic in which no repeats are found.
  std::optional<uint64_t> anchor_seed;
};

// The fate of the packets handed to a StoreWorker; added == stored + dropped_* + pending.
struct StoreCounts {
  uint64_t added = 0;
  uint64_t stored = 0;      // written to the file (not necessarily synced)
  uint64_t not_synced = 0;  // those among them that a sync was to make safe, and the disk did not confirm it
  uint64_t stored_bytes = 0;
  uint64_t dropped_queue_full = 0;
  uint64_t dropped_failed = 0;
  uint64_t pending = 0;
};

class StoreWorker {
 public:
  virtual ~StoreWorker() = default;
  // Copies the packet into the open frame of its class. Never blocks when `may_block` was false at creation: a full
  // queue drops the whole frame and counts its packets.
  // Precondition: captured_length <= kStoredPacketBytesMax.
  virtual void add(const Packet& packet, const DecodedPacket& decoded, const PacketContext& context) = 0;
  // Call at least every 100 ms with a monotonic clock's nanoseconds: closes frames that have been open for a second, so
  // that every packet can be extracted within two.
  virtual void tick(int64_t monotonic_ns) = 0;
  // Closes all open frames (end of capture), waiting for the disk if it must: no packet is lost by it any more. They
  // are on disk when Store::close() returns.
  virtual void flush() = 0;
  virtual StoreCounts counts() const = 0;
};

class Store {
 public:
  // `live`: the source cannot wait, so a full queue drops; else add() waits for the disk.
  static Result<std::unique_ptr<Store>> open(const StoreOptions& options, bool live);
  virtual ~Store() = default;
  virtual StoreWorker& worker(unsigned index) = 0;
  // Records stand beside the packets; written by one thread (the records thread).
  virtual RecordSink& records() = 0;
  // The run's name in its segments.
  virtual const Uuid& run_uuid() const = 0;
  // The first thing that went wrong with the disk, if anything did; errors are sticky.
  virtual Result<void> status() const = 0;
  // Call after the workers have flushed: waits until all they handed over is written, or dropped and counted; after it
  // their counts() have nothing pending. Records are still taken: the last account is one.
  virtual Result<void> settle() = 0;
  // Writes what is open, seals segments, writes their indexes, syncs. Call after the workers have stopped. `last`: the
  // records that say that the run ended properly. They appear on the disk when all else is sealed and synced, so that a
  // run that is killed before that has no end.
  virtual Result<void> close(const RecordBatch& last) = 0;
  Result<void> close() { return close({}); }
};

}  // namespace gatetape
