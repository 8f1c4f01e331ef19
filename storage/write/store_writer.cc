#include "storage/write/store_writer.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "common/check.h"
#include "common/log.h"
#include "common/thread_name.h"
#include "storage/evidence/ledger_writer.h"
#include "storage/evidence/signed_note.h"
#include "storage/write/directories.h"
#include "storage/write/housekeeper.h"
#include "storage/write/identities.h"
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
  // `options` has the usable directories alone. The ledger is kept in `ledger_directory` if that is one of them.
  DirectoryStore(const StoreOptions& options, bool live, UsableDirectories usable, std::string ledger_directory,
                 ExistingSegments existing, const std::vector<RingPart>& parts);
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
  bool step_sealing() override { return housekeeper_->seal_next(); }
  bool step_syncing() override { return housekeeper_->end_round(false); }

 private:
  SegmentHeader begin_stream(SegmentHeader header, const ExistingSegments& existing) const;
  void write_frames();  // the writing thread
  bool write_queued();
  Result<void> begin_segment(unsigned worker, const ClosedFrame& frame, std::shared_ptr<SegmentFile>& segment);
  Result<void> append(const ClosedFrame& frame, std::shared_ptr<SegmentFile>& segment);
  void write(unsigned worker, const ClosedFrame& frame);
  bool keep_failure(const Result<void>& result);
  void note_failure(const Result<void>& result);
  void note_unsafe(const SegmentFile& segment, const SegmentContent& content, const Error& why);
  void write_old_records();
  void write_events();
  void open_ledger(ExistingSegments& existing);
  void list_recovered(std::map<std::string, SegmentFacts>& listed);

  StoreOptions options_;
  FileSystem& files_;
  Clock& clock_;
  const Identities identities_;
  const Uuid run_uuid_;
  const int64_t run_started_ns_;
  std::vector<std::unique_ptr<File>> locks_;
  const std::string ledger_directory_;
  StoreShared shared_;
  std::unique_ptr<Notary> notary_;  // nullptr: the ledger cannot be kept
  Ring ring_;
  Directories packet_directories_, record_directories_;
  std::vector<std::unique_ptr<QueueingStoreWorker>> workers_;
  // The segments being written, by worker and class: the writing thread's.
  std::vector<std::array<std::shared_ptr<SegmentFile>, kRetentionClassCount>> open_;
  mutable std::mutex failure_mutex_;
  Result<void> failure_;
  RecordBatch unsafe_;  // syncs that failed, not written yet; under failure_mutex_
  std::unique_ptr<RecordWriter> records_;
  std::unique_ptr<RequestTaker> requests_;  // nullptr: there is no ledger to note them in
  std::unique_ptr<Housekeeper> housekeeper_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> closing_{false};
  std::thread writing_thread_;
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
                               std::string ledger_directory, ExistingSegments existing,
                               const std::vector<RingPart>& parts)
    : options_(options),
      files_(files_of(options)),
      clock_(options.clock != nullptr ? *options.clock : system_clock()),
      identities_(options.seed, options.anchor_seed),
      run_uuid_(identities_.run_uuid(existing.last_sequence + 1)),
      run_started_ns_(options.run_started_ns != 0 ? options.run_started_ns : clock_.wall_ns()),
      locks_(std::move(usable.locks)),
      ledger_directory_(std::move(ledger_directory)),
      ring_(files_, parts),
      packet_directories_(files_, clock_, "packets", options_.directories),
      record_directories_(files_, clock_, "records", options_.directories),
      open_(options.workers) {
  shared_.next_sequence = existing.last_sequence + 1;
  shared_.frames_ready = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  GT_CHECK(shared_.frames_ready >= 0);
  if (!usable.failure) {
    note_failure(usable.failure);
    log_error("store: this run goes on in {} of its directories", options_.directories.size());
  }
  open_ledger(existing);
  for (Ring::Segment& segment : existing.segments) ring_.add_sealed(std::move(segment), 0);
  if (requests_ != nullptr) requests_->take_all();  // before anything is evicted that they would keep

  QueueingStoreWorker::Options worker_options;
  const std::vector<uint64_t> sizes = segment_sizes(options_, parts);
  worker_options.reference_memory_bytes = options_.reference_memory_bytes / options_.workers;
  worker_options.compression_level = options_.compression_level;
  worker_options.may_block = !live;
  worker_options.identities = &identities_;
  worker_options.clock = &clock_;
  for (unsigned worker = 0; worker < options_.workers; worker++) {
    worker_options.limits = {options_.segment_raw_bytes_max, sizes[worker]};
    for (size_t retention = 0; retention < worker_options.base_headers.size(); retention++) {
      SegmentHeader header;
      header.worker = static_cast<uint16_t>(worker);
      header.retention = static_cast<RetentionClass>(retention);
      header.ordinal_domain = options_.shared_ordinals ? 0 : worker;
      worker_options.base_headers[retention] = begin_stream(header, existing);
    }
    workers_.push_back(std::make_unique<QueueingStoreWorker>(worker_options, shared_));
  }
  housekeeper_ = std::make_unique<Housekeeper>(
      files_, ring_, clock_, notary_.get(), options_.sync_interval_s,
      [this](const auto& segment, const auto& content, const auto& why) { note_unsafe(segment, content, why); });
  SegmentHeader records_header;
  records_header.kind = SegmentKind::kRecords;
  records_ = std::make_unique<RecordWriter>(
      files_, record_directories_, begin_stream(records_header, existing),
      std::min(kRecordSegmentBytesMax, sizes.front()), [this] { return shared_.next_sequence.fetch_add(1); },
      identities_, clock_, ring_, *housekeeper_);
  if (requests_ != nullptr) housekeeper_->each_round([this] { requests_->take(); });
}

