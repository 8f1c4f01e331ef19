// A store that starts no threads: its holder does the work of the writing thread and of the housekeeper, a step at a
// time and in any order. It is the same code that the threads of Store::open() run. For simulations, which decide
// themselves what happens when. One thread.
//
// What waits in a store with threads works here: a ring that waits for a segment to be sealed seals one, close() writes
// and seals what is left. Only a frame that waits for a free place in the queue would wait forever: open it as `live`,
// and write out the queues before flush().
#pragma once

#include "storage/write/store_writer.h"

namespace gatetape {

class SteppedStore : public Store {
 public:
  static Result<std::unique_ptr<SteppedStore>> open(const StoreOptions& options, bool live);

  // The writing thread's step: writes the oldest frame of each worker, then records that have waited long enough.
  // Returns false when no frame was there.
  virtual bool step_writing() = 0;
  // The housekeeper's steps: seals one segment that is finished, false when there is none; and the rest of its round,
  // which signs and syncs what is due, true when it synced all that is open.
  virtual bool step_sealing() = 0;
  virtual bool step_syncing() = 0;
};

}  // namespace gatetape
