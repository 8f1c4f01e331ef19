#include "cli/custody.h"

#include <unistd.h>

#include "common/clock.h"
#include "common/time_text.h"
#include "storage/evidence/ledger_writer.h"
#include "storage/evidence/signed_note.h"
#include "storage/evidence/store_request.h"

namespace gatetape {
namespace {

// A request is small: what is longer is cut.
std::string shortened(const std::string& text) {
  constexpr size_t kTextBytesMax = 4000;
  return text.size() <= kTextBytesMax ? text : text.substr(0, kTextBytesMax) + "…";
}

Custody custody_of(const ExtractStatement& s, const ExtractionNote& note) {
  Custody custody;
  custody.at_ns = wall_clock_ns();
  custody.packets = s.packets;
  custody.bytes = s.captured_bytes;
  custody.who = fmt::format("{}@{}", s.origin.user, s.origin.host);
  custody.query = shortened(s.expression.empty() ? "everything" : s.expression);
  custody.facts = {{"range", range_text(s.range)}, {"output", shortened(note.output)}, {"build", s.origin.build}};
  if (note.failure.empty()) {
    custody.facts.emplace_back("result", s.completeness());
  } else {
    custody.facts.emplace_back("result", shortened("failed: " + note.failure));
  }
  if (note.packets) custody.facts.emplace_back("sha256", hex(*note.packets));
  return custody;
}

}  // namespace

CustodyFacts note_extraction(const ExtractStatement& statement, const ExtractionNote& note) {
  CustodyFacts facts;
  bool any = false;
  const Custody custody = custody_of(statement, note);
  for (const std::string& directory : statement.origin.stores) {
    // Only a store's first directory has a ledger.
    if (!system_files().entry_status(ledger_path(directory))) continue;
    any = true;
    const auto handed_over = hand_over(system_files(), directory, {custody});
    if (!handed_over && facts.why_not.empty()) facts.why_not = handed_over.error().message;
  }
  if (!any) facts.why_not = "the store keeps no ledger";
  facts.noted = facts.why_not.empty();
  return facts;
}

}  // namespace gatetape
