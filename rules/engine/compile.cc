#include "rules/engine/compile.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <optional>
#include <set>

#include "rules/engine/compile_rule.h"
#include "rules/engine/fast_pattern.h"
#include "rules/engine/prefilter_jobs.h"

namespace gatetape {
namespace {

// Literals that must end within so many bytes of a payload are scanned for there only.
constexpr uint32_t kNearBytes = 128;

}  // namespace

// Builds one RuleSet: its rules in order, then for each pair of zones and each direction the lists of rules and the
// literals that lead to them.
class RuleSetBuilder {
 public:
  explicit RuleSetBuilder(ParsedRules parsed) : set_(std::make_shared<RuleSet>()) { set_->parsed_ = std::move(parsed); }

  Result<std::shared_ptr<const RuleSet>> build(DatabaseCache& cache) {
    if (auto compiled = compile_rules(); !compiled) return pass_on(compiled);
    std::vector<const AddressSet*> sets;
    for (const Rule& rule : set_->parsed_.rules) {
      sets.push_back(rule.source.get());
      sets.push_back(rule.destination.get());
    }
    set_->zones_ = AddressZones::of(sets);
    for (size_t source = 0; source < set_->zones_.count(); ++source) {
      for (size_t destination = 0; destination < set_->zones_.count(); ++destination) {
        for (const Direction d : {Direction::kToServer, Direction::kToClient}) index_zone(source, destination, d);
      }
    }
    auto built = jobs_.build(cache, [this] { compile_expressions(); });
    if (!built) return pass_on(built);
    for (PrefilterJobs::Built& one : *built) {
      set_->prefilter_info_.push_back({one.name, one.prefilter.get()});
      set_->prefilters_.push_back(std::move(one.prefilter));
    }
    return std::shared_ptr<const RuleSet>(std::move(set_));
  }

 private:
  Result<void> compile_rules();
  void compile_expressions();
  void index_zone(size_t source, size_t destination, Direction direction);
  void index_http(uint32_t rule, Direction direction, ZoneRules& zone);
  void index_packet(uint32_t rule, Direction direction, ZoneRules& zone);
  void index_stream(uint32_t rule, Direction direction, ZoneRules& zone);
  bool meets(const Rule& rule, size_t source, size_t destination) const;