void DirectoryStore::start_threads() {
  ring_.start();
  housekeeper_->start();
  writing_thread_ = std::thread([this] {
    name_this_thread("gt-store-write");
    write_frames();
  });
}

void DirectoryStore::work_without_threads() {
  ring_.instead_of_waiting([this] { (void)housekeeper_->seal_next(); });
}

// A store without a ledger still records: what cannot be proved later is better than what is not there.
void DirectoryStore::open_ledger(ExistingSegments& existing) {
  if (std::ranges::find(options_.directories, ledger_directory_) == options_.directories.end()) {
    return log_error("nothing of this run will be signed: the ledger is in {}", ledger_directory_);
  }
  auto notary = Notary::open(files_, ledger_directory_, options_.evidence, identities_.store_uuid(), run_uuid_,
                             std::move(existing.sealed), clock_);
  if (!notary) return log_error("nothing of this run will be signed: {}", notary.error().message);
  notary_ = std::move(*notary);
  ring_.keep_tombstones(*notary_);
  ring_.restore_pins(notary_->pinned());
  requests_ = std::make_unique<RequestTaker>(files_, ledger_directory_, *notary_, clock_, [this](const Pin& pin) {
    return ring_.pin(pin.sequence, pin.segment_uuid, pin.pinned);
  });
  if (options_.group_may_ask) requests_->open_to_group();
  std::erase_if(existing.headless,
                [&](const SegmentPath& segment) { return notary_->numbered(segment.sequence) != nullptr; });
  if (notary_->any_run_broke_off()) put_away(files_, existing.headless);  // else it is somebody else's file
  // Numbers of segments that are gone are not given again: the ledger has them.
  if (notary_->last_sequence() <= kSequenceMax / 2) {
    shared_.next_sequence = std::max(shared_.next_sequence.load(), notary_->last_sequence() + 1);
  }
  std::map<std::string, SegmentFacts> listed = notary_->listed();
  list_recovered(listed);
  for (Ring::Segment& segment : existing.segments) {
    const auto at = listed.find(segment.path);
    const SegmentFacts* numbered = notary_->numbered(segment.sequence);
    if (at != listed.end()) {
      segment.facts = at->second;
    } else if (numbered != nullptr && file_name_of(*numbered) == file_name(segment.path)) {
      segment.facts = *numbered;  // it cannot be read now
    }
  }
}

// Lists the segments that a killed run left unsigned, once a power cut cannot take it any more. What fails is listed by
// the next run.
void DirectoryStore::list_recovered(std::map<std::string, SegmentFacts>& listed) {
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
    listed[segment.path] = facts_of(*facts, segment.path);
    notary_->sealed({listed[segment.path], clock_.wall_ns(), true});
  }
}

DirectoryStore::~DirectoryStore() {
  if (!closing_) (void)close({});
  ::close(shared_.frames_ready);
}

// Not left to the housekeeper, which may be sealing a segment for longer than a record may wait. Frames must not wait
// for records either: whoever is writing some at the moment is left alone.
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

// A segment in the worker's directory, or in another one when that fails; the frame is in it.
Result<void> DirectoryStore::begin_segment(unsigned worker, const ClosedFrame& frame,
                                           std::shared_ptr<SegmentFile>& segment) {
  if (segment != nullptr) housekeeper_->finished(std::exchange(segment, nullptr));
  for (;;) {  // a directory that fails twice is set aside
    auto directory = packet_directories_.choose(worker);
    if (!directory) return pass_on(directory);
    auto created = SegmentFile::create(files_, *directory, *frame.begins_segment, ring_);
    Result<void> begun = created ? (*created)->append(frame.header, frame.bytes.bytes()) : pass_on(created);
    if (begun) begun = (*created)->publish();
    if (begun) {
      segment = std::move(*created);
      housekeeper_->opened(segment);
      packet_directories_.worked(*directory);
      return {};
    }
    packet_directories_.set_aside(*directory, begun.error());
  }
}

// A segment that cannot be written on ends.
Result<void> DirectoryStore::append(const ClosedFrame& frame, std::shared_ptr<SegmentFile>& segment) {
  Result<void> appended = segment->append(frame.header, frame.bytes.bytes());
  if (appended) {
    packet_directories_.worked(parent_directory(segment->path()));
  } else {
    packet_directories_.set_aside(parent_directory(segment->path()), appended.error());
    housekeeper_->finished(std::exchange(segment, nullptr));
  }
  return appended;
}

