// What a source delivers, for comparison with what others saw: writes every packet to a pcap file with nanoseconds, and
// the source's account as JSON to standard output. Ends at the end of the source, or on SIGINT or SIGTERM.
//
//   dump_source SPEC [-w FILE] [--delay-us N] [--release-elsewhere] [--verbose]
//
// --delay-us: rest after each burst, to be too slow on purpose. --release-elsewhere: bursts are released by another
// thread.
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

#include "capture/backoff.h"
#include "capture/source_spec.h"
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
      account.offered, account.missed, account.received, account.received_bytes, account.errors,
      account.balances() ? "true" : "false", ordered ? "true" : "false", source.queue_count());
}

// Everything until the end of the source. False when it failed.
bool drain(Source& source, const Options& options, PcapWriter* writer, bool& ordered) {
  std::optional<Releaser> releaser;
  if (options.release_elsewhere) releaser.emplace(source);
  Backoff backoff;
  uint64_t expected = 0;
  for (;;) {
    if (asked_to_stop.load()) source.stop();
    auto polled = source.poll(0);
    if (!polled) {
      log_error("{}", polled.error().message);
      return false;
    }
    if (polled->status == PollStatus::kEnd) return true;
    if (polled->status == PollStatus::kIdle) {
      backoff.wait();
      continue;
    }
    backoff.reset();
    Burst* burst = polled->burst;
    for (uint32_t i = 0; i < burst->count; i++) {
      ordered &= burst->packets[i].ordinal == expected++;
      if (writer != nullptr) writer->write(burst->packets[i]);
    }
    if (options.delay_us > 0) std::this_thread::sleep_for(std::chrono::microseconds(options.delay_us));
    if (releaser) {
      releaser->push(burst);
    } else {
      source.release(burst);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  auto source = open_source(options.spec, {.workers = 1, .verbose = options.verbose});
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
  std::fprintf(stderr, "ready\n");  // what comes from now on is seen
  bool ordered = true;
  const bool ok = drain(**source, options, writer ? &*writer : nullptr, ordered);
  print(**source, ordered);
  return ok ? 0 : 1;
}