  std::shared_ptr<RuleSet> set_;
  std::vector<std::array<std::optional<FastPatternChoice>, 2>> choices_;  // by rule and direction
  // The literals of the zone being indexed.
  std::array<PrefilterLiterals, kBufferCount> head_literals_;
  PrefilterLiterals body_literals_, stream_literals_;
  std::array<PrefilterLiterals, kPacketKindCount> near_literals_, whole_literals_;
  PrefilterJobs jobs_;
};

Result<std::shared_ptr<const RuleSet>> RuleSet::compile(ParsedRules parsed, DatabaseCache& cache) {
  return RuleSetBuilder(std::move(parsed)).build(cache);
}

Result<void> RuleSetBuilder::compile_rules() {
  std::vector<FlowbitId> flowbits;
  for (const std::string_view name : set_->parsed_.flowbit_names) {
    auto id = FlowbitNames::of_process().id_of(name);
    if (!id) return pass_on(id);
    flowbits.push_back(*id);
  }
  std::vector<const Rule*> order;
  for (const Rule& rule : set_->parsed_.rules) order.push_back(&rule);
  std::stable_sort(order.begin(), order.end(), [](const Rule* a, const Rule* b) { return is_before(*a, *b); });
  for (const Rule* rule : order) {
    CompiledRule& compiled = set_->rules_.emplace_back(compile_rule(*rule, flowbits, set_->needles_));
    auto& choices = choices_.emplace_back();
    for (const Direction d : {Direction::kToServer, Direction::kToClient}) {
      auto& choice = choices[static_cast<size_t>(index(d))];
      choice = choose_fast_pattern(*rule, d);
      if (choice) compiled.literal_ends_within[static_cast<size_t>(index(d))] = choice->ends_within;
    }
  }
  return {};
}

// An expression that the JIT refuses is interpreted.
void RuleSetBuilder::compile_expressions() {
  std::set<pcre2_code*> expressions;
  for (const Rule& rule : set_->parsed_.rules) {
    for (const InspectionGroup& group : rule.groups) {
      for (const Element& element : group.elements) {
        if (const auto* e = std::get_if<PcreElement>(&element)) expressions.insert(e->code.get());
      }
    }
  }
  for (pcre2_code* expression : expressions) pcre2_jit_compile(expression, PCRE2_JIT_COMPLETE);
}

bool RuleSetBuilder::meets(const Rule& rule, size_t source, size_t destination) const {
  const AddressZones& zones = set_->zones_;
  if (zones.meets(*rule.source, source) && zones.meets(*rule.destination, destination)) return true;
  return rule.bidirectional && zones.meets(*rule.destination, source) && zones.meets(*rule.source, destination);
}

void RuleSetBuilder::index_zone(size_t source, size_t destination, Direction direction) {
  ZoneRules& zone = set_->zone_rules_[source][destination][static_cast<size_t>(index(direction))];
  for (uint32_t i = 0; i < set_->rules_.size(); ++i) {
    const CompiledRule& compiled = set_->rules_[i];
    const uint8_t moments = compiled.moments[static_cast<size_t>(index(direction))];
    if (moments == 0 || !meets(*compiled.rule, source, destination)) continue;
    if (moments & (kOnHead | kOnBody)) index_http(i, direction, zone);
    if (moments & kOnPacket) index_packet(i, direction, zone);
    if (moments & kOnStream) index_stream(i, direction, zone);
  }
  using Report = Prefilter::Report;
  for (size_t b = 0; b < kBufferCount; ++b) {
    const auto buffer = static_cast<Buffer>(b);
    if (!head_literals_[b].empty()) zone.head_buffers.push_back(buffer);
    jobs_.add(std::string(to_string(buffer)), direction, head_literals_[b], Report::kOnce, UINT32_MAX, zone.head[b]);
  }
  jobs_.add("body", direction, body_literals_, Report::kOnce, UINT32_MAX, zone.body.prefilter);
  jobs_.add("stream", direction, stream_literals_, Report::kEvery, UINT32_MAX, zone.stream.prefilter);
  static constexpr const char* kKindNames[kPacketKindCount] = {"tcp", "udp", "icmp", "ip"};
  for (size_t k = 0; k < kPacketKindCount; ++k) {
    const std::string name = std::string(kKindNames[k]) + " packet";
    jobs_.add(name + " start", direction, near_literals_[k], Report::kOnce, kNearBytes, zone.packet[k].near);
    jobs_.add(name, direction, whole_literals_[k], Report::kOnce, UINT32_MAX, zone.packet[k].whole);
  }
}

void RuleSetBuilder::index_http(uint32_t rule, Direction direction, ZoneRules& zone) {
  const CompiledRule& compiled = set_->rules_[rule];
  const bool waits = (compiled.moments[static_cast<size_t>(index(direction))] & kOnBody) != 0;
  const auto& choice = choices_[rule][static_cast<size_t>(index(direction))];
  if (!choice) {
    (waits ? zone.body.always : zone.head_always).push_back(rule);
    return;
  }
  const Buffer buffer = compiled.rule->groups[choice->group].buffer;
  const std::pair literal(choice->literal, choice->caseless);
  if (is_body(buffer) || buffer == Buffer::kPayload) body_literals_[literal].push_back(rule);
  if (!is_body(buffer)) head_literals_[static_cast<size_t>(buffer)][literal].push_back(rule);
}

void RuleSetBuilder::index_packet(uint32_t rule, Direction direction, ZoneRules& zone) {
  const CompiledRule& compiled = set_->rules_[rule];
  const auto& choice = choices_[rule][static_cast<size_t>(index(direction))];
  const bool on_stream = (compiled.moments[static_cast<size_t>(index(direction))] & kOnStream) != 0;
  for (size_t k = 0; k < kPacketKindCount; ++k) {
    const auto kind = static_cast<PacketKind>(k);
    if (!applies_to(*compiled.rule, kind)) continue;
    // The payload of an `ip` rule is, on TCP, the stream's, unless positions count.
    if (kind == PacketKind::kTcp && on_stream && !(tcp_moments(*compiled.rule) & kOnPacket)) continue;
    if (choice) {
      const std::pair literal(choice->literal, choice->caseless);
      (choice->ends_within <= kNearBytes ? near_literals_ : whole_literals_)[k][literal].push_back(rule);
    } else {
      (!compiled.rule->groups.empty() ? zone.packet[k].always_payload : zone.packet[k].always).push_back(rule);
    }
  }
}

void RuleSetBuilder::index_stream(uint32_t rule, Direction direction, ZoneRules& zone) {
  const auto& choice = choices_[rule][static_cast<size_t>(index(direction))];
  if (choice) {
    stream_literals_[{choice->literal, choice->caseless}].push_back(rule);
  } else {
    zone.stream.always.push_back(rule);
  }
}

}  // namespace gatetape
