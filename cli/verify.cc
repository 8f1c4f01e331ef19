// gatetape verify: whether a store is what was recorded.
#include <unistd.h>

#include <thread>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/query_options.h"
#include "common/count_text.h"
#include "common/time_text.h"
#include "storage/evidence/bundle_verify.h"
#include "storage/evidence/store_verify.h"

namespace gatetape {
namespace {

constexpr size_t kFindingsShown = 50;

bool is_fingerprint(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

void show_progress(uint64_t checked, uint64_t all) {
  const uint64_t percent = all == 0 ? 100 : checked * 100 / all;
  fmt::print(stderr, "\rchecked {} of {} ({} %)\x1b[K", format_size(checked), format_size(all), percent);
}

void print_lines(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) fmt::print("  - {}\n", printable(line));
}

void print_contents(const VerifyReport& report) {
  fmt::print("  {} ({}) in {}", counted(report.packets, "packet", "packets"), format_size(report.captured_bytes),
             counted(report.segments, "segment", "segments"));
  if (report.evicted != 0)
    fmt::print("; {} evicted, each with a tombstone", counted(report.evicted, "more was", "more were"));
  fmt::print("\n  {} in the ledger", counted(report.leaves, "entry", "entries"));
  if (report.signed_leaves != 0)
    fmt::print(", {} signed on {}", format_count(report.signed_leaves), format_time(report.signed_ns));
  fmt::print("\n");
  if (report.extractions != 0)
    fmt::print("  {} noted in it\n", counted(report.extractions, "extraction is", "extractions are"));
  if (report.pinned != 0) fmt::print("  {} pinned\n", counted(report.pinned, "segment is", "segments are"));
  if (report.requests != 0)
    fmt::print("  {} for a recorder to note them\n", counted(report.requests, "request waits", "requests wait"));
}

void print_findings(const std::vector<Finding>& findings) {
  fmt::print("NOT SOUND: {}\n", counted(findings.size(), "finding", "findings"));
  for (size_t i = 0; i < findings.size() && i < kFindingsShown; i++) {
    fmt::print("  - {}: offset {}: {}\n", printable(findings[i].file), findings[i].offset, printable(findings[i].what));
  }
  if (findings.size() > kFindingsShown)
    fmt::print("  ... and {} more\n", format_count(findings.size() - kFindingsShown));
}

int print_report(const BundleReport& report) {
  if (!report.sound()) {
    print_findings(report.findings);
    return kExitFailed;
  }
  const bool whole = report.unproven.empty() && report.manifest_signed;
  fmt::print("{}\n", whole ? "Sound" : "Sound, but");
  print_lines(report.unproven);
  if (!report.manifest_signed) {
    fmt::print(
        "  - its manifest is not signed: the statement and the records are the word of who extracted them, and\n"
        "    that no packet was left out is, too\n");
  }
  fmt::print("  {} ({}), of them {} proven to be recorded by the sensor with this key\n",
             counted(report.packets, "packet", "packets"), format_size(report.captured_bytes),
             format_count(report.proven));
  fmt::print("  {}, {}, signed on {}\n", printable(report.origin), counted(report.leaves, "entry", "entries"),
             format_time(report.signed_ns));
  if (report.manifest_signed)
    fmt::print("  packets, records and statement are as they were extracted: the manifest is signed\n");
  return whole ? kExitDone : kExitUnsignedTail;
}

int print_report(const VerifyReport& report) {
  if (!report.sound()) {
    print_findings(report.findings);
    fmt::print("Sound are\n");
    print_contents(report);
    return kExitFailed;
  }
  const bool whole = report.tail.empty();
  fmt::print("{}\n", whole ? "Sound" : "Sound, but for what a run that was killed, or goes on, has not signed:");
  print_lines(report.tail);
  print_contents(report);
  if (!report.remarks.empty()) fmt::print("To be known\n");
  print_lines(report.remarks);
  return whole ? kExitDone : kExitUnsignedTail;
}

int finish(const CommandLine& line, int exit_code) {
  if (std::fflush(stdout) != 0) return line.failed(Error{"standard output: it cannot be written"});
  return exit_code;
}

class VerifyCommand : public Command {
 public:
  VerifyCommand() { options_.threads = std::max(1u, std::thread::hardware_concurrency()); }

