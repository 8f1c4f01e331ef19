// Which rules a set is made of, for records that outlive it.
#include <fmt/format.h>
#include <openssl/evp.h>

#include "common/check.h"
#include "rules/engine/compile.h"

namespace gatetape {

std::string RuleSet::identity() const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  GT_CHECK(hash != nullptr && EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) == 1);
  for (const std::string& file : parsed_.text->files) {
    const uint64_t bytes = file.size();  // in front of each file, so that moving text from one to the next shows
    GT_CHECK(EVP_DigestUpdate(hash.get(), &bytes, sizeof bytes) == 1);
    GT_CHECK(EVP_DigestUpdate(hash.get(), file.data(), file.size()) == 1);
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  GT_CHECK(EVP_DigestFinal_ex(hash.get(), digest, &length) == 1);
  std::string out;
  for (unsigned i = 0; i < length; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

std::vector<uint32_t> RuleSet::sids() const {
  std::vector<uint32_t> sids;
  sids.reserve(rules_.size());
  for (const CompiledRule& rule : rules_) sids.push_back(rule.rule->sid);
  return sids;
}

}  // namespace gatetape
