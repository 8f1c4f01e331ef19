// The numbers of a run that must differ from all others: uuids, and the seeds of its hashes. Random by default; a run
// that must be repeatable takes all of them from one number. Immutable: any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "storage/format/format.h"

namespace gatetape {

class Identities {
 public:
  // `seed` 0: everything is random. Else all of it follows from the seed and the arguments below.
  // `anchor_seed` fixes the streams' hash seeds alone, whatever `seed` says.
  Identities(uint64_t seed, std::optional<uint64_t> anchor_seed);

  // A run is told from others in the same store by the first sequence number that it may give.
  Uuid run_uuid(uint64_t first_sequence) const;
  Uuid segment_uuid(uint64_t sequence) const;
  Uuid store_uuid() const;  // for a store whose ledger begins
  // The seed of a stream's hashes: where repeats are looked for, and where lanes lie in their table.
  uint64_t stream_seed(uint16_t worker, RetentionClass retention) const;

 private:
  Uuid uuid(uint64_t purpose, uint64_t number) const;

  uint64_t seed_;
  std::optional<uint64_t> anchor_seed_;
};

}  // namespace gatetape