// A frame that cannot be written is lost, and those of its segment behind it: they may refer to it. The stream, which
// learns of it by interrupt(), begins another segment.
void DirectoryStore::write(unsigned worker, const ClosedFrame& frame) {
  auto& segment = open_[worker][static_cast<size_t>(frame.retention)];
  if (frame.begins_segment == nullptr && segment == nullptr) return workers_[worker]->not_written(frame);
  const Result<void> written =
      frame.begins_segment != nullptr ? begin_segment(worker, frame, segment) : append(frame, segment);
  if (written) return workers_[worker]->written(frame);
  keep_failure(written);  // the directories have said it
  workers_[worker]->not_written(frame);
  workers_[worker]->interrupt(frame.retention, packet_directories_.any_usable());
}

// Takes one frame from each queue; false when all were empty.
bool DirectoryStore::write_queued() {
  bool any = false;
  for (unsigned worker = 0; worker < workers_.size(); worker++) {
    const ClosedFrame* frame = workers_[worker]->queue().oldest();
    if (frame == nullptr) continue;
    any = true;
    write(worker, *frame);
    workers_[worker]->queue().pop();
  }
  if (!status() && packet_directories_.any_usable()) {
    for (auto& worker : workers_) worker->look_again();
  }
  return any;
}

bool DirectoryStore::step_writing() {
  const bool any = write_queued();
  write_old_records();
  return any;
}

void DirectoryStore::write_frames() {
  constexpr int kTimeout_ms = 100;
  for (;;) {
    const bool stopping =
        stopping_.load(std::memory_order_acquire);  // read before looking: what was pushed by then is seen
    while (write_queued()) write_old_records();
    if (stopping) return;
    write_old_records();
    pollfd ready{shared_.frames_ready, POLLIN, 0};
    if (::poll(&ready, 1, kTimeout_ms) > 0) {
      uint64_t count;
      (void)!::read(shared_.frames_ready, &count, sizeof count);
    }
  }
}

Result<void> DirectoryStore::settle() {
  for (auto& worker : workers_) worker->queue().wait_until_empty();
  return status();
}

Result<void> DirectoryStore::close(const RecordBatch& last) {
  if (closing_.exchange(true)) return status();
  for (auto& worker : workers_) worker->flush();
  stopping_.store(true, std::memory_order_release);
  const uint64_t one = 1;
  (void)!::write(shared_.frames_ready, &one, sizeof one);
  if (writing_thread_.joinable()) {
    writing_thread_.join();
  } else {
    write_frames();
  }
  for (auto& worker : open_) {
    for (auto& segment : worker) {
      if (segment != nullptr) housekeeper_->finished(std::exchange(segment, nullptr));
    }
  }
  housekeeper_->drain();
  // A sync that failed until here is among the records; one of the records' own segment among the last.
  write_events();
  records_->finish_segment_now();
  housekeeper_->drain();
  note_failure(records_->close(last));
  note_failure(housekeeper_->stop());
  ring_.stop();
  if (requests_ != nullptr) requests_->take();
  if (notary_ != nullptr) (void)notary_->end(housekeeper_->unsealed(), {});  // it says itself what fails
  for (const std::string& directory : options_.directories) note_failure(files_.sync_directory(directory));
  return status();
}

uint64_t least_ring_bytes(const StoreOptions& options) {
  const uint64_t of_a_worker =
      options.segment_stored_bytes_max != 0 ? 2 * options.segment_stored_bytes_max : StoreOptions::kRingBytesMin;
  return of_a_worker;
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
  StoreOptions options = all;
  options.directories = usable->paths;
  options.directory_bytes_max.clear();
  for (size_t i = 0; i < std::min(all.directories.size(), all.directory_bytes_max.size()); i++) {
    const bool is_used = std::ranges::find(usable->paths, all.directories[i]) != usable->paths.end();
    if (is_used) options.directory_bytes_max.push_back(all.directory_bytes_max[i]);
  }
  const unsigned of_a_part = (options.workers - 1) / static_cast<unsigned>(options.directories.size()) + 1;
  const RingSizes sizes{
      options.directories, options.ring_bytes_max, options.directory_bytes_max,
      least_ring_bytes(options) * (options.directory_bytes_max.empty() ? options.workers : of_a_part)};
  if (auto sane = check_ring(files, sizes); !sane) return pass_on(sane);
  auto existing = take_stock(files, options.directories);
  if (!existing) return pass_on(existing);
  if (existing->recovered != 0) {
    log_warning(
        "{}: {} segment(s) left open by a capture that did not end properly were recovered; {} bytes of frames cut "
        "short were removed",
        options.directories.front(), existing->recovered, existing->torn_bytes);
  }
  std::map<std::string, uint64_t> present;
  for (const Ring::Segment& segment : existing->segments) present[parent_directory(segment.path)] += segment.bytes;
  return std::make_unique<DirectoryStore>(options, live, std::move(*usable), all.directories.front(),
                                          std::move(*existing), ring_parts(files, sizes, present));
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
