#include "cli/options.h"

#include <algorithm>
#include <charconv>

#include "cli/commands.h"
#include "cli/output/help_text.h"
#include "cli/output/terminal.h"
#include "common/log_style.h"
#include "common/nearest_word.h"

namespace gatetape {
namespace {

std::optional<bool> switch_of(std::string_view word) {
  for (const std::string_view on : {"yes", "true", "on", "1"}) {
    if (word == on) return true;
  }
  for (const std::string_view off : {"no", "false", "off", "0"}) {
    if (word == off) return false;
  }
  return std::nullopt;
}

}  // namespace

CommandLine::CommandLine(CommandText text) : text_(std::move(text)) {
  options_.reserve(64);  // so that pointers to them stay
  flag("help,h", help_, "show this help");
  this->text("config", "FILE", config_, "read options from FILE, one 'name = value' per line (scripts/gatetape.conf)");
  not_from_config("help");
  not_from_config("config");
}

CommandLine::Option& CommandLine::add(std::string_view name, std::string_view value_name, Kind kind, std::string help) {
  Option option;
  const size_t comma = name.find(',');
  option.name = name.substr(0, comma);
  if (comma != std::string_view::npos) option.letter = name[comma + 1];
  option.value_name = value_name;
  option.help = std::move(help);
  option.kind = kind;
  options_.push_back(std::move(option));
  return options_.back();
}

void CommandLine::flag(std::string_view name, bool& on, std::string help) {
  add(name, "", Kind::kFlag, std::move(help)).set_flag = [&on](bool value) { on = value; };
}

void CommandLine::take(std::string_view name, std::string_view value_name, Take take, std::string help) {
  add(name, value_name, Kind::kOne, std::move(help)).take = std::move(take);
}

void CommandLine::take_each(std::string_view name, std::string_view value_name, Take take, std::string help,
                            Separator separator) {
  Option& option = add(name, value_name, Kind::kList, std::move(help));
  option.take = std::move(take);
  option.separator = separator;
}

void CommandLine::text(std::string_view name, std::string_view value_name, std::string& value, std::string help) {
  take(
      name, value_name,
      [&value](const std::string& given) -> Result<void> {
        value = given;
        return {};
      },
      std::move(help));
}

void CommandLine::list(std::string_view name, std::string_view value_name, std::vector<std::string>& values,
                       std::string help, Separator separator) {
  take_each(
      name, value_name,
      [&values](const std::string& given) -> Result<void> {
        values.push_back(given);
        return {};
      },
      std::move(help), separator);
}

void CommandLine::choice(std::string_view name, std::string& value, std::vector<std::string> words, std::string help) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : "|") + word;
  const auto take_word = [&value, words, all](const std::string& given) -> Result<void> {
    if (std::ranges::find(words, given) == words.end()) {
      return fail("expected {}{}", all, did_you_mean(given, {words.begin(), words.end()}));
    }
    value = given;
    return {};
  };
  take(name, all, take_word, value.empty() ? help : help + " (default: " + value + ")");
}

void CommandLine::take_number(std::string_view name, std::string_view value_name, uint64_t low, uint64_t high,
                              std::string help, std::function<void(uint64_t)> take_it) {
  const auto take_text = [=](const std::string& given) -> Result<void> {
    uint64_t number = 0;
    const char* end = given.data() + given.size();
    const auto [at, error] = std::from_chars(given.data(), end, number);
    if (error != std::errc() || at != end || number < low || number > high) {
      return fail("expected a number from {} to {}", low, high);
    }
    take_it(number);
    return {};
  };
  take(name, value_name, take_text, std::move(help));
}

void CommandLine::require(std::string_view name, std::string why) {
  find(name)->required = std::move(why);
}

void CommandLine::not_from_config(std::string_view name) {
  find(name)->in_config = false;
}

CommandLine::Option* CommandLine::find(std::string_view name) {
  const auto option = std::ranges::find(options_, name, &Option::name);
  return option == options_.end() ? nullptr : &*option;
}

const CommandLine::Option* CommandLine::find(std::string_view name) const {
  const auto option = std::ranges::find(options_, name, &Option::name);
  return option == options_.end() ? nullptr : &*option;
}

CommandLine::Option* CommandLine::find_letter(char letter) {
  const auto option = std::ranges::find(options_, letter, &Option::letter);
  return letter == 0 || option == options_.end() ? nullptr : &*option;
}

