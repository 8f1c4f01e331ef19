// Options about the rule as a whole: identity, class, references, flow, flowbits, thresholds.
#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "rules/language/classification.h"
#include "rules/language/keywords.h"
#include "rules/language/option_values.h"
#include "rules/language/rule_draft.h"

namespace gatetape {
namespace {

// ---- Identity and description ----

void set_message(RuleDraft& draft, const Option& option) {
  if (std::exchange(draft.has_message, true)) return draft.problems.syntax(option.name, "msg is given twice");
  std::string storage;
  const std::string_view message = unescape(option.value, storage);
  draft.rule.message = message.data() == storage.data() ? draft.shared.keep(message) : message;
}

template <uint32_t Rule::*field, bool RuleDraft::*seen, uint32_t lowest>
void set_number_once(RuleDraft& draft, const Option& option) {
  if (std::exchange(draft.*seen, true)) return draft.problems.syntax(option.name, "{} is given twice", option.name);
  const auto number = parse_unsigned(option.value, UINT32_MAX);
  if (!number || *number < lowest) {
    return draft.problems.syntax(option.value, "{} is not a number from {} to {}: {}", option.name, lowest, UINT32_MAX,
                                 option.value);
  }
  draft.rule.*field = static_cast<uint32_t>(*number);
}

// The most severe of several classtypes and priorities counts; a priority outweighs any class.
void set_classtype(RuleDraft& draft, const Option& option) {
  Rule& rule = draft.rule;
  const Classification* found = find_classification(option.value);
  const Classification& standard = found != nullptr ? *found : kUnknownClassification;
  const Classification* previous = find_classification(rule.classtype);
  if (previous != nullptr && previous->priority <= standard.priority) return;
  rule.classtype = option.value;
  rule.category = standard.description;
  if (!draft.has_priority) rule.priority = standard.priority;
}

void set_priority(RuleDraft& draft, const Option& option) {
  const auto number = parse_unsigned(option.value, 255);
  if (!number || *number == 0) return draft.problems.syntax(option.value, "priority is not a number from 1 to 255");
  const auto priority = static_cast<uint8_t>(*number);
  draft.rule.priority = draft.has_priority ? std::min(draft.rule.priority, priority) : priority;
  draft.has_priority = true;
}

void add_metadata(RuleDraft& draft, const Option& option) {
  std::string_view& metadata = draft.rule.metadata;
  if (metadata.empty()) {
    metadata = option.value;
  } else {
    metadata = draft.shared.keep(fmt::format("{}, {}", metadata, option.value));
  }
}

void add_reference(RuleDraft& draft, const Option& option) {
  std::string_view id = option.value;
  const std::string_view system = next_part(id, ',');
  id = trimmed(id);
  if (system.empty() || id.empty()) return draft.problems.syntax(option.value, "reference needs SYSTEM,ID");
  draft.rule.references.push_back({system, id});
}

void set_target(RuleDraft& draft, const Option& option) {
  if (option.value == "src_ip") {
    draft.rule.target = RuleTarget::kSource;
  } else if (option.value == "dest_ip") {
    draft.rule.target = RuleTarget::kDestination;
  } else {
    draft.problems.syntax(option.value, "target is src_ip or dest_ip, not {}", option.value);
  }
}

void set_noalert(RuleDraft& draft, const Option&) {
  draft.rule.noalert = true;
}

// Takes a keyword that changes nothing about what a passive sensor reports.
void ignore(RuleDraft&, const Option&) {}

// ---- flow ----

// Sets a part of the flow options. Each part may be set once. Returns whether it was.
template <class Part>
bool set_flow_part(RuleDraft& draft, std::string_view word, Part& part, Part value) {
  if (part != Part::kAny) {
    draft.problems.syntax(word, "{} conflicts with an earlier flow option", word);
    return false;
  }
  part = value;
  return true;
}

void set_flow_data(RuleDraft& draft, std::string_view word, FlowData data) {
  if (!set_flow_part(draft, word, draft.rule.flow.data, data)) return;
  std::string_view& where = data == FlowData::kOnlyStream ? draft.stream_where : draft.packet_where;
  if (where.empty()) where = word;
}

void set_flow(RuleDraft& draft, const Option& option) {
  FlowOptions& flow = draft.rule.flow;
  if (flow.given) return draft.problems.syntax(option.name, "flow is given twice");
  flow.given = true;
  for (const std::string_view word : split(option.value, ',')) {
    const auto is = [&](std::string_view name) { return equal_without_case(word, name); };
    if (is("established")) {
      set_flow_part(draft, word, flow.state, FlowState::kEstablished);
    } else if (is("not_established")) {
      set_flow_part(draft, word, flow.state, FlowState::kNotEstablished);
    } else if (is("stateless")) {
      set_flow_part(draft, word, flow.state, FlowState::kStateless);
    } else if (is("to_server") || is("toserver") || is("from_client") || is("fromclient")) {
      set_flow_part(draft, word, flow.direction, FlowDirection::kToServer);
    } else if (is("to_client") || is("toclient") || is("from_server") || is("fromserver")) {
      set_flow_part(draft, word, flow.direction, FlowDirection::kToClient);
    } else if (is("only_stream")) {
      set_flow_data(draft, word, FlowData::kOnlyStream);
    } else if (is("no_stream")) {
      set_flow_data(draft, word, FlowData::kNoStream);
    } else if (is("no_frag") || is("only_frag")) {
      draft.problems.unsupported(word, "keyword", is("no_frag") ? "flow:no_frag" : "flow:only_frag");
    } else {
      draft.problems.syntax(word.empty() ? option.value : word, "unknown flow option: {}", word);
    }
  }
}

// ---- flowbits ----

void add_flowbits(RuleDraft& draft, const Option& option) {
  std::string_view names = option.value;
  const std::string_view command = next_part(names, ',');
  names = trimmed(names);
  if (command == "noalert") {
    draft.rule.noalert = true;
    if (!names.empty()) draft.problems.syntax(names, "flowbits:noalert takes no name");
    return;
  }
  constexpr std::pair<std::string_view, FlowbitOperation> kOperations[] = {{"set", FlowbitOperation::kSet},
                                                                           {"unset", FlowbitOperation::kUnset},
                                                                           {"toggle", FlowbitOperation::kToggle},
                                                                           {"isset", FlowbitOperation::kIsSet},
                                                                           {"isnotset", FlowbitOperation::kIsNotSet}};
  const auto* operation = std::find_if(std::begin(kOperations), std::end(kOperations),
                                       [&](const auto& candidate) { return candidate.first == command; });
  if (operation == std::end(kOperations)) {
    return draft.problems.syntax(command, "unknown flowbits command: {}", command);
  }
  if (names.empty()) return draft.problems.syntax(command, "flowbits:{} needs a name", command);
  const bool tests = operation->second == FlowbitOperation::kIsSet || operation->second == FlowbitOperation::kIsNotSet;
  FlowbitTest test{operation->second, {}};
  for (const std::string_view name : split(names, '|')) {
    if (name.empty() || name.find_first_of(" \t") != std::string_view::npos) {
      return draft.problems.syntax(name.empty() ? names : name, "bad flowbits name: '{}'", name);
    }
    test.bits.push_back(draft.shared.flowbit(name));
  }
  if (test.bits.size() > 1 && !tests) return draft.problems.syntax(names, "flowbits:{} takes one name", command);
  draft.rule.flowbits.push_back(std::move(test));
}

// ---- threshold and detection_filter ----

// Reads "count 5" and the like into the threshold. Returns false after reporting a part that cannot be read.
bool read_threshold_part(RuleDraft& draft, std::string_view part, bool detection_filter, Threshold& threshold) {
  const size_t blank = std::min(part.find_first_of(" \t"), part.size());
  const std::string_view name = part.substr(0, blank), value = trimmed(part.substr(blank));
  constexpr std::pair<std::string_view, ThresholdKind> kKinds[] = {{"limit", ThresholdKind::kLimit},
                                                                   {"threshold", ThresholdKind::kThreshold},
                                                                   {"both", ThresholdKind::kBoth},
                                                                   {"backoff", ThresholdKind::kBackoff}};
  constexpr std::pair<std::string_view, ThresholdTrack> kTracks[] = {{"by_src", ThresholdTrack::kBySource},
                                                                     {"by_dst", ThresholdTrack::kByDestination},
                                                                     {"by_both", ThresholdTrack::kByBoth},
                                                                     {"by_rule", ThresholdTrack::kByRule},
                                                                     {"by_flow", ThresholdTrack::kByFlow}};
  const auto named = [&](const auto& entry) { return entry.first == value; };
  if (name == "type" && !detection_filter) {
    const auto* kind = std::find_if(std::begin(kKinds), std::end(kKinds), named);
    if (kind != std::end(kKinds)) return threshold.kind = kind->second, true;
  } else if (name == "track") {
    const auto* track = std::find_if(std::begin(kTracks), std::end(kTracks), named);
    if (track != std::end(kTracks)) return threshold.track = track->second, true;
  } else if (name == "count" || name == "seconds" || name == "multiplier") {
    const auto number = parse_unsigned(value, UINT32_MAX);
    uint32_t& field = name == "count" ? threshold.count : name == "seconds" ? threshold.seconds : threshold.multiplier;
    if (number && *number > 0) return field = static_cast<uint32_t>(*number), true;
  } else if (name == "unique_on") {
    draft.problems.unsupported(part, "keyword", "detection_filter:unique_on");
    return false;
  }
  draft.problems.syntax(part, "bad {} part: '{}'", detection_filter ? "detection_filter" : "threshold", part);
  return false;
}

template <bool detection_filter>
void set_threshold(RuleDraft& draft, const Option& option) {
  if (draft.rule.threshold.kind != ThresholdKind::kNone) {
    return draft.problems.syntax(option.name, "a rule takes one threshold or detection_filter");
  }
  Threshold threshold;
  if (detection_filter) threshold.kind = ThresholdKind::kDetectionFilter;
  uint32_t parts = 0;
  for (const std::string_view part : split(option.value, ',')) {
    if (!read_threshold_part(draft, part, detection_filter, threshold)) return;
    ++parts;
  }
  const bool backoff = threshold.kind == ThresholdKind::kBackoff;
  const bool complete = threshold.kind != ThresholdKind::kNone && threshold.count > 0 &&
                        (backoff ? threshold.multiplier > 0 : threshold.seconds > 0) &&
                        parts == (detection_filter ? 3u : 4u);
  if (!complete) {
    return draft.problems.syntax(option.value, "{} needs {}track, count and {}", option.name,
                                 detection_filter ? "" : "type, ", backoff ? "multiplier" : "seconds");
  }
  draft.rule.threshold = threshold;
}

using enum ValueShape;

constexpr KeywordInfo kKeywords[] = {
    {"msg", kQuoted, &set_message},
    {"sid", kRequired, &set_number_once<&Rule::sid, &RuleDraft::has_sid, 1>},
    {"gid", kRequired, &set_number_once<&Rule::gid, &RuleDraft::has_gid, 0>},
    {"rev", kRequired, &set_number_once<&Rule::rev, &RuleDraft::has_rev, 1>},
    {"classtype", kRequired, &set_classtype},
    {"priority", kRequired, &set_priority},
    {"metadata", kText, &add_metadata},
    {"reference", kRequired, &add_reference},
    {"target", kRequired, &set_target},
    {"noalert", kNone, &set_noalert},
    {"flow", kRequired, &set_flow},
    {"flowbits", kRequired, &add_flowbits},
    {"threshold", kRequired, &set_threshold<false>},
    {"detection_filter", kRequired, &set_threshold<true>},
    {"tag", kRequired, &ignore},
    {"prefilter", kNone, &ignore},
};

}  // namespace

std::span<const KeywordInfo> about_keywords() {
  return kKeywords;
}

}  // namespace gatetape
