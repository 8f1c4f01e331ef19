#include "capture/sources/source_spec.h"

#include <filesystem>
#include <string>
#include <system_error>

#include "capture/sources/dpdk_source.h"
#include "capture/sources/pcap_source.h"
#include "common/nearest_word.h"

namespace gatetape {

Result<void> check_source_spec(std::string_view spec) {
  const size_t colon = spec.find(':');
  const std::string_view kind = spec.substr(0, colon);
  const bool known = kind == "pcap" || kind == "if" || kind == "dpdk";
  if (known && colon != std::string_view::npos && colon + 1 < spec.size()) return {};
  return fail("expected pcap:PATH, if:NAME or dpdk:ARGS{}",
              colon == std::string_view::npos ? "" : did_you_mean(kind, {"pcap", "if", "dpdk"}));
}

namespace {

constexpr std::string_view kFilePrefix = "pcap:";

Result<std::unique_ptr<Source>> open_port(const std::string& spec, const SourceOptions& options) {
  const size_t colon = spec.find(':');
  const std::string rest = spec.substr(colon + 1);
  return spec.starts_with("if:") ? open_interface_source(rest, options) : open_dpdk_source(rest, options);
}

}  // namespace

Result<std::vector<std::unique_ptr<Source>>> open_sources(const std::vector<std::string>& specs,
                                                          const SourceOptions& options) {
  std::vector<std::string> files;
  for (const std::string& spec : specs) {
    if (Result<void> right = check_source_spec(spec); !right) return fail("{}: {}", spec, right.error().message);
    if (spec.starts_with(kFilePrefix)) files.push_back(spec.substr(kFilePrefix.size()));
  }
  std::vector<std::unique_ptr<Source>> sources;
  bool files_open = false;
  for (const std::string& spec : specs) {
    const bool file = spec.starts_with(kFilePrefix);
    if (file && files_open) continue;
    files_open |= file;
    auto source = file ? open_pcap_source(files, options) : open_port(spec, options);
    if (!source) return pass_on(source);
    sources.push_back(std::move(*source));
  }
  return sources;
}

bool reads_a_pipe(const std::string& spec) {
  if (!spec.starts_with(kFilePrefix)) return false;
  const std::string path = spec.substr(kFilePrefix.size());
  std::error_code unknown;
  return path == "-" || std::filesystem::is_fifo(path, unknown);
}

Result<std::unique_ptr<Source>> open_source(const std::string& spec, const SourceOptions& options) {
  auto sources = open_sources({spec}, options);
  if (!sources) return pass_on(sources);
  return std::move(sources->front());
}

}  // namespace gatetape
