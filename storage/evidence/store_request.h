// Requests of readers to a store's recorder: to note an extraction in the ledger, to pin segments or let them go. A
// reader puts a file into the directory `requests` of the store's first directory; the recorder takes it in, or the
// next one that starts. Who may write there may be hostile: nothing but the form below is taken, and what is written
// down says whose file it was (storage/FORMAT.md, requests).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "common/file.h"
#include "storage/evidence/ledger_entry.h"

namespace gatetape {

inline constexpr char kRequestDirectory[] = "requests";
inline constexpr size_t kRequestBytesMax = 64 << 10;

// An entry as the file holds it: a Custody, or a Pin.
std::vector<uint8_t> serialise_request(const LedgerContent& content);
// Trusts no length. Fails with EAGAIN when the file's end may not have been written yet, else without a code.
Result<LedgerContent> parse_request(std::span<const uint8_t> bytes);

// Hands requests over: each is a file of its own, synced. The directory is made where it is missing and we may. Fails,
// with the reason, when the store has no ledger, or when we may not write there.
Result<void> hand_over(FileSystem& files, const std::string& store_directory,
                       const std::vector<LedgerContent>& requests);

// How many wait there; 0, too, when there is no such directory or we may not look. At most 10,000 are counted.
size_t requests_waiting(FileSystem& files, const std::string& store_directory);

}  // namespace gatetape
