#include "packet/account.h"

namespace gatetape {

const char* to_string(FilterCause cause) {
  switch (cause) {
    case FilterCause::kNotIngress:
      return "not_ingress";
    case FilterCause::kNotHostile:
      return "not_hostile";
    case FilterCause::kBpf:
      return "bpf";
  }
  return "unknown";
}

const char* to_string(DropCause cause) {
  switch (cause) {
    case DropCause::kWorkerQueueFull:
      return "worker_queue_full";
    case DropCause::kStoreQueueFull:
      return "store_queue_full";
    case DropCause::kStoreFailed:
      return "store_failed";
    case DropCause::kOversized:
      return "oversized";
  }
  return "unknown";
}

WorkerAccount& WorkerAccount::operator+=(const WorkerAccount& other) {
  // Every member is a uint64_t or an array of them (asserted), so that a counter added later cannot be forgotten here.
  static_assert(sizeof(WorkerAccount) % sizeof(uint64_t) == 0 && alignof(WorkerAccount) == alignof(uint64_t));
  auto* mine = reinterpret_cast<uint64_t*>(this);
  const auto* theirs = reinterpret_cast<const uint64_t*>(&other);
  for (std::size_t i = 0; i < sizeof(WorkerAccount) / sizeof(uint64_t); ++i) mine[i] += theirs[i];
  return *this;
}

PortAccount& PortAccount::operator+=(const PortAccount& other) {
  offered += other.offered;
  missed += other.missed;
  received += other.received;
  received_bytes += other.received_bytes;
  errors += other.errors;
  return *this;
}

}  // namespace gatetape
