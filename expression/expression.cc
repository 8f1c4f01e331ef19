#include "expression/expression.h"

#include "expression/expression_parts.h"
#include "expression/link_offsets.h"

namespace gatetape {

namespace {

struct RecordSpan {
  int64_t first_ns = 0, last_ns = 0;
};

// Returns the column that libpcap's message is about: the word that it quotes, or else the start of the piece.
size_t column_of(const ExpressionPiece& piece, const std::string& message) {
  for (const char quote : {'\'', '"'}) {
    const size_t open = message.find(quote);
    const size_t close = open == std::string::npos ? open : message.find(quote, open + 1);
    if (close == std::string::npos || close == open + 1) continue;
    const size_t at = piece.text.find(message.substr(open + 1, close - open - 1));
    if (at != std::string::npos) return piece.node.begin + at + 1;
  }
  return piece.node.begin + piece.text.find_first_not_of(" \t\n\r") + 1;
}

// Compiles the piece for each link type. Adds a note for each link type that it makes no sense for.
Result<void> compile_piece(ExpressionPiece& piece, const std::vector<LinkType>& link_types,
                           std::vector<std::string>& notes) {
  std::string message;
  for (const LinkType type : link_types) {
    if (piece.by_link_type.contains(type)) continue;
    Result<BpfProgram> program = BpfProgram::compile(piece.program, type);
    if (program) {
      piece.by_link_type.emplace(type, std::move(*program));
      continue;
    }
    if (message.empty()) message = program.error().message;
    notes.push_back(fmt::format("'{}' makes no sense on link type {}: {}", piece.text, static_cast<int>(type),
                                program.error().message));
  }
  if (!piece.by_link_type.empty()) return {};
  return fail("column {}: libpcap says of '{}': {}", column_of(piece, message), piece.text, message);
}

Result<void> check_for_records(const ExpressionNode& node, const std::string& text) {
  if (node.kind == ExpressionNode::Kind::kAtom && !node.endpoint_condition) {
    return fail(
        "column {}: '{}' cannot be asked of records, which know addresses, ports and protocols: host, net A/L, port, "
        "portrange, src, dst, ip, ip6, tcp, udp, sctp, icmp, icmp6",
        node.begin + 1, text.substr(node.begin, node.end - node.begin));
  }
  for (const ExpressionNode& child : node.children) {
    if (Result<void> checked = check_for_records(child, text); !checked) return checked;
  }
  return {};
}

// From when to when a record counts.
RecordSpan span_of(const Record& record) {
  if (const auto* http = std::get_if<HttpRecord>(&record)) {
    return {http->timestamp_ns, std::max(http->timestamp_ns, http->response_timestamp_ns)};
  }
  if (const auto* flow = std::get_if<FlowRecord>(&record)) return {flow->first_timestamp_ns, flow->last_timestamp_ns};
  return std::visit(
      [](const auto& concrete) -> RecordSpan {
        if constexpr (requires { concrete.timestamp_ns; }) return {concrete.timestamp_ns, concrete.timestamp_ns};
        return {};
      },
      record);
}

void learn_flow(ConnectionTerm& term, const Record& record, const TimeRange& range) {
  const RecordSpan span = span_of(record);
  if (!range.touches(span.first_ns, span.last_ns)) return;
  if (term.name == OwnName::kField) {
    const RecordTypes type = RecordTypes{1} << std::visit([](const auto& r) { return r.kType; }, record);
    if ((term.of & type) != 0 && fields_hold(term.node, record)) term.flows.insert(flow_id_in(record));
  } else if (const auto* alert = std::get_if<AlertRecord>(&record); alert != nullptr) {
    if (term.node.own.holds(uint64_t{alert->sid})) term.flows.insert(alert->flow_id);
  }
}

// The rules whose number a tree of terms on alerts asks for.
void add_sids(const ExpressionNode& node, std::vector<uint64_t>& sids) {
  const bool by_number = node.own.name == OwnName::kSid || (node.own.field && node.own.field->name() == "alert.sid");
  if (node.kind == ExpressionNode::Kind::kOwn && by_number && node.own.comparison == Comparison::kEqual) {
    sids.push_back(node.own.number);
  }
  for (const ExpressionNode& child : node.children) add_sids(child, sids);
}

}  // namespace

Expression::Expression(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;
Expression::~Expression() = default;

const std::string& Expression::text() const {
  return parts_->text;
}
bool Expression::selects_everything() const {
  return !parts_->root.has_value();
}
RecordTypes Expression::record_types() const {
  RecordTypes types = 0;
  for (const ConnectionTerm& term : parts_->connections) {
    if (term.name == OwnName::kCommunityId) {
      types |= gatetape::record_types<HttpRecord, FlowRecord, AlertRecord>();
    } else {
      types |= term.name == OwnName::kSid ? gatetape::record_types<AlertRecord>() : term.of;
    }
  }
  return types;
}

std::vector<uint64_t> Expression::sids() const {
  std::vector<uint64_t> out;
  for (const ConnectionTerm& term : parts_->connections) add_sids(term.node, out);
  return out;
}

Result<Expression> Expression::parse(std::string_view text) {
  auto parts = std::make_unique<Parts>();
  parts->text = text;
  if (text.find_first_not_of(" \t\n\r") == std::string_view::npos) return Expression(std::move(parts));
  Result<ExpressionNode> node = parse_expression(parts->text);
  parts->offsets_certain = node && offsets_certain(*node, parts->text);
  if (mentions_own_names(text)) {
    if (!node) return pass_on(node);
    split_expression(*parts, *node);
  } else {
    add_whole_piece(*parts, std::move(node));
  }
  return Expression(std::move(parts));
}

Result<std::vector<std::string>> Expression::compile(std::vector<LinkType> link_types) {
  if (link_types.empty()) link_types.push_back(LinkType::kEthernet);
  std::vector<std::string> notes;
  for (ExpressionPiece& piece : parts_->pieces) {
    if (Result<void> compiled = compile_piece(piece, link_types, notes); !compiled) return pass_on(compiled);
  }
  return notes;
}

Result<void> Expression::check_for_records() const {
  for (const ExpressionPiece& piece : parts_->pieces) {
    if (!piece.misunderstood.empty()) return fail("{}", piece.misunderstood);
    if (Result<void> checked = gatetape::check_for_records(piece.node, parts_->text); !checked) return checked;
  }
  return {};
}

void Expression::learn(const Record& record, const TimeRange& range) {
  for (ConnectionTerm& term : parts_->connections) {
    if (term.name != OwnName::kCommunityId) {
      parts_->too_many |= term.flows.size() >= kConnectionsMax;
      if (!parts_->too_many) learn_flow(term, record, range);
    } else if (const Endpoints* endpoints = endpoints_in(record); endpoints != nullptr && !term.endpoints) {
      if (community_id(*endpoints) == term.node.own.text) term.endpoints = *endpoints;
    }
  }
}

Result<void> Expression::learned() const {
  if (!parts_->too_many) return {};
  return fail("more than {} connections match a term on records: narrow the time range", kConnectionsMax);
}

bool Expression::matches(const StoredPacket& packet) {
  std::optional<DecodedPacket> decoded;
  return !parts_->root || parts_->matches(*parts_->root, packet, decoded);
}

bool Expression::matches(const Record& record) {
  const Endpoints* endpoints = endpoints_in(record);
  if (endpoints == nullptr) return false;
  return !parts_->root || parts_->matches(*parts_->root, record, *endpoints);
}

std::string Expression::explain() const {
  if (!parts_->root) return "expression: everything\n";
  std::string out = fmt::format("expression: {}\n", describe(*parts_->root));
  for (const ExpressionPiece& piece : parts_->pieces) {
    if (piece.program != piece.text) out += fmt::format("  compiled in its context: {}\n", piece.program);
  }
  for (const ConnectionTerm& term : parts_->connections) {
    if (term.name != OwnName::kCommunityId)
      out += fmt::format("  connections found in records: {}\n", term.flows.size());
  }
  return out;
}

}  // namespace gatetape
