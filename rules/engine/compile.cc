#include "rules/engine/compile.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "packet/decode.h"
#include "rules/engine/content_inspection.h"
#include "rules/engine/fast_pattern.h"

namespace gatetape {
namespace {

// Literals that must end within so many bytes of a payload are scanned for there only.
constexpr uint32_t kNearBytes = 128;

bool wants_direction(const Rule& rule, Direction direction) {
  if (rule.flow.direction == FlowDirection::kAny) return true;
  return (rule.flow.direction == FlowDirection::kToServer) == (direction == Direction::kToServer);
}

bool has_payload(const Rule& rule) {
  return !rule.groups.empty();
}

bool is_positional(const Rule& rule) {
  for (const InspectionGroup& group : rule.groups) {
    for (const Element& element : group.elements) {
      const auto* content = std::get_if<ContentElement>(&element);
      if (content == nullptr || content->relative) continue;
      if (content->depth || content->offset.is_variable() || content->offset.number != 0) return true;
    }
  }
  return false;
}

// Suricata's rule: payload keywords look at the stream, unless something in the rule is about a packet; what depends on
// positions, or on the stream's size, looks at both.
uint8_t tcp_moments(const Rule& rule) {
  if (rule.protocol == RuleProtocol::kTcpPacket) return kOnPacket;
  if (rule.protocol == RuleProtocol::kTcpStream) return kOnStream;
  if (!has_payload(rule) || !rule.packet_tests.empty() || !rule.tcp_flags.empty()) return kOnPacket;
  if (rule.flow.data == FlowData::kNoStream) return kOnPacket;
  if (rule.flow.data == FlowData::kOnlyStream) return kOnStream;
  return is_positional(rule) || !rule.stream_sizes.empty() ? kOnPacket | kOnStream : kOnStream;
}

// The payload of an HTTP rule may lie in the body: such a rule waits for it. One without any buffer is about packets of
// flows that speak HTTP.
uint8_t http_moments(const Rule& rule, Direction direction) {
  if (rule.groups.empty()) return kOnPacket;
  uint8_t moments = kOnHead;
  bool here = false;
  for (const InspectionGroup& group : rule.groups) {
    const BufferDirections directions = buffer_directions(group.buffer);
    if (directions & side_of(direction)) here = true;
    // A request's buffers are still there when the response comes.
    if (directions == kInResponse && direction == Direction::kToServer) return 0;
    if (is_body(group.buffer) || group.buffer == Buffer::kPayload) moments = kOnBody;
  }
  return here ? moments : 0;
}

bool applies_to(const Rule& rule, PacketKind kind) {
  switch (rule.protocol) {
    case RuleProtocol::kIp:
      return true;
    case RuleProtocol::kUdp:
      return kind == PacketKind::kUdp;
    case RuleProtocol::kIcmp:
      return kind == PacketKind::kIcmp;
    case RuleProtocol::kTcp:
    case RuleProtocol::kTcpPacket:
    case RuleProtocol::kTcpStream:
    case RuleProtocol::kHttp:
    case RuleProtocol::kHttp1:
      return kind == PacketKind::kTcp;
  }
  return false;
}

// What must happen first to a packet comes first: passing, then setting flowbits, then asking for them.
int flowbit_rank(const Rule& rule) {
  bool sets = false, asks = false;
  for (const FlowbitTest& test : rule.flowbits) {
    const bool is_question =
        test.operation == FlowbitOperation::kIsSet || test.operation == FlowbitOperation::kIsNotSet;
    (is_question ? asks : sets) = true;
  }
  return sets && !asks ? 0 : sets ? 1 : asks ? 2 : 3;
}

int element_cost(const InspectionGroup& group) {
  const bool has_expression = std::any_of(group.elements.begin(), group.elements.end(),
                                          [](const Element& e) { return std::holds_alternative<PcreElement>(e); });
  const int buffer = is_body(group.buffer) ? 4 : group.buffer == Buffer::kPayload ? 3 : 1;
  return buffer * 10 + (has_expression ? 5 : 0) + static_cast<int>(std::min<size_t>(group.elements.size(), 4));
}

bool is_relative(const Element& element) {
  if (const auto* content = std::get_if<ContentElement>(&element)) return content->relative;
  if (const auto* expression = std::get_if<PcreElement>(&element)) return expression->relative;
  if (const auto* data_at = std::get_if<IsDataAtElement>(&element)) return data_at->relative;
  if (const auto* test = std::get_if<ByteTestElement>(&element)) return test->field.relative;
  if (const auto* jump = std::get_if<ByteJumpElement>(&element)) return jump->field.relative;
  if (const auto* extract = std::get_if<ByteExtractElement>(&element)) return extract->field.relative;
  return false;
}

}  // namespace

PacketKind packet_kind(uint8_t protocol) {
  switch (protocol) {
    case kProtocolTcp:
      return PacketKind::kTcp;
    case kProtocolUdp:
      return PacketKind::kUdp;
    case kProtocolIcmp:
    case kProtocolIcmpv6:
      return PacketKind::kIcmp;
    default:
      return PacketKind::kOther;
  }
}

// Builds one RuleSet. The pre-filters of the zones are collected first, equal ones once, and compiled by two threads.
class RuleSetBuilder {
 public:
  RuleSetBuilder(ParsedRules parsed, DatabaseCache& cache) : cache_(cache), set_(std::make_shared<RuleSet>()) {
    set_->parsed_ = std::move(parsed);
  }

