// HTTP transactions, recycled: one pool per worker, shared by its HTTP/1 and HTTP/2 parsers, so that a transaction
// costs no allocation once the pool has warmed up.
//
// Bounded: the bytes that transactions in use hold for their heads. At the limit a parser cuts the head it is reading,
// and begins no other. One thread. The pool outlives every transaction taken from it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "reassembly/http/http_buffers.h"
#include "reassembly/http/http_transaction.h"

namespace gatetape {

class HttpPool;

// A transaction and its place in its connection's queue.
struct PooledTransaction final : HttpTransaction {
  void release() override;

  HttpPool* pool = nullptr;
  PooledTransaction* next = nullptr;
  size_t charged_bytes = 0;  // taken from the pool's limit
};

class HttpPool {
 public:
  explicit HttpPool(uint64_t head_bytes_max = 128u << 20) : head_bytes_max_(head_bytes_max) {}
  ~HttpPool();  // every transaction was given back
  HttpPool(const HttpPool&) = delete;
  HttpPool& operator=(const HttpPool&) = delete;

  PooledTransaction* take();
  static void give_back(PooledTransaction* transaction);
  // To be called when a head has grown, which it may only while there was room.
  void charge(PooledTransaction& transaction);
  // To be called when a head was filled: buffers made of the transaction before are stale.
  void renew_heads(PooledTransaction& transaction) { transaction.heads_version = ++heads_version_; }
  bool has_room() const { return head_bytes_ < head_bytes_max_; }

  uint64_t in_use() const { return in_use_; }
  uint64_t head_bytes() const { return head_bytes_; }

 private:
  static constexpr size_t kFreeMax = 4096;
  static constexpr size_t kKeptHeadBytes = 16384;  // a recycled transaction with more gives it back to the heap

  void recycle(PooledTransaction* transaction);

  const uint64_t head_bytes_max_;
  HttpBuffers buffers_;
  uint64_t heads_version_ = 0;
  uint64_t head_bytes_ = 0;
  uint64_t in_use_ = 0;
  std::vector<std::unique_ptr<PooledTransaction>> free_;
};

}  // namespace gatetape
