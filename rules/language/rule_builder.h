// One rule from its text: header, then option by option, then what only the whole rule shows. Used by
// rules/language/parser.cc alone; the handlers are spread over about_options.cc, rule_header.cc, rule_options.cc,
// content_options.cc, byte_options.cc, packet_options.cc and rule_checks.cc.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "rules/language/keywords.h"
#include "rules/language/parser.h"
#include "rules/language/rule_lines.h"

namespace gatetape {

// What the rules of one load share.
struct ParseContext {
  ParseContext(const RuleVariables& v, ParsedRules& p, RuleText& t) : variables(v), parsed(p), text(t) {}

  const RuleVariables& variables;
  ParsedRules& parsed;
  RuleText& text;
  std::unordered_map<std::string, std::shared_ptr<const AddressSet>> addresses;
  std::unordered_map<std::string, std::shared_ptr<const PortSet>> ports;
  std::unordered_map<std::string, CompiledPattern> patterns;  // by option letters and pattern
  std::unordered_map<std::string_view, uint32_t> flowbits;

  std::string_view keep(std::string_view string);  // a copy that lives as long as the rules
  std::shared_ptr<const AddressSet> address_set(std::string_view group, GroupError& error);
  std::shared_ptr<const PortSet> port_set(std::string_view group, GroupError& error);
  uint32_t flowbit(std::string_view name);

 private:
  std::string* arena_ = nullptr;  // in text.strings: where `keep` appends
};

class RuleBuilder {
 public:
  RuleBuilder(ParseContext& context, uint32_t file, const RuleLine& line);

  // Problems go into the context's report; true: the rule is sound and in rule().
  bool build();
  Rule& rule() { return rule_; }

 private:
  struct Option {
    const KeywordInfo* info = nullptr;
    std::string_view name;   // as written
    std::string_view value;  // trimmed, without quotes and '!'
    bool negated = false;
  };

  // What the builder knows of a group beyond the group itself.
  struct GroupState {
    std::vector<uint32_t> order;  // per element: when it was written
    std::string_view where;       // the keyword that first used this group
  };

  // rule_header.cc
  bool check_characters();
  bool parse_header(std::string_view& rest);
  std::string_view header_token(std::string_view& rest);
  void parse_action(std::string_view token);
  void parse_protocol(std::string_view token);
  void parse_direction(std::string_view token);
  std::shared_ptr<const AddressSet> parse_addresses(std::string_view token);
  std::shared_ptr<const PortSet> parse_ports(std::string_view token);

  // rule_options.cc
  bool parse_options(std::string_view rest);  // false: could not be read to the end
  void parse_option(std::string_view text);
  bool read_value(Option& option, std::string_view value);
  bool strip_quotes(Option& option, std::string_view value);
  void apply(const Option& option);
  void apply_content(const Option& option);
  void apply_element(const Option& option);
  void apply_packet(const Option& option);
  // about_options.cc
  void apply_about_rule(const Option& option);
  void set_number_once(const Option& option, uint32_t& field, uint32_t lowest, bool& seen);
  void set_classtype(const Option& option);
  void set_priority(const Option& option);
  void add_metadata(const Option& option);
  void add_reference(const Option& option);
  void set_target(const Option& option);
  void set_flow(const Option& option);
  void set_flow_state(std::string_view word, FlowState state);
  void set_flow_direction(std::string_view word, FlowDirection direction);
  void set_flow_data(std::string_view word, FlowData data);
  void add_flowbits(const Option& option);
  void set_threshold(const Option& option, bool detection_filter);
  bool set_threshold_part(Threshold& threshold, std::string_view part, bool detection_filter);

  // content_options.cc
  void set_sticky(const Option& option);
  void leave_sticky();
  void add_transform(const Option& option);
  void add_content(const Option& option);
  void move_content(const Option& option);
  void modify_content(const Option& option);
  void set_position(const Option& option, ContentElement& content);
  void set_starts_with(const Option& option, ContentElement& content);
  void set_fast_pattern(const Option& option, ContentElement& content);
  void add_pcre(const Option& option);
  bool set_pcre_flags(std::string_view flags, PcreElement& pcre, std::optional<Buffer>& buffer);
  CompiledPattern compile(const PcreElement& pcre);
  ContentElement* last_content(const Option& option);

