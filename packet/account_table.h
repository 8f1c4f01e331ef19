// The rows of the account: everything that Gatetape counts. A row here is all that a counter needs to be added up,
// published, stored, and printed as text, JSON and EVE; packet/account.h makes the types out of these lists.
//
// A row says, in this order:
//   symbol   the counter's name in code: account[Counter::kStored]
//   number   under which the store keeps it. It is never changed and never given to another counter, so that stores of
//            any age can be read. The compiler refuses a number that is given twice. The next free one is the largest
//            plus one. When a row is deleted, its number joins kRetiredWorkerNumbers.
//   group    where it is printed, and on which side of the balance it stands, if on any
//   unit     of what it counts
//   name     in JSON. It is public: what reads our output depends on it.
//   words    for people, beside the value: "12 packets left out or shortened by policy"
//
// Within a group rows are printed in the order in which they stand here.
#pragma once

#include <array>
#include <cstdint>

namespace gatetape {

inline constexpr uint16_t kCounterNumberMax = 0x7fff;
// Numbers of counters that no longer are.
inline constexpr std::array<uint16_t, 2> kRetiredWorkerNumbers{67, 68};

}  // namespace gatetape

// clang-format off

// Units: symbol, one, several.
#define GATETAPE_COUNTER_UNITS(ROW)                  \
  ROW(kPackets,      "packet",      "packets")       \
  ROW(kBytes,        "byte",        "bytes")         \
  ROW(kSegments,     "segment",     "segments")      \
  ROW(kFlows,        "flow",        "flows")         \
  ROW(kTransactions, "HTTP transaction", "HTTP transactions") \
  ROW(kMessages,     "message",     "messages")      \
  ROW(kBodies,       "body",        "bodies")        \
  ROW(kStreams,      "stream",      "streams")       \
  ROW(kGaps,         "gap",         "gaps")          \
  ROW(kTimes,        "time",        "times")         \
  ROW(kAlerts,       "alert",       "alerts")        \
  ROW(kRecords,      "record",      "records")

// Groups: symbol, name (of the JSON object; "": its rows stand directly in the account), title for people, place.
// Places: the balance is kWhole = sum of kPart. kLoss is a part that an extract must own up to. kBeside is outside of
// the balance. kNow and kPartNow rise and fall: they are the state of a moment, and a span of time has none.
#define GATETAPE_COUNTER_GROUPS(ROW)                                     \
  ROW(kTotal,    "",         "",                               kWhole)   \
  ROW(kSettled,  "",         "",                               kPart)    \
  ROW(kLost,     "",         "",                               kLoss)    \
  ROW(kInFlight, "",         "",                               kPartNow) \
  ROW(kFiltered, "filtered", "filtered",                       kPart)    \
  ROW(kDropped,  "dropped",  "dropped",                        kLoss)    \
  ROW(kSeen,     "seen",     "Seen in it",                     kBeside)  \
  ROW(kTraffic,  "traffic",  "Traffic",                        kBeside)  \
  ROW(kDecoded,  "decoded",  "Decoding: how far it came",      kBeside)  \
  ROW(kFlows,    "flows",    "Flows",                          kBeside)  \
  ROW(kTcp,      "tcp",      "TCP",                            kBeside)  \
  ROW(kVerdicts, "tcp_verdicts", "TCP segments that needed a verdict", kBeside)  \
  ROW(kHttp,     "http",     "HTTP",                           kBeside)  \
  ROW(kBodies,   "bodies",   "Bodies with a content coding",   kBeside)  \
  ROW(kMatching, "matching", "Matching",                       kBeside)  \
  ROW(kRecords,  "records",  "Records",                        kBeside)  \
  ROW(kHeld,     "held",     "Held now",                       kNow)

