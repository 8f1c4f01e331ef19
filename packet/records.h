// The records that Gatetape makes of traffic: transactions, flows, alerts, and its own losses. Workers append them to a
// RecordBatch (bytes, no strings built); a thread off the packet path turns batches into EVE JSON and writes them into
// the store beside the packets.
//
// The views inside a record live as long as what they were made from: the transaction and rule while a worker appends,
// the batch while a reader iterates.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/result.h"
#include "packet/account.h"
#include "packet/app_protocol.h"
#include "packet/flow_key.h"

namespace gatetape {

// The rules of HTTP that a transaction broke, and what else is wrong with it. A set of bits.
enum HttpAnomaly : uint32_t {
  kHttpHeadTooLarge = 1u << 0,
  kHttpBadStartLine = 1u << 1,
  kHttpBadFieldLine = 1u << 2,
  kHttpBadChunk = 1u << 3,
  kHttpBadContentLength = 1u << 4,  // not a number, or several that differ
  kHttpLengthAndChunked = 1u << 5,  // Content-Length beside Transfer-Encoding (RFC 9112 section 6.3)
  kHttpGap = 1u << 6,               // bytes of this transaction were lost before the sensor
  kHttpResponseWithoutRequest = 1u << 7,
  kHttpTruncated = 1u << 8,  // the connection ended inside the transaction
};

struct HttpRecord {
  static constexpr uint8_t kType = 0;
  uint64_t flow_id = 0;
  uint64_t transaction_id = 0;
  Endpoints endpoints;  // client to server
  uint16_t vlan_id[2] = {0, 0};
  int64_t timestamp_ns = 0;           // when the request head was complete
  int64_t response_timestamp_ns = 0;  // when the response head was complete; 0: there is none
  uint64_t request_ordinal = 0;
  uint64_t response_ordinal = 0;
  std::string_view method, uri, protocol, host, user_agent, referer, request_content_type, response_content_type;
  uint16_t status = 0;
  uint64_t request_body_length = 0;
  uint64_t response_body_length = 0;
  uint32_t anomalies = 0;  // HttpAnomaly
  bool complete = false;
};

enum class FlowEnd : uint8_t { kClosed, kReset, kTimeout, kEvicted, kShutdown };
const char* to_string(FlowEnd end);

struct FlowRecord {
  static constexpr uint8_t kType = 1;
  uint64_t flow_id = 0;
  Endpoints endpoints;  // client (who was seen to open it, else the first sender) to server
  uint16_t vlan_id[2] = {0, 0};
  int64_t first_timestamp_ns = 0;
  int64_t last_timestamp_ns = 0;
  uint64_t first_ordinal = 0;
  uint64_t last_ordinal = 0;
  uint64_t packets[2] = {0, 0};    // by Direction
  uint64_t bytes[2] = {0, 0};      // frame bytes on the wire
  uint64_t gap_bytes[2] = {0, 0};  // acknowledged by the receiver, never seen here
  uint64_t http_transactions = 0;
  uint32_t alerts = 0;
  uint8_t tcp_flags[2] = {0, 0};  // all flags seen
  FlowEnd end = FlowEnd::kShutdown;
  AppProtocol app_protocol = AppProtocol::kUnknown;
};

struct AlertRecord {
  static constexpr uint8_t kType = 2;
  uint64_t flow_id = 0;
  int64_t timestamp_ns = 0;
  uint64_t ordinal = 0;  // the packet at which the match was complete
  Endpoints endpoints;   // as that packet has them
  uint16_t vlan_id[2] = {0, 0};
  uint32_t gid = 1, sid = 0, rev = 0;
  uint8_t severity = 3;  // Suricata's priority
  Direction direction = Direction::kToServer;
  std::string_view action;     // "allowed" or "blocked", EVE's word
  std::string_view signature;  // msg
  std::string_view category;   // classtype's description
  std::string_view metadata;   // as written in the rule
  bool has_transaction = false;
  uint64_t transaction_id = 0;
  // These describe the transaction, when there is one. `protocol` is the version that a request of HTTP names, empty
  // where it names none; for any other protocol it is EVE's name of the protocol, and the others are empty.
  std::string_view method, uri, host, protocol;
  uint16_t status = 0;
};

// The account of a worker, each second and at the end, on the packets' own clock: wall time for a network port, packet
// time for a file.
struct AccountRecord {
  static constexpr uint8_t kType = 5;
  static constexpr uint8_t kWordsType = 3;  // the form without numbers, written until November 2026, still read
  int64_t timestamp_ns = 0;                 // until when it counts
  int64_t run_started_ns = 0;               // wall time; tells runs apart, whose totals begin again at zero
  uint16_t worker = 0;
  bool of_file = false;          // the source is a file, which no driver can miss packets of
  WorkerAccount worker_account;  // totals since start, not differences
  PortAccount port_account;      // ports: all of them, in worker 0's records only; files: what this worker took of them
};

// Names in EVE of a run's beginning and proper end.
inline constexpr std::string_view kEventCaptureStarted = "capture.started", kEventCaptureEnded = "capture.ended";

// Whether an account repeats what was known of its worker and run: `received` packets by `known_ns`; or less.
inline bool is_repeated(const AccountRecord& record, uint64_t received, int64_t known_ns) {
  const uint64_t now = record.worker_account[Counter::kReceived];
  return now < received || (now == received && record.timestamp_ns == known_ns);
}

// Its name in EVE where a file was not read to its end: the run has none, then.
inline constexpr std::string_view kEventImportInterrupted = "import.interrupted";
// Names in EVE of what makes a time doubtful: a port's link, and the machine's clock.
inline constexpr std::string_view kEventLinkDown = "link.down", kEventLinkUp = "link.up",
                                  kEventClockStepped = "clock.stepped";
// Its name in EVE where the account could not be kept against a kill.
inline constexpr std::string_view kEventAccountNotKept = "account.not_kept";

// A thing that happened to the sensor itself: a degradation step, a vanished interface, eviction.
struct EventRecord {
  static constexpr uint8_t kType = 4;
  int64_t timestamp_ns = 0;
  std::string_view name;  // "overload.uncompressed", "disk.evicted" ...
  std::string_view detail;
};

// A transaction of a protocol that has no type of record of its own. EVE shows its values as an object that is named
// after the protocol.
struct TransactionRecord {
  static constexpr uint8_t kType = 7;
  uint64_t flow_id = 0;
  uint64_t transaction_id = 0;
  Endpoints endpoints;  // client to server
  uint16_t vlan_id[2] = {0, 0};
  int64_t timestamp_ns = 0;  // when the first head was there
  uint64_t ordinal = 0;      // the packet that brought it
  AppProtocol protocol = AppProtocol::kUnknown;
  bool complete = false;
  std::string_view values;  // packet/record_values.h
};

// A run of the sensor begins, or ends properly. A run without a record of its end was killed, or still goes on.
struct RunRecord {
  static constexpr uint8_t kType = 6;
  int64_t timestamp_ns = 0;    // wall time of the beginning; of an end: the time until which the last account counts
  int64_t run_started_ns = 0;  // wall time; the run's name in all its records and segments
  bool ended = false;          // all that was taken in is written, or counted as lost
  bool of_file = false;        // the source is a file, and its packets are the clock
  // A beginning alone has the rest.
  std::string_view build, host, user, sources;
  std::string_view filters;  // which packets are kept: ingress, hostile networks, expression
  std::string_view rules;    // identity of the rule set, SHA-256 in hexadecimal; empty: no rules
  std::string_view sids;     // numbers of the loaded rules, as encode_sids() made it
  std::string_view clock;    // the source of the packets' times, and its error; empty: not known (older writers)
};

// A sync of a segment failed: nobody knows whether what was written since the last one that went well is on the disk,
// though it can be read while the machine runs. A later sync that goes well proves nothing.
struct SyncFailureRecord {
  static constexpr uint8_t kType = 8;
  int64_t timestamp_ns = 0;  // wall time of the failure
  int64_t run_started_ns = 0;
  int64_t first_ns = 0, last_ns = 0;  // times of the packets or records
  uint64_t packets = 0, records = 0;  // one of the two
  uint64_t sequence = 0;              // the segment's
  std::string_view segment_uuid;      // in hexadecimal
  std::string_view path;              // its file
  std::string_view error;
};

// Numbers of rules in few bytes: rising, each as its distance from the one before, LEB128.
std::string encode_sids(std::vector<uint32_t> sids);
// Sorted. Empty, too, when the bytes are not what encode_sids() makes.
std::vector<uint32_t> sids_of(const RunRecord& record);

using Record = std::variant<HttpRecord, FlowRecord, AlertRecord, AccountRecord, EventRecord, RunRecord,
                            TransactionRecord, SyncFailureRecord>;

// A set of types of records: bit n stands for the type n (kType).
using RecordTypes = uint32_t;
inline constexpr RecordTypes kAllRecordTypes = ~RecordTypes{0};

// All types that are read as one of these: record_types<FlowRecord, AlertRecord>().
template <class... Types>
constexpr RecordTypes record_types() {
  constexpr auto of_one = []<class One>(const One*) {
    RecordTypes types = RecordTypes{1} << One::kType;
    if constexpr (requires { One::kWordsType; }) types |= RecordTypes{1} << One::kWordsType;
    return types;
  };
  return (of_one(static_cast<const Types*>(nullptr)) | ...);
}

// Records one after another in one buffer: u32 length (little-endian, of what follows), u8 type (kType), then the
// fields in the order declared above, integers little-endian, strings as u32 length and bytes. The same bytes go into
// the store (storage/FORMAT.md). A record may end before the last fields: an older writer did not know them.
//
// An account is a u16 number of words, then for each word that is not zero: u16 number of its row in
// packet/account_table.h, and u64 value. Bit 15 of the number says that the word counts packets that were dropped, so
// that a reader that does not know the row can still say that there was a loss. In a record of type 3 the numbers were
// left out: the words stood in the order of their numbers, from 0 on.
class RecordBatch {
 public:
  void append(const Record& record);
  size_t size_bytes() const { return bytes_.size(); }
  size_t count() const { return count_; }
  bool empty() const { return bytes_.empty(); }
  void clear();
  std::span<const uint8_t> bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
  size_t count_ = 0;
};

// Calls `visit` for each record of these types in `bytes`; fails at the first malformed one, after having visited those
// before it. Strings longer than 64 KiB were cut when appended. Unknown types are skipped (a newer writer's).
Result<void> for_each_record(std::span<const uint8_t> bytes, const std::function<void(const Record&)>& visit,
                             RecordTypes types = kAllRecordTypes);
// The same without looking into them: `visit` gets a record's type and all its bytes, length included.
Result<void> for_each_raw_record(std::span<const uint8_t> bytes,
                                 const std::function<void(uint8_t type, std::span<const uint8_t> record)>& visit);

// Takes finished batches off a worker's hands: EVE output, the store. The records thread calls it with one batch after
// another.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual Result<void> write(const RecordBatch& batch) = 0;
};

}  // namespace gatetape