bool CommandLine::given(std::string_view name) const {
  return find(name)->given;
}

std::string CommandLine::where(std::string_view name) const {
  const Option* option = find(name);
  return option->place.empty() ? "--" + option->name : option->place + ": " + option->name;
}

std::vector<std::string_view> CommandLine::option_names() const {
  std::vector<std::string_view> names;
  for (const Option& option : options_) {
    if (option.in_config) names.push_back(option.name);
  }
  return names;
}

std::vector<std::string> CommandLine::changed_options(const CommandLine& other) const {
  std::vector<std::string> changed;
  for (const Option& option : options_) {
    const Option* theirs = other.find(option.name);
    if (theirs == nullptr || theirs->values != option.values) changed.push_back(option.name);
  }
  return changed;
}

// ---------------------------------------------------------------- reading

std::optional<int> CommandLine::parse(int argc, char** argv) {
  const Result<void> done = read(std::vector<std::string>(argv + 1, argv + argc));
  if (help_) {
    fmt::print("{}", help_text(terminal_columns()));
    return kExitDone;
  }
  if (!done) return usage_error(done.error().message);
  return std::nullopt;
}

Result<void> CommandLine::read(std::vector<std::string> arguments) {
  arguments_ = std::move(arguments);
  std::vector<Argument> found;
  const Result<void> understood = read_arguments(found);
  if (help_ || !understood) return understood;
  for (const Argument& argument : found) {
    if (Result<void> applied = apply(*argument.option, argument.value); !applied) return applied;
  }
  if (!config_.empty()) {
    if (Result<void> applied = apply_config(); !applied) return applied;
  }
  for (const Option& option : options_) {
    if (!option.required.empty() && !option.given && option.place.empty()) {
      return fail("--{} is missing: {}", option.name, option.required);
    }
  }
  return {};
}

// Goes on after an error, so that --help is found behind it.
Result<void> CommandLine::read_arguments(std::vector<Argument>& found) {
  Result<void> first;
  for (size_t at = 0; at < arguments_.size(); ++at) {
    if (arguments_[at] == "--") {
      if (positional_ != nullptr)
        positional_->insert(positional_->end(), arguments_.begin() + at + 1, arguments_.end());
      break;
    }
    Result<void> understood = read_argument(at, found);
    if (!understood && first) first = std::move(understood);
  }
  return first;
}

Result<void> CommandLine::read_argument(size_t& at, std::vector<Argument>& found) {
  const std::string& word = arguments_[at];
  if (word.size() < 2 || word[0] != '-') {
    if (positional_ == nullptr) return fail("unexpected argument '{}'", word);
    positional_->push_back(word);
    return {};
  }
  const bool is_long = word[1] == '-';
  const size_t name_end = is_long ? std::min(word.find('='), word.size()) : 2;
  const std::string name = is_long ? word.substr(2, name_end - 2) : word.substr(1, 1);
  Option* option = is_long ? find(name) : find_letter(word[1]);
  if (option == nullptr) {
    std::vector<std::string_view> known;
    for (const Option& other : options_) known.push_back(other.name);
    return fail("unknown option '{}'{}", word.substr(0, name_end), did_you_mean(name, known, "--"));
  }
  const bool attached = name_end < word.size();
  if (option->kind == Kind::kFlag) {
    if (attached) return fail("--{} takes no value", option->name);
    option->given = true;
    option->values = {"yes"};
    option->set_flag(true);
    return {};
  }
  std::string value;
  if (attached) {
    value = word.substr(name_end + (is_long ? 1 : 0));
  } else {
    const bool there = at + 1 < arguments_.size();
    const std::string next = there ? arguments_[at + 1] : "";
    const bool is_option = next.starts_with("--") && find(next.substr(2, next.find('=') - 2)) != nullptr;
    if (!there || is_option) return fail("--{} needs a value: {}", option->name, option->value_name);
    value = arguments_[++at];
  }
  if (option->given && option->kind == Kind::kOne) return fail("--{} is given twice", option->name);
  option->given = true;
  found.push_back({option, value});
  return {};
}

Result<void> CommandLine::take_value(Option& option, const std::string& value) {
  option.values.push_back(value);
  Result<void> taken = option.take(value);
  if (!taken) return fail("{} {}: {}", where(option.name), value, taken.error().message);
  return {};
}

