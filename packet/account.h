// The account: where every packet went. It balances, exactly and at any instant:
//   on a port:    offered  = missed + received
//   on a worker:  received = stored + not_stored + duplicate + sum(filtered) + cut + sum(dropped) + in_flight
// Plain integers, written by one thread; capture/worker.h says how copies are published to others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>

namespace gatetape {

enum class FilterCause : uint8_t { kNotIngress, kNotHostile, kBpf };
inline constexpr int kFilterCauseCount = 3;
// Room for causes to come: the account's layout in the store stays as it is.
inline constexpr int kFilterCausesMax = 8, kDropCausesMax = 8, kDecodeStatusesMax = 16;
const char* to_string(FilterCause cause);  // "not_ingress", "not_hostile", "bpf"

enum class DropCause : uint8_t {
  kWorkerQueueFull,  // the software distributor found the worker's queue full
  kStoreQueueFull,   // the disk was slower than the traffic
  kStoreFailed,      // the store reported an error; it is sticky
  kOversized,        // a frame larger than the store's limit
};
inline constexpr int kDropCauseCount = 4;
const char* to_string(DropCause cause);  // "worker_queue_full", ...

// Nothing but 64-bit words. New ones go last: a reader of older records leaves them at zero.
struct WorkerAccount {
  uint64_t received = 0;
  uint64_t received_bytes = 0;  // on the wire
  uint64_t stored = 0;          // handed to the disk
  uint64_t stored_bytes = 0;    // captured bytes of those
  uint64_t not_stored = 0;      // no store was asked for
  uint64_t duplicate = 0;
  uint64_t cut = 0;        // left out or shortened by policy
  uint64_t in_flight = 0;  // in open frames and queues, to be settled
  std::array<uint64_t, kFilterCausesMax> filtered{};
  std::array<uint64_t, kDropCausesMax> dropped{};
  // Beside the account: what was received, seen from the traffic.
  std::array<uint64_t, kDecodeStatusesMax> decoded{};  // packets by DecodeStatus
  uint64_t bad_checksum = 0;
  uint64_t time_stepped_back = 0;          // packets older than one before them
  uint64_t acknowledged_unseen_bytes = 0;  // TCP proves that they were lost before the sensor
  uint64_t ip_fragments = 0;
  uint64_t super_frames = 0;  // larger than the interface's MTU allows: offloads were left on at the mirrored host
  uint64_t flows_created = 0, flows_evicted = 0;
  uint64_t streams_out_of_order = 0, streams_overlap = 0, streams_over_limit = 0;  // segments
  uint64_t http_transactions = 0, http_anomalies = 0;
  uint64_t alerts = 0;
  uint64_t records_dropped = 0;  // HTTP, flow and alert records that the records thread could not take in time
  uint64_t to_ingress = 0, from_ingress = 0;  // packets, when ingress addresses are given
  uint64_t encrypted_bytes = 0;               // TCP payload bytes of flows that speak TLS or SSH

  uint64_t filtered_total() const { return std::accumulate(filtered.begin(), filtered.end(), uint64_t{0}); }
  uint64_t dropped_total() const { return std::accumulate(dropped.begin(), dropped.end(), uint64_t{0}); }
  bool balances() const {
    return received == stored + not_stored + duplicate + cut + in_flight + filtered_total() + dropped_total();
  }
  WorkerAccount& operator+=(const WorkerAccount& other);
};

struct PortAccount {
  uint64_t offered = 0;   // missed + received: what the interface was given since start
  uint64_t missed = 0;    // by the driver: no room in its buffer
  uint64_t received = 0;  // handed to us
  uint64_t received_bytes = 0;
  uint64_t errors = 0;  // frames the driver refused (length, CRC), beside the equation

  bool balances() const { return offered == missed + received; }
  PortAccount& operator+=(const PortAccount& other);
};

}  // namespace gatetape
