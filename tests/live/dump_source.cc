// Writes every packet of a source to a pcap file with nanoseconds, and the source's account as JSON to standard output,
// for comparison with what others saw. Ends at the end of the source, or on SIGINT or SIGTERM.
//
// usage: dump_source SPEC [-w FILE] [--workers N] [--packets N] [--delay-us N] [--release-elsewhere] [--verbose]
//
// --workers N          asks for N queues; all are polled on one thread, one after another
// --packets N          stops the source after N packets
// --delay-us N         rests after each burst, to be too slow on purpose
// --release-elsewhere  releases bursts on another thread
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "capture/backoff.h"
#include "capture/sources/source_spec.h"
#include "common/log.h"

using namespace gatetape;

namespace {

std::atomic<bool> asked_to_stop{false};
void on_signal(int) {
  asked_to_stop.store(true);
}

struct Options {
  std::string spec, output;
  int delay_us = 0;
  unsigned workers = 1;
  uint64_t packets = UINT64_MAX;
  bool release_elsewhere = false, verbose = false;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i++) {
    const std::string argument = argv[i];
    if (argument == "-w" && i + 1 < argc) {
      options.output = argv[++i];
    } else if (argument == "--delay-us" && i + 1 < argc) {
      options.delay_us = std::stoi(argv[++i]);
    } else if (argument == "--workers" && i + 1 < argc) {
      options.workers = static_cast<unsigned>(std::stoul(argv[++i]));
    } else if (argument == "--packets" && i + 1 < argc) {
      options.packets = std::stoull(argv[++i]);
    } else if (argument == "--release-elsewhere") {
      options.release_elsewhere = true;
    } else if (argument == "--verbose") {
      options.verbose = true;
    } else {
      options.spec = argument;
    }
  }
  return options;
}

class PcapWriter {
 public:
  PcapWriter(const std::string& path, LinkType link_type) : file_(std::fopen(path.c_str(), "wb")) {
    if (file_ == nullptr) return;
    std::setvbuf(file_, nullptr, _IOFBF, 1 << 20);
    const uint32_t header[] = {0xa1b23c4d, 2 | 4 << 16, 0, 0, 262144, static_cast<uint32_t>(link_type)};
    std::fwrite(header, sizeof(header), 1, file_);
  }
  ~PcapWriter() {
    if (file_ != nullptr) std::fclose(file_);
  }
  bool ok() const { return file_ != nullptr; }
  void write(const Packet& packet) {
    const uint32_t header[] = {static_cast<uint32_t>(packet.timestamp_ns / 1'000'000'000),
                               static_cast<uint32_t>(packet.timestamp_ns % 1'000'000'000), packet.captured_length,
                               packet.wire_length};
    std::fwrite(header, sizeof(header), 1, file_);
    std::fwrite(packet.data, packet.captured_length, 1, file_);
  }

 private:
  FILE* file_;
};

// Holds bursts for a moment, then releases them on its own thread.
class Releaser {
 public:
  explicit Releaser(Source& source) : source_(source), thread_([this] { run(); }) {}
  ~Releaser() {
    done_.store(true);
    thread_.join();
  }
  void push(Burst* burst) {
    std::lock_guard lock(mutex_);
    bursts_.push_back(burst);
  }

 private:
  void run() {
    Backoff backoff;
    for (;;) {
      const bool last = done_.load();
      Burst* burst = nullptr;
      {
        std::lock_guard lock(mutex_);
        if (!bursts_.empty()) {
          burst = bursts_.front();
          bursts_.pop_front();
        }
      }
      if (burst == nullptr && last) return;
      if (burst == nullptr) {
        backoff.wait();
        continue;
      }
      source_.release(burst);
      backoff.reset();
    }
  }

  Source& source_;
  std::mutex mutex_;
  std::deque<Burst*> bursts_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

void print(const Source& source, bool ordered) {
  const PortAccount account = source.account();
  std::printf(
      "{\"offered\":%lu,\"missed\":%lu,\"received\":%lu,\"received_bytes\":%lu,\"errors\":%lu,\"balances\":%s,"
      "\"ordinals_in_order\":%s,\"queues\":%u}\n",
      account[PortCounter::kOffered], account[PortCounter::kMissed], account[PortCounter::kReceived],
      account[PortCounter::kReceivedBytes], account[PortCounter::kErrors], account.balances() ? "true" : "false",
      ordered ? "true" : "false", source.queue_count());
}

// Polls a source until its end.
class Drain {
 public:
  Drain(Source& source, const Options& options, PcapWriter* writer)
      : source_(source), options_(options), writer_(writer), next_ordinal_(source.queue_count()) {
    if (options.release_elsewhere) releaser_.emplace(source);
  }

  bool ordered() const { return ordered_; }

  // Returns false when the source failed.
  bool run() {
    for (;;) {
      if (asked_to_stop.load() || taken_ >= options_.packets) source_.stop();
      bool idle = true, end = true;
      for (unsigned queue = 0; queue < source_.queue_count(); queue++) {
        auto polled = source_.poll(queue);
        if (!polled) {
          log_error("{}", polled.error().message);
          return false;
        }
        end &= polled->status == PollStatus::kEnd;
        if (polled->status != PollStatus::kPackets) continue;
        idle = false;
        take(queue, polled->burst);
      }
      if (end) return true;
      if (idle) {
        backoff_.wait();
      } else {
        backoff_.reset();
      }
    }
  }

 private:
  void take(unsigned queue, Burst* burst) {
    taken_ += burst->count;
    for (uint32_t i = 0; i < burst->count; i++) {
      ordered_ &= burst->packets[i].ordinal == next_ordinal_[queue]++;
      if (writer_ != nullptr) writer_->write(burst->packets[i]);
    }
    if (options_.delay_us > 0) std::this_thread::sleep_for(std::chrono::microseconds(options_.delay_us));
    if (releaser_) {
      releaser_->push(burst);
    } else {
      source_.release(burst);
    }
  }

  Source& source_;
  const Options& options_;
  PcapWriter* writer_;
  std::optional<Releaser> releaser_;
  Backoff backoff_;
  std::vector<uint64_t> next_ordinal_;
  bool ordered_ = true;
  uint64_t taken_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  auto source = open_source(options.spec, {.workers = options.workers, .verbose = options.verbose});
  if (!source) {
    log_error("{}", source.error().message);
    return 1;
  }
  std::optional<PcapWriter> writer;
  if (!options.output.empty()) writer.emplace(options.output, (*source)->interfaces().at(0).link_type);
  if (writer && !writer->ok()) {
    log_error("{}: {}", options.output, std::strerror(errno));
    return 1;
  }
  std::fprintf(stderr, "ready\n");  // packets that come from now on are seen
  Drain drain(**source, options, writer ? &*writer : nullptr);
  const bool ok = drain.run();
  print(**source, drain.ordered());
  return ok ? 0 : 1;
}