// The counters of a worker.
#define GATETAPE_WORKER_COUNTERS(ROW)                                                                                          \
  /* the balance */                                                                                                            \
  ROW(kReceived,               0,  kTotal,    kPackets,  "received",          "received by workers")                           \
  ROW(kStored,                 2,  kSettled,  kPackets,  "stored",            "stored")                                        \
  ROW(kNotStored,              4,  kSettled,  kPackets,  "not_stored",        "not stored (no store)")                         \
  ROW(kDuplicate,              5,  kSettled,  kPackets,  "duplicate",         "duplicate")                                     \
  ROW(kCut,                    6,  kLost,     kPackets,  "cut",               "left out or shortened by policy")               \
  ROW(kInFlight,               7,  kInFlight, kPackets,  "in_flight",         "in flight")                                     \
  ROW(kFilteredNotIngress,     8,  kFiltered, kPackets,  "not_ingress",       "neither side is an ingress address")            \
  ROW(kFilteredNotHostile,     9,  kFiltered, kPackets,  "not_hostile",       "no side is in a hostile network")               \
  ROW(kFilteredBpf,            10, kFiltered, kPackets,  "bpf",               "the filter expression does not select them")    \
  ROW(kDroppedWorkerQueueFull, 16, kDropped,  kPackets,  "worker_queue_full", "a worker was slower than the traffic")          \
  ROW(kDroppedStoreQueueFull,  17, kDropped,  kPackets,  "store_queue_full",  "the disk was slower than the traffic")          \
  ROW(kDroppedStoreFailed,     18, kDropped,  kPackets,  "store_failed",      "the store failed")                              \
  ROW(kDroppedOversized,       19, kDropped,  kPackets,  "oversized",         "longer than the store's limit")                 \
  ROW(kDroppedKilled,          114, kDropped, kPackets,  "killed",            "the sensor was killed before they were written") \
  ROW(kDroppedUnknown,         64, kDropped,  kPackets,  "unknown_cause",     "a newer version knows the cause")               \
  /* what was received, seen from the traffic */                                                                               \
  ROW(kHttpTransactions,       50, kSeen,     kTransactions, "http",          "HTTP transactions")                             \
  ROW(kFlowsCreated,           45, kSeen,     kFlows,    "flows",             "flows")                                         \
  ROW(kAlerts,                 52, kSeen,     kAlerts,   "alerts",            "alerts")                                        \
  ROW(kReceivedBytes,          1,  kTraffic,  kBytes,    "received_bytes",    "received, on the wire")                         \
  ROW(kStoredBytes,            3,  kTraffic,  kBytes,    "stored_bytes",      "stored, as captured")                           \
  ROW(kNotSynced,              120, kTraffic, kPackets,  "not_synced",        "stored, but the disk did not confirm them")     \
  ROW(kToIngress,              54, kTraffic,  kPackets,  "to_ingress",        "to an ingress address")                         \
  ROW(kFromIngress,            55, kTraffic,  kPackets,  "from_ingress",      "from an ingress address")                       \
  ROW(kEncryptedBytes,         56, kTraffic,  kBytes,    "encrypted_bytes",   "TCP payload that is encrypted (TLS, SSH)")      \
  ROW(kIpFragments,            43, kTraffic,  kPackets,  "ip_fragments",      "IP fragments")                                  \
  ROW(kSuperFrames,            44, kTraffic,  kPackets,  "super_frames",      "longer than the wire allows")                   \
  ROW(kBadChecksum,            40, kTraffic,  kPackets,  "bad_checksum",      "with a wrong checksum, not inspected")          \
  ROW(kClockSteps,             115, kTraffic, kTimes,    "clock_steps",       "the machine's clock was set")                   \
  ROW(kTimeSteppedBack,        41, kTraffic,  kPackets,  "time_stepped_back", "older than one before them")                    \
  /* in the order of DecodeStatus */                                                                                           \
  ROW(kDecodedOk,                  24, kDecoded, kPackets, "ok",                  "whole")                                     \
  ROW(kDecodedNotIp,               25, kDecoded, kPackets, "not_ip",              "not IP")                                    \
  ROW(kDecodedTruncatedLink,       26, kDecoded, kPackets, "truncated_link",      "captured only into the link header")        \
  ROW(kDecodedTruncatedNetwork,    27, kDecoded, kPackets, "truncated_network",   "captured only into the IP header")          \
  ROW(kDecodedMalformedNetwork,    28, kDecoded, kPackets, "malformed_network",   "malformed IP header")                       \
  ROW(kDecodedTruncatedTransport,  29, kDecoded, kPackets, "truncated_transport", "captured only into the transport header")   \
  ROW(kDecodedMalformedTransport,  30, kDecoded, kPackets, "malformed_transport", "malformed transport header")                \
  ROW(kDecodedTooManyLayers,       31, kDecoded, kPackets, "too_many_layers",     "too many VLAN tags or extension headers")   \
  ROW(kFlowsEvicted,           46, kFlows,    kFlows,    "evicted",           "evicted, the table was full")                   \
  ROW(kFlowsExpired,           86, kFlows,    kFlows,    "expired",           "ended by a timeout")                            \
  ROW(kTcpSegments,            65, kTcp,      kSegments, "segments",          "looked at")                                     \
  ROW(kTcpOutOfOrder,          47, kTcp,      kSegments, "out_of_order",      "waited behind a hole")                          \
  ROW(kTcpOverlapping,         48, kTcp,      kSegments, "overlapping",       "partly seen before")                            \
  ROW(kTcpOverLimit,           49, kTcp,      kSegments, "over_limit",        "found the budget for waiting used up")          \
  ROW(kTcpAcknowledgedUnseen,  42, kTcp,      kBytes,    "acknowledged_unseen_bytes", "acknowledged, but lost before the sensor") \
  ROW(kTcpRetransmitted,       66, kTcp,      kSegments, "retransmitted",     "with nothing new")                              \
  ROW(kTcpGaps,                69, kTcp,      kGaps,     "gaps",              "in streams")                                    \
  ROW(kTcpGapBytes,            70, kTcp,      kBytes,    "gap_bytes",         "in gaps")                                       \
  ROW(kTcpMidstream,           71, kTcp,      kFlows,    "midstream",         "begun before the capture")                      \
  /* in the order of SegmentVerdict (reassembly/tcp_validation.h) */                                                           \
  ROW(kVerdictAccepted,              92,  kVerdicts,  kSegments,      "accepted",                "accepted")                   \
  ROW(kVerdictNotFollowed,           93,  kVerdicts,  kSegments,      "not_followed",            "begun before the capture, and not to be followed")\
  ROW(kVerdictResetAccepted,         94,  kVerdicts,  kSegments,      "reset_accepted",          "resets accepted")            \
  ROW(kVerdictResetMisplaced,        95,  kVerdicts,  kSegments,      "reset_misplaced",         "resets that no receiver would accept")\
  ROW(kVerdictResetAfterClose,       96,  kVerdicts,  kSegments,      "reset_after_close",       "resets after the close")     \
  ROW(kVerdictSynRepeated,           97,  kVerdicts,  kSegments,      "syn_repeated",            "SYNs repeated")              \
  ROW(kVerdictSynChallenged,         98,  kVerdicts,  kSegments,      "syn_challenged",          "SYNs in an open connection") \
  ROW(kVerdictSynAckMisplaced,       99,  kVerdicts,  kSegments,      "syn_ack_misplaced",       "SYN+ACKs in an open connection")\
  ROW(kVerdictSynAckOfNothing,       100, kVerdicts,  kSegments,      "syn_ack_of_nothing",      "SYN+ACKs of a SYN never sent")\
  ROW(kVerdictBeyondWindow,          101, kVerdicts,  kSegments,      "beyond_window",           "beyond the window, ignored") \
  ROW(kVerdictBeyondWindowBelieved,  102, kVerdicts,  kSegments,      "beyond_window_believed",  "beyond the window, believed")\
  ROW(kHttpBegun,              72, kHttp,     kTransactions, "begun",         "begun")                                         \
  ROW(kHttpComplete,           73, kHttp,     kTransactions, "complete",      "complete on both sides")                        \
  ROW(kHttpAnomalies,          51, kHttp,     kTransactions, "anomalous",     "with an anomaly")                               \
  ROW(kHttpInterim,            74, kHttp,     kMessages, "interim_responses", "interim responses (1xx)")                       \
  ROW(kHttpHeadsTooLarge,      75, kHttp,     kMessages, "heads_too_large",   "with a head too large to be read whole")        \
  ROW(kHttpOverMemory,         77, kHttp,     kMessages, "over_memory",       "with a head that found the memory used up")     \
  ROW(kHttpOverOutstanding,    76, kHttp,     kTransactions, "over_outstanding", "ended early, too many waited for a response") \
  ROW(kHttpPlacesLost,         78, kHttp,     kTimes,    "places_lost",       "the place in a stream was lost")                \
  ROW(kHttpBytesSkipped,       79, kHttp,     kBytes,    "bytes_skipped",     "skipped in search of a start line")             \
  ROW(kBodiesDecoded,          80, kBodies,   kBodies,   "decoded",           "decoded")                                       \
  ROW(kBodyBytesCoded,         81, kBodies,   kBytes,    "bytes_in",          "before decoding")                               \
  ROW(kBodyBytesDecoded,       82, kBodies,   kBytes,    "bytes_out",         "after decoding")                                \
  ROW(kBodiesMalformed,        83, kBodies,   kBodies,   "malformed",         "that broke off, their coding is malformed")     \
  ROW(kBodiesBombs,            84, kBodies,   kBodies,   "bombs",             "that broke off, they grew too large")           \
  ROW(kBodiesRefused,          85, kBodies,   kBodies,   "refused",           "inspected as sent, all decoders were in use")   \
  ROW(kMatchWindowsTakenAway,        103, kMatching,  kStreams,       "windows_taken_away",      "whose last bytes were forgotten")\
  ROW(kMatchBodiesOverBudget,        104, kMatching,  kBodies,        "bodies_over_budget",      "inspected only as far as memory allowed")\
  ROW(kMatchTransactionsOverLimit,   105, kMatching,  kTransactions,  "transactions_over_limit", "inspected without their bodies")\
  ROW(kMatchFlowbitsOverLimit,       106, kMatching,  kTimes,         "flowbits_over_limit",     "a flowbit was not set, too many were")\
  ROW(kMatchPendingOverLimit,        107, kMatching,  kTimes,         "pending_over_limit",      "a rule could not wait for the rest")\
  ROW(kMatchAlertsOverLimit,         108, kMatching,  kAlerts,        "alerts_over_limit",       "not reported, too many for one packet")\
  ROW(kMatchEarlyLooks,              109, kMatching,  kTimes,         "early_looks",             "a packet was looked at before its end")\
  ROW(kMatchInspectionsCut,          110, kMatching,  kTimes,         "inspections_cut",         "a rule took too many steps") \
  ROW(kMatchThresholdsForgotten,     111, kMatching,  kTimes,         "thresholds_forgotten",    "a threshold was forgotten")  \
  ROW(kMatchBodyVerdictsFound,       112, kMatching,  kBodies,        "body_verdicts_found",     "not scanned again, seen before")\
  ROW(kRecordsDropped,         53, kRecords,  kRecords,  "dropped",           "dropped, the records thread was too slow")      \
  ROW(kOutletsLost,            113, kRecords,  kRecords,  "lost_by_outlets",   "lost by outlets: full, or read too slowly")     \
  /* the state of a moment */                                                                                                  \
  ROW(kFlowsHeld,              87, kHeld,     kFlows,    "flows",             "followed")                                      \
  ROW(kReorderBytesHeld,       88, kHeld,     kBytes,    "reorder_bytes",     "behind holes of streams")                       \
  ROW(kReorderBuffersHeld,     89, kHeld,     kStreams,  "reorder_buffers",   "with a hole")                                   \
  ROW(kHttpHeld,               90, kHeld,     kTransactions, "http",          "open")                                          \
  ROW(kHttpHeadBytesHeld,      91, kHeld,     kBytes,    "http_head_bytes",   "heads of open HTTP transactions")

// The counters of a port. Each has its own balance: offered = missed + received.
#define GATETAPE_PORT_COUNTERS(ROW)                                                             \
  ROW(kOffered,       0, kTotal,   kPackets, "offered",        "offered")                       \
  ROW(kMissed,        1, kLost,    kPackets, "missed",         "missed by the driver")          \
  ROW(kReceived,      2, kSettled, kPackets, "received",       "received")                      \
  ROW(kReceivedBytes, 3, kTraffic, kBytes,   "received_bytes", "received")                      \
  ROW(kErrors,        4, kTraffic, kPackets, "errors",         "refused as damaged")            \
  ROW(kLinkDowns,     5, kTraffic, kTimes,   "link_downs",     "a link went down")              \
  ROW(kLinksDown,     6, kHeld,    kTimes,   "links_down",     "a link is down now")

// clang-format on
