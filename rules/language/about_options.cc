// Options about the rule as a whole: identity, class, references, flow, flowbits, thresholds.
#include <algorithm>

#include "rules/language/classification.h"
#include "rules/language/option_values.h"
#include "rules/language/rule_builder.h"

namespace gatetape {

void RuleBuilder::apply_about_rule(const Option& option) {
  switch (option.info->keyword) {
    case Keyword::kMessage: {
      if (std::exchange(has_message_, true)) return syntax_error(option.name, "msg is given twice");
      std::string storage;
      const std::string_view message = unescape(option.value, storage);
      rule_.message = message.data() == storage.data() ? context_.keep(message) : message;
      return;
    }
    case Keyword::kSid:
      return set_number_once(option, rule_.sid, 1, has_sid_);
    case Keyword::kGid:
      return set_number_once(option, rule_.gid, 0, has_gid_);
    case Keyword::kRev:
      return set_number_once(option, rule_.rev, 1, has_rev_);
    case Keyword::kClasstype:
      return set_classtype(option);
    case Keyword::kPriority:
      return set_priority(option);
    case Keyword::kMetadata:
      return add_metadata(option);
    case Keyword::kReference:
      return add_reference(option);
    case Keyword::kTarget:
      return set_target(option);
    case Keyword::kFlow:
      return set_flow(option);
    case Keyword::kFlowbits:
      return add_flowbits(option);
    case Keyword::kThreshold:
      return set_threshold(option, false);
    case Keyword::kDetectionFilter:
      return set_threshold(option, true);
    default:
      rule_.noalert = true;
  }
}

void RuleBuilder::set_number_once(const Option& option, uint32_t& field, uint32_t lowest, bool& seen) {
  if (std::exchange(seen, true)) return syntax_error(option.name, "{} is given twice", option.name);
  const auto number = parse_unsigned(option.value, UINT32_MAX);
  if (!number || *number < lowest) {
    return syntax_error(option.value, "{} is not a number from {} to {}: {}", option.name, lowest, UINT32_MAX,
                        option.value);
  }
  field = static_cast<uint32_t>(*number);
}

// Of several classtypes and priorities, the most severe counts; a priority outweighs any class.
void RuleBuilder::set_classtype(const Option& option) {
  const Classification* found = find_classification(option.value);
  const Classification& standard = found != nullptr ? *found : kUnknownClassification;
  const Classification* previous = find_classification(rule_.classtype);
  if (previous != nullptr && previous->priority <= standard.priority) return;
  rule_.classtype = option.value;
  rule_.category = standard.description;
  if (!has_priority_) rule_.priority = standard.priority;
}

void RuleBuilder::set_priority(const Option& option) {
  const auto number = parse_unsigned(option.value, 255);
  if (!number || *number == 0) return syntax_error(option.value, "priority is not a number from 1 to 255");
  const auto priority = static_cast<uint8_t>(*number);
  rule_.priority = has_priority_ ? std::min(rule_.priority, priority) : priority;
  has_priority_ = true;
}

void RuleBuilder::add_metadata(const Option& option) {
  if (rule_.metadata.empty()) {
    rule_.metadata = option.value;
  } else {
    rule_.metadata = context_.keep(fmt::format("{}, {}", rule_.metadata, option.value));
  }
}

void RuleBuilder::add_reference(const Option& option) {
  std::string_view id = option.value;
  const std::string_view system = next_part(id, ',');
  id = trimmed(id);
  if (system.empty() || id.empty()) return syntax_error(option.value, "reference needs SYSTEM,ID");
  rule_.references.push_back({system, id});
}

void RuleBuilder::set_target(const Option& option) {
  if (option.value == "src_ip") {
    rule_.target = RuleTarget::kSource;
  } else if (option.value == "dest_ip") {
    rule_.target = RuleTarget::kDestination;
  } else {
    syntax_error(option.value, "target is src_ip or dest_ip, not {}", option.value);
  }
}

void RuleBuilder::set_flow(const Option& option) {
  if (rule_.flow.given) return syntax_error(option.name, "flow is given twice");
  rule_.flow.given = true;
  for (const std::string_view word : split(option.value, ',')) {
    const auto is = [&](std::string_view name) { return equal_without_case(word, name); };
    if (is("established")) {
      set_flow_state(word, FlowState::kEstablished);
    } else if (is("not_established")) {
      set_flow_state(word, FlowState::kNotEstablished);
    } else if (is("stateless")) {
      set_flow_state(word, FlowState::kStateless);
    } else if (is("to_server") || is("toserver") || is("from_client") || is("fromclient")) {
      set_flow_direction(word, FlowDirection::kToServer);
    } else if (is("to_client") || is("toclient") || is("from_server") || is("fromserver")) {
      set_flow_direction(word, FlowDirection::kToClient);
    } else if (is("only_stream")) {
      set_flow_data(word, FlowData::kOnlyStream);
    } else if (is("no_stream")) {
      set_flow_data(word, FlowData::kNoStream);
    } else if (is("no_frag") || is("only_frag")) {
      unsupported(word, "keyword", is("no_frag") ? "flow:no_frag" : "flow:only_frag");
    } else {
      syntax_error(word.empty() ? option.value : word, "unknown flow option: {}", word);
    }
  }
}

void RuleBuilder::set_flow_state(std::string_view word, FlowState state) {
  if (rule_.flow.state != FlowState::kAny) return syntax_error(word, "{} conflicts with an earlier flow option", word);
  rule_.flow.state = state;
}

void RuleBuilder::set_flow_direction(std::string_view word, FlowDirection direction) {
  if (rule_.flow.direction != FlowDirection::kAny) {
    return syntax_error(word, "{} conflicts with an earlier flow option", word);
  }
  rule_.flow.direction = direction;
  direction_where_ = word;
}

void RuleBuilder::set_flow_data(std::string_view word, FlowData data) {
  if (rule_.flow.data != FlowData::kAny) return syntax_error(word, "{} conflicts with an earlier flow option", word);
  rule_.flow.data = data;
  std::string_view& where = data == FlowData::kOnlyStream ? stream_where_ : packet_where_;
  if (where.empty()) where = word;
}

void RuleBuilder::add_flowbits(const Option& option) {
  std::string_view names = option.value;
  const std::string_view command = next_part(names, ',');
  names = trimmed(names);
  if (command == "noalert") {
    rule_.noalert = true;
    if (!names.empty()) syntax_error(names, "flowbits:noalert takes no name");
    return;
  }
  constexpr std::pair<std::string_view, FlowbitOperation> kOperations[] = {{"set", FlowbitOperation::kSet},
                                                                           {"unset", FlowbitOperation::kUnset},
                                                                           {"toggle", FlowbitOperation::kToggle},
                                                                           {"isset", FlowbitOperation::kIsSet},
                                                                           {"isnotset", FlowbitOperation::kIsNotSet}};
  const auto* operation = std::find_if(std::begin(kOperations), std::end(kOperations),
                                       [&](const auto& candidate) { return candidate.first == command; });
  if (operation == std::end(kOperations)) return syntax_error(command, "unknown flowbits command: {}", command);
  if (names.empty()) return syntax_error(command, "flowbits:{} needs a name", command);
  const bool tests = operation->second == FlowbitOperation::kIsSet || operation->second == FlowbitOperation::kIsNotSet;
  FlowbitTest test{operation->second, {}};
  for (const std::string_view name : split(names, '|')) {
    if (name.empty() || name.find_first_of(" \t") != std::string_view::npos) {
      return syntax_error(name.empty() ? names : name, "bad flowbits name: '{}'", name);
    }
    test.bits.push_back(context_.flowbit(name));
  }
  if (test.bits.size() > 1 && !tests) return syntax_error(names, "flowbits:{} takes one name", command);
  rule_.flowbits.push_back(std::move(test));
}

void RuleBuilder::set_threshold(const Option& option, bool detection_filter) {
  if (rule_.threshold.kind != ThresholdKind::kNone) {
    return syntax_error(option.name, "a rule takes one threshold or detection_filter");
  }
  Threshold threshold;
  if (detection_filter) threshold.kind = ThresholdKind::kDetectionFilter;
  uint32_t parts = 0;
  for (const std::string_view part : split(option.value, ',')) {
    if (!set_threshold_part(threshold, part, detection_filter)) return;
    ++parts;
  }
  const bool backoff = threshold.kind == ThresholdKind::kBackoff;
  const bool complete = threshold.kind != ThresholdKind::kNone && threshold.count > 0 &&
                        (backoff ? threshold.multiplier > 0 : threshold.seconds > 0) &&
                        parts == (detection_filter ? 3u : 4u);
  if (!complete) {
    return syntax_error(option.value, "{} needs {}track, count and {}", option.name, detection_filter ? "" : "type, ",
                        backoff ? "multiplier" : "seconds");
  }
  rule_.threshold = threshold;
}

bool RuleBuilder::set_threshold_part(Threshold& threshold, std::string_view part, bool detection_filter) {
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
    unsupported(part, "keyword", "detection_filter:unique_on");
    return false;
  }
  syntax_error(part, "bad {} part: '{}'", detection_filter ? "detection_filter" : "threshold", part);
  return false;
}

}  // namespace gatetape
