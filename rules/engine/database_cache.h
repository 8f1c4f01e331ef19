// Compiled Hyperscan databases on disk, so that a start with rules that were compiled before need not compile them
// again. One file per database, named after what it was compiled from: a change to one rule costs the few databases
// that the rule is in.
//
// A database is a program that Hyperscan runs unchecked. Directory and files must therefore belong to the user, and
// nobody else may be able to write them. The directory is opened once, and its files only through that descriptor. Each
// file holds the SHA-256 of its key and content, which finds damage. A file that is not sound is ignored, and its
// database is compiled anew.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include <hs/hs.h>

#include "common/result.h"

namespace gatetape {

struct FreeHyperscan {
  void operator()(hs_database_t* database) const { hs_free_database(database); }
  void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
};
using HyperscanDatabase = std::unique_ptr<hs_database_t, FreeHyperscan>;
using HyperscanScratch = std::unique_ptr<hs_scratch_t, FreeHyperscan>;

class DatabaseCache {
 public:
  // SHA-256 over all that a database depends on: what is compiled, Hyperscan's version, this CPU's features.
  using Key = std::array<uint8_t, 32>;
  static Key key_of(std::span<const uint8_t> compiled_from);

  // Uses `directory`, which is made, with its parents, if it is not there. Keeps nothing when `directory` is empty,
  // when it cannot be used, or when others than this user could write to it: see problem().
  explicit DatabaseCache(const std::string& directory);
  ~DatabaseCache();
  DatabaseCache(const DatabaseCache&) = delete;
  DatabaseCache& operator=(const DatabaseCache&) = delete;

  bool enabled() const { return directory_ >= 0; }
  // Any thread. Null: not there, or not whole.
  HyperscanDatabase find(const Key& key) const;
  // Any thread, any number of processes. A file appears whole or not at all.
  void keep(const Key& key, const hs_database_t* database);
  // Removes those of its files that were not used for `kUnusedDays`, and what a killed process left half written.
  void prune() const;
  // The first thing that went wrong, in words for the user; empty when nothing did. A cache that fails costs time only.
  std::string problem() const;

  static constexpr int kUnusedDays = 14;

 private:
  Result<void> open();
  void failed(const std::string& name, int error);

  std::string path_;    // for messages
  int directory_ = -1;  // a descriptor; negative: keeps nothing
  mutable std::mutex mutex_;
  std::string problem_;
};

// Where a user's cache is unless told otherwise: $CACHE_DIRECTORY (which systemd sets for a service), else
// $XDG_CACHE_HOME/gatetape, else ~/.cache/gatetape. Empty when none of these is set.
std::string default_cache_directory();

}  // namespace gatetape
