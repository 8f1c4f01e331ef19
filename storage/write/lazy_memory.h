// Memory that costs nothing until it is touched: a budget of half a gigabyte is no burden to a capture of a megabyte.
// Zero at first; huge pages where the system gives them. Where it gives no memory at all, making one throws a
// std::runtime_error that says so.
#pragma once

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstddef>
#include <stdexcept>
#include <utility>

namespace gatetape {

template <class T>
class LazyMemory {
 public:
  LazyMemory() = default;
  explicit LazyMemory(size_t count) : count_(count) {
    if (count == 0) return;
    void* at = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
      throw std::runtime_error(
          fmt::format("out of memory: the system gives no {} MiB (a limit such as ulimit -v?)", bytes() >> 20));
    }
    madvise(at, bytes(), MADV_HUGEPAGE);
    data_ = static_cast<T*>(at);
  }
  LazyMemory(LazyMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  LazyMemory& operator=(LazyMemory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    return *this;
  }
  ~LazyMemory() {
    if (data_ != nullptr) munmap(data_, bytes());
  }

  T* data() const { return data_; }
  size_t size() const { return count_; }
  T& operator[](size_t i) const { return data_[i]; }
  // Back to zeros; the memory returns to the system.
  void clear() {
    if (data_ != nullptr) madvise(data_, bytes(), MADV_DONTNEED);
  }

 private:
  size_t bytes() const { return count_ * sizeof(T); }

  T* data_ = nullptr;
  size_t count_ = 0;
};

}  // namespace gatetape
