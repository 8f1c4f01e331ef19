// run_session() is one capture from start to end. It opens the sources, starts the workers (and the distributor where
// one is needed), passes their records to the sinks, keeps the account second by second, and ends everything cleanly
// when the sources end or `stop` is set.
//
// It runs on the calling thread, which is also the records thread: it writes the store's records and passes records to
// outlets (EVE), which write them on threads of their own.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "capture/packet_filter.h"
#include "capture/pipeline.h"
#include "common/result.h"
#include "export/outlet.h"
#include "packet/account.h"
#include "packet/records.h"
#include "storage/write/store_writer.h"

namespace gatetape {

// The name in EVE of a change of the hostile networks while a session runs.
inline constexpr std::string_view kEventHostileReplaced = "filter.hostile_replaced";

// Is told how a session goes, and asked for what may change meanwhile. All calls come from the session's thread.
class SessionObserver {
 public:
  virtual ~SessionObserver() = default;
  virtual void recording() = 0;  // packets are read: every source was asked for them
  // Each second. `alive`: every thread that handles packets did something since the last call.
  virtual void each_second(const WorkerAccount& total, const PortAccount& ports, bool alive) = 0;
  virtual void stopping() = 0;
  // Whether reload() should be called.
  virtual bool reload_asked() const = 0;
  // Returns the hostile networks that are wanted from now on; none: the old ones go on, and why was said.
  virtual std::optional<std::vector<IpPrefix>> reload() = 0;
  virtual void reloaded() = 0;  // the networks of reload() are in use
};

struct SessionOptions {
  std::vector<std::string> sources;  // "if:eth1", "pcap:FILE", ... (capture/sources/source_spec.h)
  unsigned workers = 1;
  bool verbose = false;
  bool follow = false;  // the source is a capture file that still grows: it is read until `stop`
  FilterOptions filter;
  PipelineOptions pipeline;              // `worker` and `start_ns` are set per worker
  std::shared_ptr<const RuleSet> rules;  // null: nothing is matched
  std::optional<StoreOptions> store;     // none: nothing is stored; `workers` and `interfaces` are filled in
  std::vector<Outlet*> outlets;          // besides the store; not started yet; they outlive the session
  // Outlets that get no records from the session: others started them, and write to them until the store is closed. The
  // session counts what they lose, and ends them then.
  std::vector<Outlet*> other_outlets;
  // Called once all ports are open, before anything is written or any thread of the session runs. It may give up
  // rights that only opening a port needs. Its failure ends the start.
  std::function<Result<void>()> ports_opened;
  const std::atomic<uint32_t>* reopen_count = nullptr;  // each change asks the outlets to open their files anew
  std::string user;                                     // user that runs it, for the record; empty: not known
  SessionObserver* observer = nullptr;                  // may be null
  bool progress = false;                                // a line on stderr, renewed each second
};

struct SessionSummary {
  WorkerAccount total;
  std::vector<WorkerAccount> workers;
  PortAccount ports;
  bool live = false;
  bool interrupted = false;  // the source was a file, and was not read to its end
  bool balances = false;     // ports and workers balance, nothing is in flight, and ports.received == total.received
  double run_seconds = 0;    // from the first packet asked for to the last byte written and closed
  std::vector<OutletCounts> outlets;
  std::vector<std::string> blind_spots;  // sentences about what the capture could not see
  // Nothing is known to be missing: the source was read to its end, and nothing of it was missed or dropped.
  bool complete() const;
  Result<void> outcome;  // an error when a source broke or the store failed; the account is right all the same
};

// Runs a session. Fails when it cannot start. `stop` may be set from a signal handler.
Result<SessionSummary> run_session(const SessionOptions& options, const std::atomic<bool>& stop);

}  // namespace gatetape