  // byte_options.cc
  void add_is_data_at(const Option& option);
  void add_buffer_size(const Option& option);
  void add_uri_length(const Option& option);
  void add_byte_test(const Option& option);
  void add_byte_jump(const Option& option);
  void add_byte_extract(const Option& option);
  bool read_operand(std::string_view text, int64_t max, Operand& operand);
  bool read_variable(std::string_view name, Operand& operand);
  bool read_bitmask(std::string_view text, ByteField& field);
  bool read_byte_count(std::string_view text, ByteField& field);
  // Words that byte_test, byte_jump and byte_extract share; false: not one of them.
  bool read_field_word(const Option& option, std::string_view word, ByteField& field);
  bool check_field(const Option& option, ByteField& field, uint64_t count_min);

  // packet_options.cc
  void add_packet_number(const Option& option);
  void add_ip_protocol(const Option& option);
  void add_tcp_flags(const Option& option);
  void add_stream_size(const Option& option);

  // rule_groups.cc
  size_t group_index(std::string_view where, Buffer buffer, const std::vector<Transform>& transforms, bool fresh);
  void append(std::string_view where, Element element);  // to the sticky buffer, else the payload
  void append_following(std::string_view where, Element element, bool relative);
  void append_to(std::string_view where, Buffer buffer, Element element);
  void append_to_group(size_t group, Element element, uint32_t order);
  bool matches_sticky(const InspectionGroup& group) const;
  // The element written last among those that `wanted` accepts, in the sticky buffer or, without one, anywhere.
  struct ElementPlace {
    size_t group = 0, element = 0;
  };
  template <class Wanted>
  std::optional<ElementPlace> last_element(Wanted wanted) const;

  // rule_checks.cc
  void finish();
  void check_identity();
  void check_directions();
  void check_protocol();
  void check_packet_and_stream();
  void check_sizes();
  void check_contents_fit(const InspectionGroup& group, std::string_view where, const NumberTest& size);
  void check_lower_case();
  void drop_empty_groups();
  bool inspects_http() const;

  // Problems. `where` points into the rule's text.
  void add_problem(RuleProblemKind kind, std::string_view where, std::string message, std::string_view keyword = {});
  template <class... Args>
  void syntax_error(std::string_view where, fmt::format_string<Args...> format, Args&&... args) {
    add_problem(RuleProblemKind::kSyntax, where, fmt::format(format, std::forward<Args>(args)...));
  }
  // About an option in the light of others: not said of a rule with an unsupported part, whose meaning we do not know.
  template <class... Args>
  void context_error(std::string_view where, fmt::format_string<Args...> format, Args&&... args) {
    if (!unsupported_) syntax_error(where, format, std::forward<Args>(args)...);
  }
  void unsupported(std::string_view where, std::string_view what, std::string_view name);

  ParseContext& context_;
  const RuleLine& line_;
  Rule rule_;
  bool unsupported_ = false;
  bool broken_ = false;
  std::vector<std::string_view> unsupported_names_;  // each is reported once per rule
  size_t first_problem_ = 0;

  // The sticky buffer in force.
  bool sticky_ = false;
  bool sticky_used_ = false;
  Buffer buffer_ = Buffer::kPayload;
  std::vector<Transform> transforms_;
  std::string_view sticky_where_;
  bool sticky_starts_group_ = false;

  std::vector<GroupState> group_states_;  // beside rule_.groups
  uint32_t element_count_ = 0;
  std::vector<std::string_view> variable_names_;
  std::string_view protocol_where_;
  std::string_view packet_where_;     // first thing that ties the rule to single packets
  std::string_view stream_where_;     // first thing that ties it to the stream
  std::string_view direction_where_;  // flow's direction
  bool has_sid_ = false, has_gid_ = false, has_rev_ = false, has_message_ = false, has_priority_ = false;
  bool has_fast_pattern_ = false;
};

template <class Wanted>
std::optional<RuleBuilder::ElementPlace> RuleBuilder::last_element(Wanted wanted) const {
  std::optional<ElementPlace> last;
  uint32_t latest = 0;
  for (size_t g = 0; g < rule_.groups.size(); ++g) {
    const InspectionGroup& group = rule_.groups[g];
    if (sticky_ && !matches_sticky(group)) continue;
    for (size_t e = group.elements.size(); e-- > 0;) {
      if (!wanted(group.elements[e])) continue;
      const uint32_t order = group_states_[g].order[e];
      if (!last || order > latest) {
        last = ElementPlace{g, e};
        latest = order;
      }
      break;
    }
  }
  return last;
}

}  // namespace gatetape
