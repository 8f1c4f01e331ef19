#include "storage/write/store_writer.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <thread>

#include "common/check.h"
#include "common/log.h"
#include "common/thread_name.h"
#include "storage/evidence/ledger_writer.h"
#include "storage/evidence/segment_verify.h"
#include "storage/evidence/signed_note.h"
#include "storage/write/directories.h"
#include "storage/write/housekeeper.h"
#include "storage/write/identities.h"
#include "storage/write/packet_writer.h"
#include "storage/write/record_writer.h"
#include "storage/write/request_taker.h"
#include "storage/write/ring.h"
#include "storage/write/segment_file.h"
#include "storage/write/segment_seal.h"
#include "storage/write/stepped_store.h"
#include "storage/write/store_opening.h"
#include "storage/write/store_worker.h"

namespace gatetape {
namespace {

constexpr uint64_t kSegmentStoredBytesMax = 512 << 20;
constexpr uint64_t kSegmentStoredBytesMin = 1 << 20;
constexpr uint64_t kRecordSegmentBytesMax = 64 << 20;
constexpr size_t kRecoveryLiteralBytes = 256 << 20;  // while it is looked for what a crash damaged

// Small enough that a ring holds some dozens of segments and so gives way in small steps.
uint64_t segment_stored_bytes(uint64_t ring_bytes, unsigned workers) {
  return std::clamp(ring_bytes / (16 * uint64_t{workers}), kSegmentStoredBytesMin, kSegmentStoredBytesMax);
}

// By worker: where its directory's part of the ring is, and who shares it.
std::vector<uint64_t> segment_sizes(const StoreOptions& options, const std::vector<RingPart>& parts) {
  const auto part_of = [&](unsigned worker) {
    const std::string& directory = options.directories[worker % options.directories.size()];
    return std::find_if(parts.begin(), parts.end(), [&](const RingPart& part) {
      return std::ranges::find(part.directories, directory) != part.directories.end();
    });
  };
  std::vector<uint64_t> sizes;
  for (unsigned worker = 0; worker < options.workers; worker++) {
    unsigned sharing = 0;
    for (unsigned other = 0; other < options.workers; other++) sharing += part_of(other) == part_of(worker);
    sizes.push_back(options.segment_stored_bytes_max != 0 ? options.segment_stored_bytes_max
                                                          : segment_stored_bytes(part_of(worker)->bytes_max, sharing));
  }
  return sizes;
}

FileSystem& files_of(const StoreOptions& options) {
  return options.files != nullptr ? *options.files : system_files();
}

Result<void> sync_file(FileSystem& files, const std::string& path) {
  auto file = files.open_to_change(path);
  if (!file) return pass_on(file);
  return (*file)->sync();
}

class DirectoryStore : public SteppedStore {
 public:
  // `existing`: what is in the usable directories. The others are tried again later. The ledger is kept in the first
  // directory if that is usable.
  DirectoryStore(const StoreOptions& options, bool live, UsableDirectories usable, ExistingSegments existing,
                 const std::vector<RingPart>& parts);
  ~DirectoryStore() override;
  // Either the threads do the work, or the caller does.
  void start_threads();
  void work_without_threads();

  StoreWorker& worker(unsigned index) override { return *workers_.at(index); }
  RecordSink& records() override { return *records_; }
  const Uuid& run_uuid() const override { return run_uuid_; }
  Result<void> status() const override;
  Result<void> settle() override;
  Result<void> close(const RecordBatch& last) override;
  bool step_writing() override;
  bool step_sealing() override { return housekeepers_->seal_next(); }
  bool step_syncing() override { return housekeepers_->end_round(); }

 private:
  SegmentHeader begin_stream(SegmentHeader header, const ExistingSegments& existing) const;
  void flush_records();  // the records' thread
  bool keep_failure(const Result<void>& result);
  void note_failure(const Result<void>& result);
  void note_unsafe(const SegmentFile& segment, const SegmentContent& content, const Error& why);
  void write_old_records();
  void write_events();
  void leave_out(const UsableDirectories& usable);
  Result<void> admit(const std::string& directory);
  void find_facts(Ring::Segment& segment) const;
  void open_ledger(ExistingSegments& existing);
  void list_recovered(std::map<std::string, SegmentFacts>& listed);