  Result<std::shared_ptr<const RuleSet>> build() {
    compile_rules();
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
    if (auto built = build_prefilters(); !built) return pass_on(built);
    return std::shared_ptr<const RuleSet>(std::move(set_));
  }

 private:
  using Literals = std::map<std::pair<std::string, bool>, std::vector<uint32_t>>;

  // A pre-filter to be built, and where pointers to it go.
  struct Job {
    std::string name;
    std::vector<PrefilterLiteral> literals;
    Prefilter::Report report = Prefilter::Report::kOnce;
    uint32_t scan_bytes_max = UINT32_MAX;
    std::vector<const Prefilter**> places;
    std::unique_ptr<const Prefilter> built;
    std::optional<Error> error;
  };

  void compile_rules();
  CompiledRule compile_rule(const Rule& rule);
  CompiledGroup compile_group(const InspectionGroup& group);
  void index_zone(size_t source, size_t destination, Direction direction);
  void index_http(uint32_t rule, Direction direction, ZoneRules& zone);
  void index_packet(uint32_t rule, Direction direction, ZoneRules& zone);
  void index_stream(uint32_t rule, Direction direction, ZoneRules& zone);
  bool meets(const Rule& rule, size_t source, size_t destination) const;
  void add_job(std::string name, Direction direction, Literals& literals, Prefilter::Report report,
               uint32_t scan_bytes_max, const Prefilter*& place);
  Result<void> build_prefilters();

