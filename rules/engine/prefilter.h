// One buffer's pre-filter: a Hyperscan database of literals, and for each literal the rules that need it. Immutable
// once built; any number of threads, each with its own scratch.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <hs/hs.h>

#include "common/result.h"
#include "rules/engine/database_cache.h"

namespace gatetape {

struct PrefilterLiteral {
  std::string bytes;
  bool caseless = false;
  std::vector<uint32_t> rules;  // ascending
};

class Prefilter {
 public:
  // kOnce: a literal is reported at its first occurrence only. kEvery: at each one, with its end; for streams, in which
  // a later occurrence may be the one that counts.
  enum class Report : uint8_t { kOnce, kEvery };

  // `literals` are distinct, and at least one. Only the first `scan_bytes_max` bytes of a buffer are scanned. A
  // database that the cache does not have is compiled and kept there.
  static Result<std::unique_ptr<const Prefilter>> build(const std::vector<PrefilterLiteral>& literals, Report report,
                                                        uint32_t scan_bytes_max, DatabaseCache& cache);

  const hs_database_t* database() const { return database_.get(); }
  size_t literal_count() const { return first_rule_.size() - 1; }
  bool from_cache() const { return from_cache_; }
  uint32_t scan_bytes_max() const { return scan_bytes_max_; }
  std::span<const uint32_t> rules_of(uint32_t literal) const {
    return {rules_.data() + first_rule_[literal], rules_.data() + first_rule_[literal + 1]};
  }

  // Calls on_hit(literal, end) for each occurrence.
  template <class OnHit>
  void scan(std::span<const uint8_t> bytes, hs_scratch_t* scratch, OnHit&& on_hit) const {
    const size_t size = bytes.size() < scan_bytes_max_ ? bytes.size() : scan_bytes_max_;
    if (size == 0) return;
    const auto forward = [](unsigned id, unsigned long long, unsigned long long to, unsigned, void* context) {
      (*static_cast<std::remove_reference_t<OnHit>*>(context))(static_cast<uint32_t>(id), static_cast<uint64_t>(to));
      return 0;
    };
    hs_scan(database_.get(), reinterpret_cast<const char*>(bytes.data()), static_cast<unsigned>(size), 0, scratch,
            forward, &on_hit);
  }

 private:
  HyperscanDatabase database_;
  std::vector<uint32_t> first_rule_;  // by literal, and one more
  std::vector<uint32_t> rules_;
  uint32_t scan_bytes_max_ = UINT32_MAX;
  bool from_cache_ = false;
};

}  // namespace gatetape
