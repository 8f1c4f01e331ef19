// The pre-filters of a rule set: asked for first, equal ones once, and then built by two threads.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "packet/flow_key.h"
#include "rules/engine/prefilter.h"

namespace gatetape {

// The rules behind each literal. The bool says that the literal's case does not matter; it is then in lower case.
using PrefilterLiterals = std::map<std::pair<std::string, bool>, std::vector<uint32_t>>;

class PrefilterJobs {
 public:
  struct Built {
    std::string name;  // "body, to client"
    std::unique_ptr<const Prefilter> prefilter;
  };

  PrefilterJobs();
  ~PrefilterJobs();

  // Asks for a pre-filter of these literals, and takes them. build() puts a pointer to it in `place`, which must stay
  // where it is. Without literals nothing is asked for and `place` stays as it is. The same rules under the same name
  // and direction always have the same literals, and get the same pre-filter.
  void add(std::string name, Direction direction, PrefilterLiterals& literals, Prefilter::Report report,
           uint32_t scan_bytes_max, const Prefilter*& place);

  // Builds what was asked for, with a second thread, while this one runs `meanwhile` first. Called once.
  Result<std::vector<Built>> build(DatabaseCache& cache, const std::function<void()>& meanwhile);

 private:
  struct Job;
  std::deque<Job> jobs_;
  std::map<std::pair<std::string, std::vector<uint32_t>>, Job*> job_of_rules_;
};

}  // namespace gatetape