Result<void> CommandLine::apply(Option& option, const std::string& value) {
  if (option.kind != Kind::kList || option.separator == Separator::kNone) return take_value(option, value);
  const std::vector<std::string> parts = split_list({value});
  if (parts.empty()) return fail("{}: {} is missing", where(option.name), option.value_name);
  for (const std::string& part : parts) {
    if (Result<void> taken = take_value(option, part); !taken) return taken;
  }
  return {};
}

// ---------------------------------------------------------------- the file

// A file's own lines win over those of the files that it includes; those of one depth make a list together.
Result<void> CommandLine::apply_config() {
  Result<std::vector<ConfigEntry>> entries = read_config(config_);
  if (!entries) return fail("--config {}", entries.error().message);
  std::vector<std::string> of_all = option_names_of_all_commands();
  std::vector<std::string_view> known = option_names();
  known.insert(known.end(), of_all.begin(), of_all.end());
  std::map<std::string_view, unsigned> depth_of;
  for (const ConfigEntry& entry : *entries) {
    if (std::ranges::find(known, entry.name) == known.end()) {
      return fail("{}: unknown option '{}'{}", entry.place.text(), entry.name, did_you_mean(entry.name, known));
    }
    const auto [at, is_new] = depth_of.emplace(entry.name, entry.depth);
    if (!is_new) at->second = std::min(at->second, entry.depth);
  }
  for (const ConfigEntry& entry : *entries) {
    Option* option = find(entry.name);
    if (option == nullptr || !option->in_config || option->given || entry.depth != depth_of[entry.name]) continue;
    if (Result<void> applied = apply_entry(*option, entry); !applied) return applied;
  }
  return {};
}

Result<void> CommandLine::apply_entry(Option& option, const ConfigEntry& entry) {
  if (option.kind != Kind::kList) {
    if (!option.place.empty())
      return fail("{}: {} stands at {} already", entry.place.text(), option.name, option.place);
    if (entry.in_brackets) return fail("{}: {} takes one value", entry.whole.place.text(), option.name);
    option.place = entry.whole.place.text();
    if (option.kind == Kind::kOne) return take_value(option, entry.whole.text);
    const std::optional<bool> on = switch_of(entry.whole.text);
    if (!on) return fail("{} {}: expected yes or no", where(option.name), entry.whole.text);
    if (*on) option.values = {"yes"};
    option.set_flag(*on);
    return {};
  }
  const bool split = entry.in_brackets || option.separator == Separator::kComma;
  for (const ConfigValue& value : split ? entry.list : std::vector{entry.whole}) {
    option.place = value.place.text();
    if (Result<void> taken = take_value(option, value.text); !taken) return taken;
  }
  return {};
}

// ---------------------------------------------------------------- words for people

std::string CommandLine::help_text(size_t columns) const {
  constexpr size_t kIndent = 28;
  std::string out = wrapped(fmt::format("usage: gatetape {} {}", text_.command, text_.usage), columns, 4);
  out += "\n\n" + wrapped(text_.summary, columns) + "\n\nOptions:\n";
  for (const Option& option : options_) {
    std::string name = option.letter == 0 ? "  --" : fmt::format("  -{}, --", option.letter);
    name += option.name + (option.value_name.empty() ? "" : " " + option.value_name);
    out += name;
    if (width_of(name) + 2 > kIndent) {
      out += "\n" + std::string(kIndent, ' ');
    } else {
      out.append(kIndent - width_of(name), ' ');
    }
    out += wrapped(option.help, columns, kIndent) + "\n";
  }
  return out + "\nExamples:\n" + text_.examples;
}

int CommandLine::usage_error(std::string_view message) const {
  log_lines(LogLevel::kError, fmt::format("gatetape {}: {}", text_.command, message));
  log_lines(LogLevel::kError, fmt::format("Try 'gatetape {} --help'.", text_.command));
  return kExitUsage;
}

int CommandLine::failed(const Error& error) const {
  log_lines(LogLevel::kError, fmt::format("gatetape {}: {}", text_.command, error.message));
  return kExitFailed;
}

std::vector<std::string> split_list(const std::vector<std::string>& values) {
  std::vector<std::string> parts;
  for (const std::string& value : values) {
    for (size_t begin = 0; begin <= value.size();) {
      const size_t end = std::min(value.find(',', begin), value.size());
      if (end > begin) parts.push_back(value.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return parts;
}

std::string joined(const std::vector<std::string>& words, std::string_view separator) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : separator).append(word);
  return text;
}

}  // namespace gatetape
