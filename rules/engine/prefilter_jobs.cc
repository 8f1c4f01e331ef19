#include "rules/engine/prefilter_jobs.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

namespace gatetape {

struct PrefilterJobs::Job {
  std::string name;
  std::vector<PrefilterLiteral> literals;
  Prefilter::Report report = Prefilter::Report::kOnce;
  uint32_t scan_bytes_max = UINT32_MAX;
  std::vector<const Prefilter**> places;
  std::unique_ptr<const Prefilter> built;
  std::optional<Error> error;

  void run(DatabaseCache& cache) {
    auto result = Prefilter::build(literals, report, scan_bytes_max, cache);
    if (result) {
      built = std::move(*result);
    } else {
      error = result.error();
    }
  }
};

PrefilterJobs::PrefilterJobs() = default;
PrefilterJobs::~PrefilterJobs() = default;

void PrefilterJobs::add(std::string name, Direction direction, PrefilterLiterals& literals, Prefilter::Report report,
                        uint32_t scan_bytes_max, const Prefilter*& place) {
  if (literals.empty()) return;
  name += direction == Direction::kToServer ? ", to server" : ", to client";
  std::vector<uint32_t> rules;
  for (const auto& [literal, its_rules] : literals) rules.insert(rules.end(), its_rules.begin(), its_rules.end());
  Job*& job = job_of_rules_[{name, rules}];
  if (job == nullptr) {
    job = &jobs_.emplace_back();
    job->name = std::move(name);
    job->report = report;
    job->scan_bytes_max = scan_bytes_max;
    for (auto& [literal, its_rules] : literals) {
      job->literals.push_back({literal.first, literal.second, std::move(its_rules)});
    }
  }
  job->places.push_back(&place);
  literals.clear();
}

Result<std::vector<PrefilterJobs::Built>> PrefilterJobs::build(DatabaseCache& cache,
                                                               const std::function<void()>& meanwhile) {
  // The largest first, so that both threads end together.
  std::vector<Job*> order;
  for (Job& job : jobs_) order.push_back(&job);
  std::sort(order.begin(), order.end(),
            [](const Job* a, const Job* b) { return a->literals.size() > b->literals.size(); });
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < order.size(); i = next++) order[i]->run(cache);
  };
  std::thread helper(work);
  meanwhile();
  work();
  helper.join();

  std::vector<Built> all;
  for (Job& job : jobs_) {
    if (job.error) return fail("{}: {}", job.name, job.error->message);
    for (const Prefilter** place : job.places) *place = job.built.get();
    all.push_back({job.name, std::move(job.built)});
  }
  return all;
}

}  // namespace gatetape
