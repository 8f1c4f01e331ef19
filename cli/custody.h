// Notes extractions in the ledger of the store that they are from: who, when, which question, how many packets.
#pragma once

#include <optional>
#include <string>

#include "storage/query/statement.h"

namespace gatetape {

struct ExtractionNote {
  std::string output;                   // path, or "-"
  std::optional<Sha256Digest> packets;  // SHA-256 of the file with them, where it is known
  std::string failure;                  // why the extraction failed; empty: it did not
};

// Hands the note to the recorder of each store among the directories. The extraction is noted when all of them have it.
CustodyFacts note_extraction(const ExtractStatement& statement, const ExtractionNote& note);

}  // namespace gatetape
