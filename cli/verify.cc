// gatetape verify: whether a store is what was recorded.
#include <unistd.h>

#include <thread>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/query_options.h"
#include "common/time_text.h"
#include "storage/evidence/bundle_verify.h"
#include "storage/evidence/store_verify.h"

namespace gatetape {
namespace {

constexpr CommandText kText = {
    .command = "verify",
    .usage = "--store DIR | --bundle DIR --key FINGERPRINT [--checkpoint FILE]",
    .summary =
        "Checks that a store is what the sensor with this key recorded: nothing flipped, removed, put in, exchanged "
        "or\n"
        "made anew. All is computed again from the bytes: packets, frames, segments, the ledger's tree, its "
        "signatures.\n"
        "The key's fingerprint is what 'gatetape capture' prints when it starts. Whoever holds the disk can still cut "
        "off\n"
        "the newest part, ledger and all: only a checkpoint that left the machine (capture --checkpoint-to) shows "
        "that.\n"
        "With --bundle the same of the packets that 'gatetape extract --bundle' took out, from that directory alone.\n"
        "\n"
        "Exit code: 0 sound; 1 not, and what is wrong is named; 3 sound, but for a tail that a run which was killed, "
        "or\n"
        "goes on, has not signed; of a bundle: for packets without a proof, or a manifest that is not signed.",
    .examples =
        "  gatetape verify --store /var/lib/gatetape --key 3f8a…\n"
        "  gatetape verify --bundle case-17 --key 3f8a…\n"
        "  gatetape verify --store /mnt/evidence --key 3f8a… --checkpoint /mnt/witness/checkpoints\n",
};

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
  fmt::print("  {} packets ({}) in {} segments", report.packets, format_size(report.captured_bytes), report.segments);
  if (report.evicted != 0) fmt::print("; {} more were evicted, each with a tombstone", report.evicted);
  fmt::print("\n  {} entries in the ledger", report.leaves);
  if (report.signed_leaves != 0) fmt::print(", {} signed on {}", report.signed_leaves, format_time(report.signed_ns));
  fmt::print("\n");
  if (report.extractions != 0) fmt::print("  {} extractions are noted in it\n", report.extractions);
  if (report.pinned != 0) fmt::print("  {} segments are pinned\n", report.pinned);
  if (report.requests != 0) fmt::print("  {} requests wait for a recorder to note them\n", report.requests);
}

void print_findings(const std::vector<Finding>& findings) {
  fmt::print("NOT SOUND: {} finding(s)\n", findings.size());
  for (size_t i = 0; i < findings.size() && i < kFindingsShown; i++) {
    fmt::print("  - {}: offset {}: {}\n", printable(findings[i].file), findings[i].offset, printable(findings[i].what));
  }
  if (findings.size() > kFindingsShown) fmt::print("  … and {} more\n", findings.size() - kFindingsShown);
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
  fmt::print("  {} packets ({}), of them {} proven to be recorded by the sensor with this key\n", report.packets,
             format_size(report.captured_bytes), report.proven);
  fmt::print("  {}, {} entries, signed on {}\n", printable(report.origin), report.leaves,
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

int verify_this_bundle(const CommandLine& line, const std::string& bundle, const std::string& fingerprint) {
  catch_interrupts();
  const auto report = verify_bundle(system_files(), bundle, fingerprint, &interrupt_flag());
  if (!report) return line.failed(report.error());
  return finish(line, print_report(*report));
}

}  // namespace

int command_verify(int argc, char** argv) {
  std::vector<std::string> store;
  std::string key, checkpoint, bundle;
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  CommandLine line(kText);
  auto add = line.options().add_options();
  add("store", po::value(&store)->value_name("DIR[,DIR...]")->composing(), "directories of the store");
  add("bundle", po::value(&bundle)->value_name("DIR"), "a directory that 'extract --bundle' made, instead of a store");
  add("key", po::value(&key)->value_name("FINGERPRINT")->required(), "of the key that is trusted: 64 hex digits");
  add("checkpoint", po::value(&checkpoint)->value_name("FILE"), "checkpoints that left the machine");
  add("threads", po::value(&threads)->value_name("N"), "segments checked at once (default: one per core)");
  if (const auto exit_code = line.parse(argc, argv)) return *exit_code;

  VerifyOptions options;
  options.directories = split_list(store);
  options.fingerprint = lower(key);
  options.threads = std::max(1u, threads);
  options.stop = &interrupt_flag();
  if (options.directories.empty() == bundle.empty()) {
    return line.usage_error("say what to verify: --store DIR or --bundle DIR");
  }
  if (!is_fingerprint(options.fingerprint)) {
    return line.usage_error(fmt::format("--key {}: expected 64 hex digits", printable(key)));
  }
  if (!bundle.empty() && !checkpoint.empty()) return line.usage_error("--checkpoint is for --store");
  if (!bundle.empty()) return verify_this_bundle(line, bundle, options.fingerprint);
  if (!checkpoint.empty()) {
    auto notes = read_checkpoint_file(system_files(), checkpoint);
    if (!notes) return line.failed(notes.error());
    options.outside = std::move(*notes);
  }
  catch_interrupts();
  const bool terminal = isatty(STDERR_FILENO) != 0;
  if (terminal) options.progress = show_progress;
  const auto report = verify_store(system_files(), options);
  if (terminal) fmt::print(stderr, "\r\x1b[K");
  if (!report) return line.failed(report.error());
  return finish(line, print_report(*report));
}

}  // namespace gatetape