  CommandText text() const override {
    return {
        .command = "verify",
        .usage = "--store DIR | --bundle DIR --key FINGERPRINT [--checkpoint FILE]",
        .summary =
            "Checks that a store is what the sensor with this key recorded: nothing flipped, removed, put in, "
            "exchanged or made anew. All is computed again from the bytes: packets, frames, segments, the ledger's "
            "tree, its signatures. The key's fingerprint is what 'gatetape capture' prints when it starts. Whoever "
            "holds the disk can still cut off the newest part, ledger and all: only a checkpoint that left the machine "
            "(capture --checkpoint-to) shows that. With --bundle the same of the packets that 'gatetape extract "
            "--bundle' took out, from that directory alone.\n\n"
            "Exit code: 0 sound; 1 not, and what is wrong is named; 3 sound, but for a tail that a run which was "
            "killed, or goes on, has not signed; of a bundle: for packets without a proof, or a manifest that is not "
            "signed.",
        .examples =
            "  gatetape verify --store /var/lib/gatetape --key 3f8a...\n"
            "  gatetape verify --bundle case-17 --key 3f8a...\n"
            "  gatetape verify --store /mnt/evidence --key 3f8a... --checkpoint /mnt/witness/checkpoints\n"};
  }

  void add_options(CommandLine& line) override {
    add_store_option(line, options_.directories);
    line.text("bundle", "DIR", bundle_, "a directory that 'extract --bundle' made, instead of a store");
    const auto take_key = [this](const std::string& text) -> Result<void> {
      options_.fingerprint = lower(text);
      if (!is_fingerprint(options_.fingerprint)) return fail("expected 64 hex digits");
      return {};
    };
    line.take("key", "FINGERPRINT", take_key, "of the key that is trusted: 64 hex digits");
    line.require("key", "the fingerprint of the key that is trusted");
    line.text("checkpoint", "FILE", checkpoint_, "checkpoints that left the machine");
    constexpr unsigned kThreadsMax = 1024;
    line.take_number("threads", "N", 1, kThreadsMax, "segments checked at once (default: one per core)",
                     [this](uint64_t n) { options_.threads = static_cast<unsigned>(n); });
  }

  int run(const CommandLine& line) override {
    const bool of_bundle = !bundle_.empty();
    if (of_bundle && line.given("store")) return line.usage_error("say what to verify: --store DIR or --bundle DIR");
    if (!of_bundle && options_.directories.empty()) {
      return line.usage_error("say what to verify: --store DIR or --bundle DIR");
    }
    if (of_bundle && line.given("checkpoint")) return line.usage_error("--checkpoint is for --store");
    return of_bundle ? verify_this_bundle(line) : verify_this_store(line);
  }

 private:
  int verify_this_bundle(const CommandLine& line) {
    catch_interrupts();
    const auto report = verify_bundle(system_files(), bundle_, options_.fingerprint, &interrupt_flag());
    if (!report) return line.failed(report.error());
    return finish(line, print_report(*report));
  }

  int verify_this_store(const CommandLine& line) {
    if (const Result<void> are_stores = check_stores(options_.directories); !are_stores) {
      return line.failed(are_stores.error());
    }
    if (!checkpoint_.empty()) {
      auto notes = read_checkpoint_file(system_files(), checkpoint_);
      if (!notes) return line.failed(Error{"--checkpoint " + notes.error().message});
      options_.outside = std::move(*notes);
    }
    catch_interrupts();
    options_.stop = &interrupt_flag();
    const bool terminal = isatty(STDERR_FILENO) != 0;
    if (terminal) options_.progress = show_progress;
    const auto report = verify_store(system_files(), options_);
    if (terminal) fmt::print(stderr, "\r\x1b[K");
    if (!report) return line.failed(report.error());
    return finish(line, print_report(*report));
  }

  VerifyOptions options_;
  std::string bundle_, checkpoint_;
};

}  // namespace

std::unique_ptr<Command> command_verify() {
  return std::make_unique<VerifyCommand>();
}

}  // namespace gatetape
