#include "rules/engine/prefilter.h"

#include "common/check.h"

namespace gatetape {
namespace {

unsigned flags_of(const PrefilterLiteral& literal, Prefilter::Report report) {
  return (literal.caseless ? HS_FLAG_CASELESS : 0u) | (report == Prefilter::Report::kOnce ? HS_FLAG_SINGLEMATCH : 0u);
}

// Everything that compile() depends on: for each literal its flags, its length and its bytes. Ids are positions.
DatabaseCache::Key key_of(const std::vector<PrefilterLiteral>& literals, Prefilter::Report report) {
  std::vector<uint8_t> compiled_from;
  for (const PrefilterLiteral& literal : literals) {
    const uint32_t head[] = {flags_of(literal, report), static_cast<uint32_t>(literal.bytes.size())};
    const auto* words = reinterpret_cast<const uint8_t*>(head);
    compiled_from.insert(compiled_from.end(), words, words + sizeof head);
    compiled_from.insert(compiled_from.end(), literal.bytes.begin(), literal.bytes.end());
  }
  return DatabaseCache::key_of(compiled_from);
}

Result<HyperscanDatabase> compile(const std::vector<PrefilterLiteral>& literals, Prefilter::Report report) {
  std::vector<const char*> expressions;
  std::vector<size_t> lengths;
  std::vector<unsigned> flags, ids;
  for (const PrefilterLiteral& literal : literals) {
    ids.push_back(static_cast<unsigned>(expressions.size()));
    expressions.push_back(literal.bytes.data());
    lengths.push_back(literal.bytes.size());
    flags.push_back(flags_of(literal, report));
  }
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_compile_lit_multi(expressions.data(), flags.data(), ids.data(), lengths.data(),
                           static_cast<unsigned>(expressions.size()), HS_MODE_BLOCK, nullptr, &database,
                           &error) != HS_SUCCESS) {
    const std::string message = error != nullptr && error->message != nullptr ? error->message : "unknown error";
    hs_free_compile_error(error);
    return fail("cannot compile a pre-filter of {} literals: {}", literals.size(), message);
  }
  return HyperscanDatabase(database);
}

}  // namespace

Result<std::unique_ptr<const Prefilter>> Prefilter::build(const std::vector<PrefilterLiteral>& literals, Report report,
                                                          uint32_t scan_bytes_max, DatabaseCache& cache) {
  GT_CHECK(!literals.empty());
  auto prefilter = std::make_unique<Prefilter>();
  prefilter->scan_bytes_max_ = scan_bytes_max;
  for (const PrefilterLiteral& literal : literals) {
    prefilter->first_rule_.push_back(static_cast<uint32_t>(prefilter->rules_.size()));
    prefilter->rules_.insert(prefilter->rules_.end(), literal.rules.begin(), literal.rules.end());
  }
  prefilter->first_rule_.push_back(static_cast<uint32_t>(prefilter->rules_.size()));

  const DatabaseCache::Key key = cache.enabled() ? key_of(literals, report) : DatabaseCache::Key{};
  prefilter->database_ = cache.find(key);
  prefilter->from_cache_ = prefilter->database_ != nullptr;
  if (!prefilter->from_cache_) {
    Result<HyperscanDatabase> compiled = compile(literals, report);
    if (!compiled) return pass_on(compiled);
    prefilter->database_ = std::move(*compiled);
    cache.keep(key, prefilter->database_.get());
  }
  return prefilter;
}

}  // namespace gatetape