  StoreOptions options_;
  FileSystem& files_;
  Clock& clock_;
  const Identities identities_;
  const Uuid run_uuid_;
  const int64_t run_started_ns_;
  std::mutex admission_mutex_;
  std::map<std::string, DirectoryLock> locks_;  // by path of the directories that are used
  std::atomic<uint64_t> next_sequence_{1};
  std::unique_ptr<Notary> notary_;  // nullptr: the ledger cannot be kept
  Ring ring_;
  Directories packet_directories_, record_directories_;
  std::vector<std::unique_ptr<QueueingStoreWorker>> workers_;
  mutable std::mutex failure_mutex_;
  Result<void> failure_;
  RecordBatch unsafe_;  // syncs that failed, not written yet; under failure_mutex_
  std::unique_ptr<RecordWriter> records_;
  std::unique_ptr<RequestTaker> requests_;  // nullptr: there is no ledger to note them in
  std::unique_ptr<Housekeepers> housekeepers_;
  std::vector<std::unique_ptr<PacketWriter>> writers_;  // one for each directory
  std::atomic<bool> closing_{false};
  std::mutex flushing_mutex_;
  std::condition_variable flushing_ends_;
  bool flushing_ended_ = false;
  std::thread flushing_thread_;
};

// The part that all segments of a stream of this run have in common, with the newest segment of the run before it.
SegmentHeader DirectoryStore::begin_stream(SegmentHeader header, const ExistingSegments& existing) const {
  header.run_uuid = run_uuid_;
  header.run_started_ns = run_started_ns_;
  header.interfaces = options_.interfaces;
  const auto tail = existing.tails.find(stream_name(segment_file_name(header)));
  if (tail != existing.tails.end()) {
    header.previous_sequence = tail->second.sequence;
    header.previous_root = tail->second.root;
  }
  return header;
}

DirectoryStore::DirectoryStore(const StoreOptions& options, bool live, UsableDirectories usable,
                               ExistingSegments existing, const std::vector<RingPart>& parts)
    : options_(options),
      files_(files_of(options)),
      clock_(options.clock != nullptr ? *options.clock : system_clock()),
      identities_(options.seed, options.anchor_seed),
      run_uuid_(identities_.run_uuid(existing.last_sequence + 1)),
      run_started_ns_(options.run_started_ns != 0 ? options.run_started_ns : clock_.wall_ns()),
      locks_(std::move(usable.locks)),
      ring_(files_, parts),
      packet_directories_(files_, clock_, "packets", options_.directories),
      record_directories_(files_, clock_, "records", options_.directories) {
  next_sequence_ = existing.last_sequence + 1;
  leave_out(usable);
  open_ledger(existing);
  for (Ring::Segment& segment : existing.segments) ring_.add_sealed(std::move(segment), 0);
  if (requests_ != nullptr) requests_->take_all();  // before anything is evicted that they would keep

  housekeepers_ = std::make_unique<Housekeepers>(
      files_, ring_, clock_, notary_.get(), options_.sync_interval_s, options_.directories,
      [this](const auto& segment, const auto& content, const auto& why) { note_unsafe(segment, content, why); });
  housekeepers_->each_round([this] {
    if (requests_ != nullptr) requests_->take();
    if (notary_ != nullptr) notary_->tick();
  });
  for (size_t directory = 0; directory < options_.directories.size(); directory++) {
    writers_.push_back(std::make_unique<PacketWriter>(files_, packet_directories_, directory, ring_, *housekeepers_,
                                                      [this](const Result<void>& written) { keep_failure(written); }));
  }
  QueueingStoreWorker::Options worker_options;
  const std::vector<uint64_t> sizes = segment_sizes(options_, parts);
  worker_options.reference_memory_bytes = options_.reference_memory_bytes / options_.workers;
  worker_options.compression_level = options_.compression_level;
  worker_options.may_block = !live;
  worker_options.identities = &identities_;
  worker_options.clock = &clock_;
  worker_options.next_sequence = &next_sequence_;
  for (unsigned worker = 0; worker < options_.workers; worker++) {
    worker_options.limits = {options_.segment_raw_bytes_max, sizes[worker]};
    for (size_t retention = 0; retention < worker_options.base_headers.size(); retention++) {
      SegmentHeader header;
      header.worker = static_cast<uint16_t>(worker);
      header.retention = static_cast<RetentionClass>(retention);
      header.ordinal_domain = options_.shared_ordinals ? 0 : worker;
      worker_options.base_headers[retention] = begin_stream(header, existing);
    }
    PacketWriter& writer = *writers_[worker % writers_.size()];
    worker_options.wake_fd = writer.wake_fd();
    workers_.push_back(std::make_unique<QueueingStoreWorker>(worker_options));
    writer.serve(*workers_.back());
  }
  SegmentHeader records_header;
  records_header.kind = SegmentKind::kRecords;
  records_ = std::make_unique<RecordWriter>(
      files_, record_directories_, begin_stream(records_header, existing),
      std::min(kRecordSegmentBytesMax, sizes.front()), [this] { return next_sequence_.fetch_add(1); }, identities_,
      clock_, ring_, *housekeepers_);
}

void DirectoryStore::start_threads() {
  ring_.start();
  housekeepers_->start();
  for (auto& writer : writers_) writer->start();
  flushing_thread_ = std::thread([this] {
    name_this_thread("gt-store-records");
    flush_records();
  });
}

void DirectoryStore::work_without_threads() {
  ring_.instead_of_waiting([this] { (void)housekeepers_->seal_next(); });
}

void DirectoryStore::leave_out(const UsableDirectories& usable) {
  if (usable.failure) return;
  note_failure(usable.failure);
  log_error("store: this run begins with {} of its {} directories; the others are tried again", locks_.size(),
            options_.directories.size());
  for (const std::string& directory : options_.directories) {
    if (locks_.contains(directory)) continue;
    for (Directories* directories : {&packet_directories_, &record_directories_}) {
      directories->leave_out(directory, usable.failure.error(),
                             [this](const std::string& path) { return admit(path); });
    }
  }
}

// A directory that was left out can be used now: what is in it belongs to the ring. Segments that a killed run left
// there are sealed here, and listed in the ledger by the next start.
Result<void> DirectoryStore::admit(const std::string& directory) {
  std::lock_guard lock(admission_mutex_);
  if (locks_.contains(directory)) return {};
  auto locked = lock_directory(files_, directory);
  if (!locked) return pass_on(locked);
  auto existing = take_stock(files_, {directory});
  if (!existing) return pass_on(existing);
  uint64_t next = next_sequence_.load();
  while (next <= existing->last_sequence && !next_sequence_.compare_exchange_weak(next, existing->last_sequence + 1)) {
  }
  for (Ring::Segment& segment : existing->segments) {
    if (notary_ != nullptr) find_facts(segment);
    ring_.add_sealed(std::move(segment), 0);
  }
  locks_.emplace(directory, std::move(*locked));
  return {};
}

// As the ledger lists it. What somebody appended to a segment does not evict others.
void DirectoryStore::find_facts(Ring::Segment& segment) const {
  const SegmentFacts* numbered = notary_->numbered(segment.sequence);
  if (!segment.facts && numbered != nullptr && file_name_of(*numbered) == file_name(segment.path)) {
    segment.facts = *numbered;
  }
  if (segment.facts) segment.bytes = std::min(segment.bytes, segment.facts->file_bytes);
}

// A store without a ledger still records: what cannot be proved later is better than what is not there.
void DirectoryStore::open_ledger(ExistingSegments& existing) {
  const std::string& home = options_.directories.front();
  if (!locks_.contains(home)) return log_error("nothing of this run will be signed: the ledger is in {}", home);
  auto notary = Notary::open(files_, home, options_.evidence, identities_.store_uuid(), run_uuid_,
                             std::move(existing.sealed), clock_);
  if (!notary) {
    keep_failure(pass_on(notary));
    return log_error("nothing of this run will be signed: {}", status().error().message);
  }
  notary_ = std::move(*notary);
  ring_.keep_tombstones(*notary_);
  ring_.restore_pins(notary_->pinned());
  requests_ = std::make_unique<RequestTaker>(files_, home, *notary_, clock_, [this](const Pin& pin) {
    return ring_.pin(pin.sequence, pin.segment_uuid, pin.pinned);
  });
  if (options_.group_may_ask) requests_->open_to_group();
  std::erase_if(existing.headless,
                [&](const SegmentPath& segment) { return notary_->numbered(segment.sequence) != nullptr; });
  if (notary_->any_run_broke_off()) put_away(files_, existing.headless);  // else it is somebody else's file
  // Numbers of segments that are gone are not given again: the ledger has them.
  if (notary_->last_sequence() <= kSequenceMax / 2) {
    next_sequence_ = std::max(next_sequence_.load(), notary_->last_sequence() + 1);
  }
  std::map<std::string, SegmentFacts> listed = notary_->listed();
  list_recovered(listed);
  for (Ring::Segment& segment : existing.segments) {
    if (const auto at = listed.find(segment.path); at != listed.end()) segment.facts = at->second;
    find_facts(segment);  // where it cannot be read now
  }
}

// Lists the segments that a killed run left unsigned, once a power cut cannot take it any more. What fails is listed by
// the next run.
void DirectoryStore::list_recovered(std::map<std::string, SegmentFacts>& listed) {
  if (notary_->unlisted().empty()) return;
  std::atomic<uint64_t> progress{0};
  SegmentVerifier verifier(files_, kRecoveryLiteralBytes, progress);
  for (const PresentSegment& segment : notary_->unlisted()) {
    auto facts = seal_segment(files_, segment.path);
    Result<void> synced;
    if (facts) synced = facts->synced;
    if (facts && facts->was_sealed) synced = sync_file(files_, segment.path);
    if (synced) synced = files_.sync_directory(parent_directory(segment.path));
    if (!facts || !synced) {
      log_warning("not in the ledger: {}", facts ? synced.error().message : facts.error().message);
      continue;
    }
    const SegmentFacts found = facts_of(*facts, segment.path);
    auto damage = verifier.find_damage(segment.path, found);
    if (!damage) {
      log_warning("not in the ledger: {}", damage.error().message);
      continue;
    }
    if (damage->any()) log_warning("{}: a crash damaged it; the rest of it is listed", segment.path);
    listed[segment.path] = found;
    notary_->sealed({found, clock_.wall_ns(), true, std::move(*damage)});
  }
}

DirectoryStore::~DirectoryStore() {
  if (!closing_) (void)close({});
}

// Not left to the housekeepers, which may be sealing a segment for longer than a record may wait, nor to the packets'
// writers, which must not wait for records.
void DirectoryStore::flush_records() {
  constexpr auto kInterval = std::chrono::milliseconds(100);
  std::unique_lock lock(flushing_mutex_);
  while (!flushing_ends_.wait_for(lock, kInterval, [this] { return flushing_ended_; })) {
    lock.unlock();
    write_old_records();
    lock.lock();
  }
}

void DirectoryStore::write_old_records() {
  write_events();
  records_->flush_if_old();
}

// The store's own events: evicted segments, directories that failed.
void DirectoryStore::write_events() {
  RecordBatch batch;
  for (const std::string& path : ring_.take_evicted())
    batch.append(EventRecord{clock_.wall_ns(), "disk.evicted", path});
  for (Directories* directories : {&packet_directories_, &record_directories_}) {
    for (const auto& [name, detail] : directories->take_events())
      batch.append(EventRecord{clock_.wall_ns(), name, detail});
  }
  if (!batch.empty()) note_failure(records_->write(batch));
  RecordBatch unsafe;
  {
    std::lock_guard lock(failure_mutex_);
    unsafe = std::exchange(unsafe_, {});
  }
  if (!unsafe.empty()) note_failure(records_->write(unsafe));
}

// Returns whether it is the first.
bool DirectoryStore::keep_failure(const Result<void>& result) {
  if (result) return false;
  std::lock_guard lock(failure_mutex_);
  if (!failure_) return false;
  failure_ = result;
  return true;
}

void DirectoryStore::note_failure(const Result<void>& result) {
  if (keep_failure(result)) log_error("store: {}", result.error().message);
}

// A sync failed: what the disk did not confirm is counted, and a record tells the readers of any later time.
void DirectoryStore::note_unsafe(const SegmentFile& segment, const SegmentContent& content, const Error& why) {
  keep_failure(tl::unexpected<Error>(why));
  if (content.count == 0) return;
  const SegmentHeader& header = segment.header();
  const bool packets = header.kind == SegmentKind::kPackets;
  const std::string uuid = hex(header.uuid);
  SyncFailureRecord record;
  record.timestamp_ns = clock_.wall_ns();
  record.run_started_ns = run_started_ns_;
  record.first_ns = content.first_ns;
  record.last_ns = content.last_ns;
  (packets ? record.packets : record.records) = content.count;
  record.sequence = header.sequence;
  record.segment_uuid = uuid;
  record.path = segment.path();
  record.error = why.message;
  {
    // Written with the next events: whoever writes records may be waiting for this seal.
    std::lock_guard lock(failure_mutex_);
    unsafe_.append(record);
  }
  if (packets) workers_[header.worker]->not_synced(content.count);
}

Result<void> DirectoryStore::status() const {
  std::lock_guard lock(failure_mutex_);
  return failure_;
}

bool DirectoryStore::step_writing() {
  bool any = false;
  for (auto& writer : writers_) any |= writer->write_queued();
  write_old_records();
  return any;
}

Result<void> DirectoryStore::settle() {
  for (auto& worker : workers_) worker->queue().wait_until_empty();
  return status();
}

Result<void> DirectoryStore::close(const RecordBatch& last) {
  if (closing_.exchange(true)) return status();
  for (auto& worker : workers_) worker->flush();
  for (auto& writer : writers_) writer->finish();
  {
    const std::lock_guard lock(flushing_mutex_);
    flushing_ended_ = true;
    flushing_ends_.notify_one();
  }
  if (flushing_thread_.joinable()) flushing_thread_.join();
  housekeepers_->drain();
  // A sync that failed until here is among the records; one of the records' own segment among the last.
  write_events();
  records_->finish_segment_now();
  housekeepers_->drain();
  note_failure(records_->close(last));
  note_failure(housekeepers_->stop());
  ring_.stop();
  if (requests_ != nullptr) requests_->take();
  if (notary_ != nullptr) keep_failure(notary_->end(housekeepers_->unsealed(), {}));  // it says itself what fails
  for (const auto& [directory, lock] : locks_) note_failure(files_.sync_directory(directory));
  return status();
}

uint64_t least_ring_bytes(const StoreOptions& options) {
  const uint64_t of_a_worker =
      options.segment_stored_bytes_max != 0 ? 2 * options.segment_stored_bytes_max : StoreOptions::kRingBytesMin;
  return of_a_worker;
}

// Those of these directories.
RingSizes ring_sizes(const StoreOptions& options, const std::vector<std::string>& directories) {
  RingSizes sizes{directories, options.ring_bytes_max, {}, least_ring_bytes(options)};
  for (size_t i = 0; i < options.directory_bytes_max.size(); i++) {
    const bool is_one = i >= options.directories.size() ||  // one too many, which is refused
                        std::ranges::find(directories, options.directories[i]) != directories.end();
    if (is_one) sizes.each.push_back(options.directory_bytes_max[i]);
  }
  const unsigned of_a_part = (options.workers - 1) / static_cast<unsigned>(directories.size()) + 1;
  sizes.at_least *= sizes.each.empty() ? options.workers : of_a_part;
  return sizes;
}

Result<std::unique_ptr<DirectoryStore>> open_directories(const StoreOptions& all, bool live) {
  if (all.directories.empty()) return fail("no store directory given");
  GT_CHECK(all.workers > 0);
  FileSystem& files = files_of(all);
  auto usable = lock_usable(files, all.directories);
  if (!usable) return pass_on(usable);
  const std::string* home = directory_with_ledger(files, all.directories);
  if (home != nullptr && home != all.directories.data()) {
    return fail("{}: this directory has the store's ledger: name it first, as when the store began", *home);
  }
  std::vector<std::string> used;
  std::ranges::copy_if(all.directories, std::back_inserter(used),
                       [&](const std::string& directory) { return usable->locks.contains(directory); });
  if (auto sane = check_ring(files, ring_sizes(all, used)); !sane) return pass_on(sane);
  auto existing = take_stock(files, used);
  if (!existing) return pass_on(existing);
  if (existing->recovered != 0) {
    log_warning(
        "{}: {} segment(s) left open by a capture that did not end properly were recovered; {} bytes of frames cut "
        "short were removed",
        all.directories.front(), existing->recovered, existing->torn_bytes);
  }
  std::map<std::string, uint64_t> present;
  for (const Ring::Segment& segment : existing->segments) present[parent_directory(segment.path)] += segment.bytes;
  const RingSizes sizes = ring_sizes(all, all.directories);
  return std::make_unique<DirectoryStore>(all, live, std::move(*usable), std::move(*existing),
                                          ring_parts(files, sizes, present));
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const StoreOptions& options, bool live) {
  auto store = open_directories(options, live);
  if (!store) return pass_on(store);
  (*store)->start_threads();
  return std::move(*store);
}

Result<std::unique_ptr<SteppedStore>> SteppedStore::open(const StoreOptions& options, bool live) {
  auto store = open_directories(options, live);
  if (!store) return pass_on(store);
  (*store)->work_without_threads();
  return std::move(*store);
}

}  // namespace gatetape