  DatabaseCache& cache_;
  std::shared_ptr<RuleSet> set_;
  std::vector<std::array<std::optional<FastPatternChoice>, 2>> choices_;  // by rule and direction
  // Of the zone being indexed.
  std::array<Literals, kBufferCount> head_literals_;
  Literals body_literals_, stream_literals_;
  std::array<Literals, kPacketKindCount> near_literals_, whole_literals_;
  std::deque<Job> jobs_;
  std::map<std::pair<std::string, std::vector<uint32_t>>, Job*> job_of_rules_;
};

Result<std::shared_ptr<const RuleSet>> RuleSet::compile(ParsedRules parsed, DatabaseCache& cache) {
  return RuleSetBuilder(std::move(parsed), cache).build();
}

void RuleSetBuilder::compile_rules() {
  std::vector<const Rule*> order;
  for (const Rule& rule : set_->parsed_.rules) order.push_back(&rule);
  std::stable_sort(order.begin(), order.end(), [](const Rule* a, const Rule* b) {
    const auto key = [](const Rule* r) {
      return std::make_tuple(static_cast<int>(r->action), flowbit_rank(*r), static_cast<int>(r->priority));
    };
    return key(a) < key(b);
  });
  for (const Rule* rule : order) {
    set_->rules_.push_back(compile_rule(*rule));
    auto& choices = choices_.emplace_back();
    for (const Direction d : {Direction::kToServer, Direction::kToClient}) {
      auto& choice = choices[static_cast<size_t>(index(d))];
      choice = choose_fast_pattern(*rule, d);
      if (choice) set_->rules_.back().literal_ends_within[static_cast<size_t>(index(d))] = choice->ends_within;
    }
  }
}

CompiledRule RuleSetBuilder::compile_rule(const Rule& rule) {
  CompiledRule compiled;
  compiled.rule = &rule;
  for (const Direction d : {Direction::kToServer, Direction::kToClient}) {
    if (!wants_direction(rule, d)) continue;
    uint8_t moments = kOnPacket;
    if (rule.http) {
      moments = http_moments(rule, d);
    } else if (applies_to(rule, PacketKind::kTcp)) {
      moments = tcp_moments(rule);
      // Other protocols have no stream.
      if (rule.protocol == RuleProtocol::kIp) moments |= kOnPacket;
    }
    compiled.moments[static_cast<size_t>(index(d))] = moments;
  }
  for (const InspectionGroup& group : rule.groups) compiled.groups.push_back(compile_group(group));
  if (rule.variable_count == 0) {
    std::vector<size_t> by_cost(rule.groups.size());
    for (size_t i = 0; i < by_cost.size(); ++i) by_cost[i] = i;
    std::stable_sort(by_cost.begin(), by_cost.end(),
                     [&](size_t a, size_t b) { return element_cost(rule.groups[a]) < element_cost(rule.groups[b]); });
    std::vector<CompiledGroup> sorted;
    for (const size_t i : by_cost) sorted.push_back(std::move(compiled.groups[i]));
    compiled.groups = std::move(sorted);
  }
  compiled.any_source = rule.source->is_all() && rule.source_ports->is_all();
  compiled.any_destination = rule.destination->is_all() && rule.destination_ports->is_all();
  compiled.positional = is_positional(rule);
  compiled.may_complete_later = rule.groups.size() > 1 || (!rule.groups.empty() && rule.groups[0].elements.size() > 1);
  return compiled;
}

CompiledGroup RuleSetBuilder::compile_group(const InspectionGroup& group) {
  CompiledGroup compiled;
  compiled.buffer = group.buffer;
  compiled.transforms = &group.transforms;
  for (size_t i = 0; i < group.elements.size(); ++i) {
    CompiledElement element;
    element.element = &group.elements[i];
    element.next_is_relative = i + 1 < group.elements.size() && is_relative(group.elements[i + 1]);
    if (const auto* content = std::get_if<ContentElement>(&group.elements[i])) {
      element.needle = content->bytes;
      if (content->nocase) {
        std::string& lower = set_->needles_.emplace_back(content->bytes);
        for (char& c : lower) c = static_cast<char>(to_lower(static_cast<uint8_t>(c)));
        element.needle = lower;
      }
    }
    compiled.elements.push_back(element);
  }
  return compiled;
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
    add_job(std::string(to_string(buffer)), direction, head_literals_[b], Report::kOnce, UINT32_MAX, zone.head[b]);
  }
  add_job("body", direction, body_literals_, Report::kOnce, UINT32_MAX, zone.body.prefilter);
  add_job("stream", direction, stream_literals_, Report::kEvery, UINT32_MAX, zone.stream.prefilter);
  static constexpr const char* kKindNames[kPacketKindCount] = {"tcp", "udp", "icmp", "ip"};
  for (size_t k = 0; k < kPacketKindCount; ++k) {
    const std::string name = std::string(kKindNames[k]) + " packet";
    add_job(name + " start", direction, near_literals_[k], Report::kOnce, kNearBytes, zone.packet[k].near);
    add_job(name, direction, whole_literals_[k], Report::kOnce, UINT32_MAX, zone.packet[k].whole);
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
    // An `ip` rule's payload on TCP is the stream's, unless positions count.
    if (kind == PacketKind::kTcp && on_stream && !(tcp_moments(*compiled.rule) & kOnPacket)) continue;
    if (choice) {
      const std::pair literal(choice->literal, choice->caseless);
      (choice->ends_within <= kNearBytes ? near_literals_ : whole_literals_)[k][literal].push_back(rule);
    } else {
      (has_payload(*compiled.rule) ? zone.packet[k].always_payload : zone.packet[k].always).push_back(rule);
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

void RuleSetBuilder::add_job(std::string name, Direction direction, Literals& literals, Prefilter::Report report,
                             uint32_t scan_bytes_max, const Prefilter*& place) {
  if (literals.empty()) return;
  name += direction == Direction::kToServer ? ", to server" : ", to client";
  // Which rules they are for says which literals they are: a rule has one in a direction.
  std::vector<uint32_t> rules;
  for (const auto& [literal, its_rules] : literals) rules.insert(rules.end(), its_rules.begin(), its_rules.end());
  Job*& job = job_of_rules_[{name, rules}];
  if (job == nullptr) {
    job = &jobs_.emplace_back();
    job->name = std::move(name);
    job->report = report;
    job->scan_bytes_max = scan_bytes_max;
    for (auto& [literal, its_rules] : literals) {
      job->literals.push_back({literal.first, literal.second, std::move(its_rules)});
    }
  }
  job->places.push_back(&place);
  literals.clear();
}

Result<void> RuleSetBuilder::build_prefilters() {
  // The largest first, so that both threads end together.
  std::vector<Job*> order;
  for (Job& job : jobs_) order.push_back(&job);
  std::sort(order.begin(), order.end(),
            [](const Job* a, const Job* b) { return a->literals.size() > b->literals.size(); });
  std::set<pcre2_code*> expressions;
  for (const Rule& rule : set_->parsed_.rules) {
    for (const InspectionGroup& group : rule.groups) {
      for (const Element& element : group.elements) {
        if (const auto* e = std::get_if<PcreElement>(&element)) expressions.insert(e->code.get());
      }
    }
  }
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < order.size(); i = next++) {
      auto built = Prefilter::build(order[i]->literals, order[i]->report, order[i]->scan_bytes_max, cache_);
      if (built) {
        order[i]->built = std::move(*built);
      } else {
        order[i]->error = built.error();
      }
    }
  };
  std::thread helper(work);
  // What the JIT refuses is interpreted.
  for (pcre2_code* expression : expressions) pcre2_jit_compile(expression, PCRE2_JIT_COMPLETE);
  work();
  helper.join();
  for (Job& job : jobs_) {
    if (job.error) return fail("{}: {}", job.name, job.error->message);
    for (const Prefilter** place : job.places) *place = job.built.get();
    set_->prefilter_info_.push_back({job.name, job.built.get()});
    set_->prefilters_.push_back(std::move(job.built));
  }
  return {};
}

}  // namespace gatetape
