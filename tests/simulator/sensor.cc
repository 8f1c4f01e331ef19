#include "tests/simulator/sensor.h"

#include "packet/records.h"

namespace gatetape::simulator {
namespace {

WorkerAccount account_of(const StoreCounts& counts, uint64_t received) {
  WorkerAccount account;
  account[Counter::kReceived] = received;
  account[Counter::kStored] = counts.stored;
  account[Counter::kStoredBytes] = counts.stored_bytes;
  account[Counter::kDroppedStoreQueueFull] = counts.dropped_queue_full;
  account[Counter::kDroppedStoreFailed] = counts.dropped_failed;
  account[Counter::kInFlight] = counts.pending;
  return account;
}

}  // namespace

Sensor::Sensor(Options options, FileSystem& files, test::TurnedClock& clock, Wire& wire,
               std::shared_ptr<const SigningKey> key)
    : options_(std::move(options)), files_(files), clock_(clock), wire_(wire), key_(std::move(key)) {}

Result<void> Sensor::start(uint64_t run, uint64_t seed) {
  constexpr size_t kReferenceBytes = 24 << 20;
  run_started_ns_ = clock_.wall_ns();
  StoreOptions store;
  store.directories = options_.directories;
  store.workers = options_.workers;
  store.ring_bytes_max = options_.ring_bytes;
  store.segment_stored_bytes_max = options_.segment_bytes;
  store.reference_memory_bytes = options_.references ? kReferenceBytes * options_.workers : 0;
  store.interfaces = {{"wire" + std::to_string(options_.number), LinkType::kEthernet, kStoredPacketBytesMax}};
  store.run_started_ns = run_started_ns_;
  store.files = &files_;
  store.clock = &clock_;
  store.seed = seed | 1;
  store.evidence.key = key_;
  store.evidence.checkpoint_interval_s = options_.checkpoint_interval_s;
  store.evidence.hand_out = [notes = notes_](const std::string& note) { notes->push_back(note); };
  auto opened = SteppedStore::open(store, true);
  if (!opened) return pass_on(opened);
  store_ = std::move(*opened);
  run_ = run;
  received_.assign(options_.workers, 0);
  missed_ = 0;
  started_ = true;
  (void)store_->records().write(mark(false));
  write_accounts();
  return {};
}

void Sensor::receive(unsigned packets, int64_t apart_ns, Random& random) {
  DecodedPacket decoded;
  for (unsigned i = 0; i < packets; i++) {
    clock_.turn(apart_ns);
    const WirePacket& sent = wire_.carry(options_.number, clock_.wall_ns(), run_);
    const auto worker = static_cast<unsigned>(random.below(options_.workers));
    Packet packet;
    packet.data = sent.bytes.data();
    packet.captured_length = packet.wire_length = static_cast<uint32_t>(sent.bytes.size());
    packet.timestamp_ns = sent.timestamp_ns;
    packet.ordinal = received_[worker]++;
    decode(packet, decoded);
    store_->worker(worker).add(packet, decoded, {sent.flow_id, sent.retention});
  }
}

void Sensor::miss(unsigned packets, int64_t apart_ns) {
  for (unsigned i = 0; i < packets; i++) {
    clock_.turn(apart_ns);
    (void)wire_.carry(options_.number, clock_.wall_ns(), std::nullopt);
  }
  missed_ += packets;
}

void Sensor::tick() {
  for (unsigned worker = 0; worker < options_.workers; worker++) store_->worker(worker).tick(clock_.monotonic_ns());
  if (clock_.wall_ns() - last_account_ns_ >= kNanosecondsPerSecond) write_accounts();
}

void Sensor::write_accounts() {
  last_account_ns_ = clock_.wall_ns();
  RecordBatch batch;
  for (unsigned worker = 0; worker < options_.workers; worker++) {
    AccountRecord record;
    record.timestamp_ns = last_account_ns_;
    record.run_started_ns = run_started_ns_;
    record.worker = static_cast<uint16_t>(worker);
    record.worker_account = account_of(store_->worker(worker).counts(), received_[worker]);
    if (worker == 0) {
      const uint64_t received = counts().received;
      record.port_account[PortCounter::kReceived] = received;
      record.port_account[PortCounter::kMissed] = missed_;
      record.port_account[PortCounter::kOffered] = received + missed_;
    }
    batch.append(record);
  }
  (void)store_->records().write(batch);  // the store's own failure, and said there
}

RecordBatch Sensor::mark(bool ended) const {
  RunRecord run;
  run.timestamp_ns = ended ? last_account_ns_ : run_started_ns_;
  run.run_started_ns = run_started_ns_;
  run.ended = ended;
  RecordBatch batch;
  batch.append(run);
  return batch;
}

bool Sensor::sync() {
  while (store_->step_sealing()) {
  }
  return store_->step_syncing();
}

void Sensor::die() {
  if (store_ == nullptr) return;
  while (store_->step_writing()) {  // the store's destructor would wait for room in its queues
  }
  store_.reset();
}

Result<void> Sensor::stop() {
  while (store_->step_writing()) {
  }
  for (unsigned worker = 0; worker < options_.workers; worker++) store_->worker(worker).flush();
  while (store_->step_writing()) {
  }
  Result<void> settled = store_->settle();
  write_accounts();
  Result<void> closed = store_->close(mark(true));
  last_ = counts();
  store_.reset();
  return settled ? closed : settled;
}

Sensor::Counts Sensor::counts() const {
  if (store_ == nullptr) return last_;
  Counts sum;
  sum.missed = missed_;
  for (unsigned worker = 0; worker < options_.workers; worker++) {
    const StoreCounts counts = store_->worker(worker).counts();
    sum.received += received_[worker];
    sum.stored += counts.stored;
    sum.dropped += counts.dropped_failed + counts.dropped_queue_full;
    sum.pending += counts.pending;
  }
  return sum;
}

std::string Sensor::imbalance() const {
  for (unsigned worker = 0; worker < options_.workers; worker++) {
    const StoreCounts counts = store_->worker(worker).counts();
    if (counts.added != received_[worker]) {
      return fmt::format("worker {} counts {} packets added of {}", worker, counts.added, received_[worker]);
    }
    if (counts.pending > counts.added || !account_of(counts, received_[worker]).balances()) {
      return fmt::format("worker {} does not balance: {} added, {} stored, {} + {} dropped, {} pending", worker,
                         counts.added, counts.stored, counts.dropped_queue_full, counts.dropped_failed, counts.pending);
    }
  }
  return {};
}

}  // namespace gatetape::simulator
