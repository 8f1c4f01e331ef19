// The counters that tell of traffic which was not inspected, or not in full: packets of it may be missing from the
// answer to a question that records answer.
#pragma once

#include <string_view>

#include "packet/account.h"

namespace gatetape {

struct UninspectedCounter {
  Counter counter;
  std::string_view code;  // the shortfall's
  std::string_view why;
  bool of_alerts = false;  // only rules looked less closely
};

inline constexpr UninspectedCounter kUninspectedCounters[] = {
    {Counter::kBadChecksum, "wrong_checksum", "their checksums are wrong"},
    {Counter::kEncryptedBytes, "encrypted", "they are encrypted"},
    {Counter::kIpFragments, "fragments", "they are IP fragments"},
    {Counter::kDecodedTruncatedLink, "cut_short", "they are cut short inside their headers"},
    {Counter::kDecodedTruncatedNetwork, "cut_short", "they are cut short inside their headers"},
    {Counter::kDecodedTruncatedTransport, "cut_short", "they are cut short inside their headers"},
    {Counter::kDecodedTooManyLayers, "too_many_layers", "they have too many headers"},
    {Counter::kTcpOverLimit, "over_limit", "their stream waited for too much"},
    {Counter::kTcpGapBytes, "gaps", "they are missing from TCP streams, cut off or never seen"},
    {Counter::kVerdictNotFollowed, "not_followed", "their connections began before the capture"},
    {Counter::kFlowsEvicted, "flows_evicted", "the table of connections was full (--flows-max)"},
    {Counter::kHttpHeadsTooLarge, "http_over_limit", "their heads are too large"},
    {Counter::kHttpOverMemory, "http_over_limit", "the memory for heads was used up"},
    {Counter::kHttpOverOutstanding, "http_over_limit", "too many waited for a response"},
    {Counter::kBodiesBombs, "match_over_limit", "they grow too large when they are decoded", true},
    {Counter::kBodiesRefused, "match_over_limit", "all decoders were in use", true},
    {Counter::kMatchWindowsTakenAway, "match_over_limit", "their last bytes were forgotten", true},
    {Counter::kMatchBodiesOverBudget, "match_over_limit", "the memory for bodies was used up", true},
    {Counter::kMatchTransactionsOverLimit, "match_over_limit", "too many ended at once", true},
    {Counter::kMatchFlowbitsOverLimit, "match_over_limit", "too many flowbits were set", true},
    {Counter::kMatchPendingOverLimit, "match_over_limit", "too many rules waited for the rest", true},
    {Counter::kMatchAlertsOverLimit, "match_over_limit", "one packet had too many", true},
    {Counter::kMatchInspectionsCut, "match_over_limit", "a rule took too many steps", true},
};

}  // namespace gatetape
