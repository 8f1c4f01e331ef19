#include "reassembly/http/http_pool.h"

#include "common/check.h"

namespace gatetape {
namespace {

size_t held_bytes(const HttpTransaction& t) {
  return sizeof(PooledTransaction) + t.request.bytes.capacity() + t.response.bytes.capacity() +
         t.normalised_uri.capacity() + (t.request.fields.capacity() + t.response.fields.capacity()) * sizeof(HttpField);
}

}  // namespace

HttpPool::~HttpPool() {
  GT_CHECK(in_use_ == 0);
}

void PooledTransaction::release() {
  HttpPool::give_back(this);
}

PooledTransaction* HttpPool::take() {
  if (free_.empty()) {
    free_.push_back(std::make_unique<PooledTransaction>());
    free_.back()->pool = this;
    free_.back()->buffers = &buffers_;
  }
  PooledTransaction* transaction = free_.back().release();
  free_.pop_back();
  ++in_use_;
  charge(*transaction);
  return transaction;
}

void HttpPool::give_back(PooledTransaction* transaction) {
  transaction->pool->recycle(transaction);
}

void HttpPool::recycle(PooledTransaction* transaction) {
  std::unique_ptr<PooledTransaction> owned(transaction);
  --in_use_;
  head_bytes_ -= transaction->charged_bytes;
  if (free_.size() >= kFreeMax || transaction->charged_bytes > kKeptHeadBytes) return;
  transaction->clear();
  transaction->next = nullptr;
  transaction->charged_bytes = 0;
  free_.push_back(std::move(owned));
}

void HttpPool::charge(PooledTransaction& transaction) {
  const size_t held = held_bytes(transaction);
  head_bytes_ += held - transaction.charged_bytes;
  transaction.charged_bytes = held;
}

}  // namespace gatetape
