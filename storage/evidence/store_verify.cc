#include "storage/evidence/store_verify.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "storage/evidence/ledger_writer.h"
#include "storage/evidence/store_request.h"
#include "storage/read/segment_directory.h"
#include "storage/read/segment_reader.h"

namespace gatetape {
namespace {

struct PresentFile {
  std::string path;
  std::optional<SegmentHeader> header;  // nothing: it cannot be read, or is none
  std::string problem;
  bool torn = false;  // it was never written whole
};

struct Job {
  std::string path;
  const ListedSegment* listed;
  std::optional<Finding> finding;
  std::string remark;
};

Result<SegmentHeader> read_header(FileSystem& files, const std::string& path) {
  const auto status = files.status(path);
  if (!status) return tl::unexpected(status.error());
  if (status->kind != FileStatus::Kind::kRegular) return fail("not a regular file");  // a pipe would be waited for
  auto file = files.open_to_read(path);
  if (!file) return pass_on(file);
  std::vector<uint8_t> bytes(kHeaderBytesMax);
  const auto got = (*file)->read_at(0, bytes);
  if (!got) return tl::unexpected(got.error());
  bytes.resize(*got);
  size_t size = 0;
  return SegmentHeader::parse(bytes, size);
}

Result<std::vector<PresentFile>> present_files(FileSystem& files, const std::vector<std::string>& directories) {
  std::vector<ForeignEntry> foreign;
  const auto segments = list_segments(files, directories, &foreign);
  if (!segments) return tl::unexpected(segments.error());
  std::vector<PresentFile> present;
  for (const ForeignEntry& entry : foreign) {
    if (entry.sequence != 0)
      present.push_back({entry.path, std::nullopt, fmt::format("no segment, but {}", entry.what)});
  }
  for (const SegmentPath& segment : *segments) {
    auto header = read_header(files, segment.path);
    if (header) {
      present.push_back({segment.path, std::move(*header), ""});
    } else {
      const auto torn = torn_header(files, segment.path);
      present.push_back(
          {segment.path, std::nullopt, header.error().message, torn.value_or(TornHeader::kNo) != TornHeader::kNo});
    }
  }
  return present;
}

class StoreVerification {
 public:
  StoreVerification(FileSystem& files, const VerifyOptions& options, LedgerVerdict verdict)
      : files_(files), options_(options), ledger_(std::move(verdict)), path_(ledger_path(options.directories.front())) {
    report_.findings = std::move(ledger_.findings);
    report_.remarks = std::move(ledger_.remarks);
    report_.extractions = ledger_.extractions;
    report_.pinned = ledger_.pinned.size();
    report_.requests = requests_waiting(files, options.directories.front());
    report_.leaves = ledger_.leaves;
    report_.signed_leaves = ledger_.signed_leaves;
    report_.signed_ns = ledger_.signed_ns;
  }

  void check_tail() {
    const uint64_t unsigned_leaves = ledger_.leaves - std::min(ledger_.leaves, ledger_.signed_leaves);
    if (unsigned_leaves != 0) tail(path_, fmt::format("its last {} entries are not signed", unsigned_leaves));
    if (ledger_.torn) tail(path_, "its last entry was not written whole");
  }

  // Each file there is one that the ledger lists, or part of what is not signed yet.
  void match(const std::vector<PresentFile>& present) {
    std::set<Uuid> matched;
    for (const PresentFile& file : present) {
      if (!file.header) {
        // Under a name that the ledger lists it is found missing there; here it is damaged.
        unreadable_.emplace(std::string(file_name(file.path)), &file);
        continue;
      }
      const auto listed = ledger_.listed.find(file.header->uuid);
      if (listed != ledger_.listed.end()) {
        if (!matched.insert(listed->first).second) {
          wrong(file.path, "a copy of another file of this store");
          continue;
        }
        jobs_.push_back({file.path, &listed->second, std::nullopt, ""});
        continue;
      }
      if (ledger_.broken_runs.contains(file.header->run_uuid)) {
        report_.tail.push_back(file.path + ": not signed yet");
      } else if (file.header->created_ns < ledger_.created_ns) {
        wrong(file.path, "not signed: it was recorded before this ledger began");
      } else {
        wrong(file.path, "not in the ledger");
      }
    }
    find_missing(matched);
    for (const auto& [name, file] : unreadable_) {
      // A power cut takes what was written last, from a file's header, too.
      file->torn ? tail(file->path, "its header was not written whole") : wrong(file->path, file->problem);
    }
  }

  Result<void> check_segments() {
    for (const Job& job : jobs_) all_bytes_ += job.listed->facts.captured_bytes;
    const unsigned threads = std::max(1u, std::min<unsigned>(options_.threads, static_cast<unsigned>(jobs_.size())));
    // The largest first, so that no thread is left alone with one at the end.
    std::vector<size_t> order(jobs_.size());
    for (size_t i = 0; i < order.size(); i++) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return jobs_[a].listed->facts.captured_bytes > jobs_[b].listed->facts.captured_bytes;
    });
    std::vector<std::thread> workers;
    working_ = threads;
    for (unsigned i = 0; i < threads; i++) workers.emplace_back([&] { work(order, options_.literal_bytes / threads); });
    wait_for_workers();
    for (std::thread& worker : workers) worker.join();
    if (stopped()) return fail("interrupted");
    return collect();
  }

  VerifyReport finish() {
    std::stable_sort(report_.findings.begin(), report_.findings.end(),
                     [](const Finding& a, const Finding& b) { return a.file < b.file; });
    return std::move(report_);
  }

