// Drives a fuzz target without libFuzzer. It feeds every file of the corpus once, each ending at an unreadable page,
// and then, if asked, random changes of them for some seconds. A seed makes a run repeatable.
//
// usage: NAME_fuzz [--seconds N] [--seed S] FILE|DIRECTORY...
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Input = std::vector<uint8_t>;
constexpr size_t kInputBytesMax = 1 << 20;

// Memory whose last byte is followed by a page without access.
class GuardedMemory {
 public:
  GuardedMemory() : page_bytes_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    void* memory =
        mmap(nullptr, kInputBytesMax + page_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    end_ = static_cast<uint8_t*>(memory) + kInputBytesMax;
    if (mprotect(end_, page_bytes_, PROT_NONE) != 0) std::abort();
  }
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;
  ~GuardedMemory() { munmap(end_ - kInputBytesMax, kInputBytesMax + page_bytes_); }

  void run(const Input& input) {
    const size_t size = std::min(input.size(), kInputBytesMax);
    if (size > 0) std::memcpy(end_ - size, input.data(), size);
    LLVMFuzzerTestOneInput(end_ - size, size);
  }

 private:
  size_t page_bytes_;
  uint8_t* end_ = nullptr;
};

Input read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    fmt::print(stderr, "{}: cannot be read\n", path.string());
    std::exit(1);
  }
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::filesystem::path> list_files(const std::vector<std::filesystem::path>& paths) {
  std::vector<std::filesystem::path> files;
  for (const auto& path : paths) {
    if (!std::filesystem::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Applies some of these changes: flip a bit, set a byte, set an extreme length, cut, repeat a part, join with another
// input.
void mutate(Input& input, const std::vector<Input>& corpus, std::mt19937_64& random) {
  const auto below = [&](size_t bound) { return bound == 0 ? 0 : static_cast<size_t>(random() % bound); };
  for (size_t change = below(6) + 1; change > 0; --change) {
    const size_t at = below(input.size());
    switch (below(7)) {
      case 0:
        if (!input.empty()) input[at] = static_cast<uint8_t>(input[at] ^ (1U << below(8)));
        break;
      case 1:
        if (!input.empty()) input[at] = static_cast<uint8_t>(random());
        break;
      case 2:
        if (!input.empty()) input[at] = below(2) == 0 ? 0xff : 0x00;
        break;
      case 3:
        input.resize(at);
        break;
      case 4: {
        const Input part(input.begin() + static_cast<ptrdiff_t>(at),
                         input.begin() + static_cast<ptrdiff_t>(at + below(input.size() - at + 1)));
        input.insert(input.begin() + static_cast<ptrdiff_t>(below(input.size() + 1)), part.begin(), part.end());
        break;
      }
      case 5:
        input.insert(input.begin() + static_cast<ptrdiff_t>(at), static_cast<uint8_t>(random()));
        break;
      default: {
        const Input& other = corpus[below(corpus.size())];
        const auto from = other.begin() + static_cast<ptrdiff_t>(below(other.size()));
        input.insert(input.end(), from, other.end());
      }
    }
    if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
  }
}

}  // namespace

int main(int argc, char** argv) {
  long seconds = 0;
  uint64_t seed = std::random_device{}();
  std::vector<std::filesystem::path> paths;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--seconds" && i + 1 < argc) {
      seconds = std::atol(argv[++i]);
    } else if (word == "--seed" && i + 1 < argc) {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else {
      paths.emplace_back(word);
    }
  }

  GuardedMemory memory;
  std::vector<Input> corpus = {{}};
  memory.run(corpus[0]);
  for (const auto& path : list_files(paths)) {
    corpus.push_back(read_file(path));
    memory.run(corpus.back());
  }
  fmt::print("{} inputs replayed\n", corpus.size());

  if (seconds <= 0) return 0;
  fmt::print("changing them at random for {} s, --seed {}\n", seconds, seed);
  std::fflush(stdout);  // a crash must not take the seed with it
  std::mt19937_64 random(seed);
  uint64_t runs = 0;
  for (const auto start = std::chrono::steady_clock::now();
       std::chrono::steady_clock::now() - start < std::chrono::seconds(seconds); ++runs) {
    Input input = corpus[random() % corpus.size()];
    mutate(input, corpus, random);
    memory.run(input);
  }
  fmt::print("{} changed inputs run\n", runs);
}
