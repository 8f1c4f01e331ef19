#include "rules/prefilter.h"

#include <cctype>

#include "common/check.h"

namespace gatetape {

Result<std::unique_ptr<const Prefilter>> Prefilter::build(std::vector<PrefilterLiteral> literals, Report report,
                                                          uint32_t scan_bytes_max) {
  GT_CHECK(!literals.empty());
  auto prefilter = std::make_unique<Prefilter>();
  prefilter->scan_bytes_max_ = scan_bytes_max;
  std::vector<const char*> expressions;
  std::vector<size_t> lengths;
  std::vector<unsigned> flags, ids;
  for (const PrefilterLiteral& literal : literals) {
    ids.push_back(static_cast<unsigned>(expressions.size()));
    expressions.push_back(literal.bytes.data());
    lengths.push_back(literal.bytes.size());
    flags.push_back((literal.caseless ? HS_FLAG_CASELESS : 0u) | (report == Report::kOnce ? HS_FLAG_SINGLEMATCH : 0u));
    prefilter->first_rule_.push_back(static_cast<uint32_t>(prefilter->rules_.size()));
    prefilter->rules_.insert(prefilter->rules_.end(), literal.rules.begin(), literal.rules.end());
  }
  prefilter->first_rule_.push_back(static_cast<uint32_t>(prefilter->rules_.size()));

  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_compile_lit_multi(expressions.data(), flags.data(), ids.data(), lengths.data(),
                           static_cast<unsigned>(expressions.size()), HS_MODE_BLOCK, nullptr, &database,
                           &error) != HS_SUCCESS) {
    const std::string message = error != nullptr && error->message != nullptr ? error->message : "unknown error";
    hs_free_compile_error(error);
    return fail("cannot compile a pre-filter of {} literals: {}", literals.size(), message);
  }
  prefilter->database_.reset(database);
  return prefilter;
}

}  // namespace gatetape
