// The reading side: any number of readers, in other processes, while the writer writes; no lock and no permission from
// it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "packet/decode.h"
#include "packet/ip_address.h"
#include "packet/packet.h"
#include "packet/records.h"
#include "storage/write/store_writer.h"

namespace gatetape {

// One thing a packet can have that the index knows. Unset members are not asked for; those set must hold together.
//
// The index must never know less than libpcap sees. By what decode() says of a packet:
//   - kOk: it satisfies what it has. Without has_transport it has no port.
//   - kNotIp on Ethernet or Linux cooked: it has no address, port or protocol; but ARP and RARP (EtherType 0x0806,
//     0x8035) satisfy a term that asks for a host alone, at least for the two addresses that they carry: tcpdump's
//     `host A` selects them.
//   - anything else (cut short, malformed, an unknown link type): it satisfies every term but flow_id and connection.
struct IndexTerm {
  std::optional<IpPrefix> host;  // outer source or destination
  std::optional<uint16_t> port;  // source or destination
  std::optional<uint8_t> protocol;
  std::optional<Endpoints> connection;  // either direction
  std::optional<uint64_t> flow_id;
};

// Which frames may hold a match: every clause must have one term that some packet of the frame satisfies. Empty: all.
// Conservative: it only leaves out what cannot match; the caller's filter decides packet by packet.
struct IndexFilter {
  std::vector<std::vector<IndexTerm>> all_of;
};

struct StoreQuery {
  std::optional<int64_t> since_ns;  // first instant wanted
  std::optional<int64_t> until_ns;  // first instant no longer wanted
  IndexFilter index;
};

// Records of these types whose time, or any part of whose span of time, lies in the range.
struct RecordQuery {
  std::optional<int64_t> since_ns, until_ns;
  RecordTypes types = kAllRecordTypes;
};

// A stored packet; views live until the next one is visited. Its interface_id is its place among the interfaces that
// the same reader's summary() has, or had it been asked later, would have.
struct StoredPacket {
  Packet packet;
  uint64_t flow_id = 0;
  uint16_t worker = 0;
  RetentionClass retention = RetentionClass::kFull;
};

struct ReadStatistics {
  uint64_t segments = 0, segments_read = 0;
  uint64_t frames = 0, frames_read = 0;  // decompressed
  uint64_t frames_damaged = 0;           // checksum wrong or unreadable: skipped, counted, named in `damage`
  uint64_t packets_visited = 0;
  uint64_t bytes_read = 0;
  uint64_t torn_bytes = 0;          // after the last whole frame of unsealed segments: a crash, or being written
  std::vector<std::string> damage;  // "DIR/file: offset N: what"; the first 100
};

struct StoreSummary {
  uint64_t packets = 0, captured_bytes = 0, stored_bytes = 0, segments = 0, segments_open = 0;
  int64_t oldest_ns = 0, newest_ns = 0;
  std::vector<StoreInterface> interfaces;  // of all runs, equal ones once; what Packet::interface_id of a reader counts
};

class StoreReader {
 public:
  static Result<std::unique_ptr<StoreReader>> open(const std::vector<std::string>& directories);
  virtual ~StoreReader() = default;
  // Visits matching frames' packets within the time range in order of arrival: one ordinal domain by ordinal, several
  // merged by time. `visit` returns false to stop. Damage is counted, not an error; a segment evicted meanwhile is left
  // out.
  virtual Result<ReadStatistics> packets(const StoreQuery& query,
                                         const std::function<bool(const StoredPacket&)>& visit) = 0;
  // Visits the records that the query asks for: HTTP transactions among themselves in the order written, alerts, too,
  // and so all others.
  virtual Result<ReadStatistics> records(const RecordQuery& query, const std::function<bool(const Record&)>& visit) = 0;
  virtual Result<StoreSummary> summary() = 0;
};

}  // namespace gatetape