 private:
  bool stopped() const { return options_.stop != nullptr && *options_.stop; }
  void wrong(const std::string& path, std::string what) { report_.findings.push_back({path, 0, std::move(what)}); }
  // Right after a kill, and while a run goes on; wrong after a clean end.
  void tail(const std::string& path, std::string what) {
    if (ledger_.open_run) return report_.tail.push_back(path + ": " + what);
    wrong(path, what + ", though the last run ended cleanly");
  }

  // Segments that are listed and not there, unless they were evicted.
  void find_missing(const std::set<Uuid>& matched) {
    for (const auto& [uuid, listed] : ledger_.listed) {
      if (matched.contains(uuid)) continue;
      if (ledger_.evicted.contains(uuid)) {
        report_.evicted++;
        continue;
      }
      const std::string name = file_name_of(listed.facts);
      if (const auto damaged = unreadable_.find(name); damaged != unreadable_.end()) {
        wrong(damaged->second->path, damaged->second->problem);
        unreadable_.erase(damaged);
        continue;
      }
      // Sealed after the directory was read?
      const auto directory =
          std::find_if(options_.directories.begin(), options_.directories.end(), [&](const std::string& candidate) {
            const auto status = files_.status(candidate + "/" + name);
            return status && status->kind == FileStatus::Kind::kRegular;
          });
      if (directory != options_.directories.end()) {
        jobs_.push_back({*directory + "/" + name, &listed, std::nullopt, ""});
      } else {
        missing_.push_back(uuid);
      }
    }
  }

  void work(const std::vector<size_t>& order, size_t literal_bytes) {
    SegmentVerifier verifier(files_, literal_bytes, checked_);
    for (size_t i; (i = next_.fetch_add(1)) < order.size() && !stopped();) {
      Job& job = jobs_[order[i]];
      job.finding = verifier.verify(job.path, job.listed->facts, job.listed->recovered, job.listed->damage);
      job.remark = verifier.remark();
    }
    std::lock_guard lock(mutex_);
    working_--;
    done_.notify_one();
  }

  void wait_for_workers() {
    std::unique_lock lock(mutex_);
    while (!done_.wait_for(lock, std::chrono::milliseconds(100), [&] { return working_ == 0; })) {
      if (options_.progress) options_.progress(checked_, all_bytes_);
    }
  }

  // A segment that was evicted while it was being checked has its tombstone by now.
  Result<void> collect() {
    std::set<Uuid> doubtful(missing_.begin(), missing_.end());
    for (const Job& job : jobs_) {
      if (job.finding && !files_.status(job.path)) doubtful.insert(job.listed->facts.uuid);
    }
    std::set<Uuid> gone;
    if (!doubtful.empty()) {
      const auto read = read_ledger(files_, path_, [&](const LedgerEntry& entry) {
        const auto* evicted = std::get_if<SegmentEvicted>(&entry.content);
        if (evicted != nullptr && doubtful.contains(evicted->segment.uuid)) gone.insert(evicted->segment.uuid);
      });
      if (!read) return tl::unexpected(read.error());
    }
    report_.evicted += gone.size();
    for (const Uuid& uuid : missing_) {
      if (gone.contains(uuid)) continue;
      const ListedSegment& listed = ledger_.listed.at(uuid);
      wrong(file_name_of(listed.facts),
            fmt::format("missing: sealed with {} packets, and no tombstone says that it was evicted",
                        listed.facts.packets));
    }
    for (Job& job : jobs_) {
      if (gone.contains(job.listed->facts.uuid)) continue;
      if (!job.remark.empty()) report_.remarks.push_back(job.path + ": " + job.remark);
      if (job.finding) {
        report_.findings.push_back(std::move(*job.finding));
        continue;
      }
      report_.segments++;
      report_.captured_bytes += job.listed->facts.captured_bytes;
      if (job.listed->facts.kind == SegmentKind::kPackets) report_.packets += job.listed->facts.packets;
    }
    return {};
  }

  FileSystem& files_;
  const VerifyOptions& options_;
  LedgerVerdict ledger_;
  const std::string path_;
  VerifyReport report_;
  std::map<std::string, const PresentFile*> unreadable_;  // by name
  std::vector<Job> jobs_;
  std::vector<Uuid> missing_;
  uint64_t all_bytes_ = 0;
  std::atomic<uint64_t> checked_{0};
  std::atomic<size_t> next_{0};
  std::mutex mutex_;
  std::condition_variable done_;
  unsigned working_ = 0;
};

}  // namespace

Result<VerifyReport> verify_store(FileSystem& files, const VerifyOptions& given) {
  VerifyOptions options = given;  // the directory with the ledger first, in whatever order they were named
  if (const std::string* home = directory_with_ledger(files, given.directories)) {
    const auto at = options.directories.begin() + (home - given.directories.data());
    std::rotate(options.directories.begin(), at, at + 1);
  }
  const std::string path = ledger_path(options.directories.front());
  // First the files, then the ledger: a segment that is sealed in between is listed.
  const auto present = present_files(files, options.directories);
  if (!present) return tl::unexpected(present.error());
  auto ledger = verify_ledger(files, path, options.fingerprint, options.outside);
  if (!ledger && ledger.error().code != ENOENT && ledger.error().code != 0) return pass_on(ledger);
  if (!ledger) {
    VerifyReport report;
    const bool none = ledger.error().code == ENOENT;
    report.findings.push_back({path, 0, none ? "not signed: this store has no ledger" : ledger.error().message});
    return report;
  }
  StoreVerification verification(files, options, std::move(*ledger));
  verification.check_tail();
  verification.match(*present);
  if (auto checked = verification.check_segments(); !checked) return pass_on(checked);
  return verification.finish();
}

}  // namespace gatetape
