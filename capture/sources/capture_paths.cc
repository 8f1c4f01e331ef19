#include "capture/sources/capture_paths.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <filesystem>

#include "common/count_text.h"
#include "common/log.h"

namespace gatetape {
namespace {

namespace fs = std::filesystem;

struct Entry {
  FoundFile file;
  int64_t first_ns = INT64_MAX;  // its first packet's time; the largest when it has none
};

struct LeftOut {
  std::string name, why;
};

bool before(const Entry& a, const Entry& b) {
  if (a.first_ns != b.first_ns) return a.first_ns < b.first_ns;
  return ::strverscmp(a.file.path.c_str(), b.file.path.c_str()) < 0;
}

// The reason without the name, which opening puts before it.
std::string reason(const std::string& message, const std::string& path) {
  const std::string prefix = "pcap:" + path + ": ";
  return message.starts_with(prefix) ? message.substr(prefix.size()) : message;
}

// Opens one entry of a directory. `scratch` is a burst for its first packets.
Result<Entry> open_entry(const std::string& path, FileBurst& scratch, const OpenMode& mode) {
  Entry entry;
  entry.file.path = path;
  auto opened = open_capture_file(path, mode);
  if (!opened) return fail("{}", reason(opened.error().message, path));
  entry.file.interfaces = (*opened)->interfaces();
  scratch.count = 0;
  // Damage is told when the file is read.
  if (auto read = (*opened)->read(scratch); read && scratch.count > 0) entry.first_ns = scratch.packets[0].timestamp_ns;
  return entry;
}

void say_what_is_left_out(const std::string& directory, std::vector<LeftOut>& left_out) {
  if (left_out.empty()) return;
  std::sort(left_out.begin(), left_out.end(), [](const LeftOut& a, const LeftOut& b) { return a.name < b.name; });
  constexpr size_t kNamed = 10;
  std::string names;
  for (size_t i = 0; i < std::min(left_out.size(), kNamed); ++i) {
    names += fmt::format("{}{} ({})", i == 0 ? "" : ", ", left_out[i].name, left_out[i].why);
  }
  if (left_out.size() > kNamed) names += fmt::format(" and {} more", left_out.size() - kNamed);
  log_warning("pcap:{}: {} left out: {}", directory, counted(left_out.size(), "entry", "entries"), names);
}

Result<std::vector<Entry>> list_directory(const std::string& directory, const OpenMode& mode) {
  std::vector<Entry> entries;
  std::vector<LeftOut> left_out;
  FileBurst scratch;
  std::error_code code;
  for (fs::directory_iterator item(directory, code), end; !code && item != end; item.increment(code)) {
    std::error_code unknown;
    const std::string name = item->path().filename();
    if (!item->is_regular_file(unknown)) {
      left_out.push_back({name, item->is_directory(unknown) ? "a directory" : "no file"});
      continue;
    }
    auto entry = open_entry(item->path(), scratch, mode);
    if (entry) {
      entries.push_back(std::move(*entry));
    } else {
      left_out.push_back({name, entry.error().message});
    }
  }
  if (code) return fail("pcap:{}: cannot read the directory: {}", directory, code.message());
  say_what_is_left_out(directory, left_out);
  if (entries.empty()) return fail("pcap:{}: no capture file in this directory", directory);
  std::sort(entries.begin(), entries.end(), before);
  return entries;
}

Result<void> add_file(const std::string& path, unsigned group, const OpenMode& mode, std::vector<FoundFile>& files) {
  auto opened = open_capture_file(path, mode);
  if (!opened) return pass_on(opened);
  FoundFile file{path, group, (*opened)->interfaces(), nullptr};
  if (!(*opened)->can_be_reopened()) file.open = std::move(*opened);
  files.push_back(std::move(file));
  return {};
}

Result<void> add_directory(const std::string& path, unsigned group, const OpenMode& mode,
                           std::vector<FoundFile>& files) {
  if (mode.follow) return fail("pcap:{}: is a directory; one file can be followed", path);
  auto entries = list_directory(path, mode);
  if (!entries) return pass_on(entries);
  for (Entry& entry : *entries) {
    entry.file.group = group;
    files.push_back(std::move(entry.file));
  }
  return {};
}

}  // namespace

Result<std::vector<FoundFile>> find_capture_files(const std::vector<std::string>& paths, OpenMode mode) {
  if (std::count(paths.begin(), paths.end(), "-") > 1) return fail("pcap:-: standard input can be read once");
  uint64_t scan_budget = 1u << 30;
  mode.scan_budget = &scan_budget;
  std::vector<FoundFile> files;
  for (const std::string& path : paths) {
    const auto group = static_cast<unsigned>(&path - paths.data());
    std::error_code code;
    const bool directory = path != "-" && fs::is_directory(path, code);
    Result<void> added = directory ? add_directory(path, group, mode, files) : add_file(path, group, mode, files);
    if (!added) return pass_on(added);
  }
  return files;
}

}  // namespace gatetape
