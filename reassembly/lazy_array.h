// A fixed array of raw storage whose pages are committed when first touched, on huge pages where the kernel has them:
// a table can be sized for its worst case at start, cost nothing until used, and never move.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>

namespace gatetape {

// Zeroed bytes for `size` objects of T; constructs and destroys none. Throws std::bad_alloc when the address space is
// not to be had. One owner, no locking.
template <class T>
class LazyArray {
 public:
  explicit LazyArray(size_t size) : bytes_(size * sizeof(T)) {
    void* address = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED) throw std::bad_alloc();
    madvise(address, bytes_, MADV_HUGEPAGE);  // a hint: without it everything works, with more TLB misses
    data_ = static_cast<T*>(address);
  }
  ~LazyArray() { munmap(data_, bytes_); }
  LazyArray(const LazyArray&) = delete;
  LazyArray& operator=(const LazyArray&) = delete;

  T* data() const { return data_; }
  T& operator[](size_t i) const { return data_[i]; }

 private:
  size_t bytes_;
  T* data_;
};

}  // namespace gatetape
