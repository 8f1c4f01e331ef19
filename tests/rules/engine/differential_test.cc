// Pre-filter and confirmation against a search that tries everything, and any division of the same bytes against one.
#include <random>

#include "tests/rules/engine/engine_support.h"

namespace gatetape {
namespace {

using engine_test::compile_text;
using engine_test::Exchange;
using engine_test::Talk;

struct NaiveContent {
  std::string bytes;
  bool nocase = false, negated = false, relative = false;
  int offset = 0, depth = -1, distance = 0, within = -1;

  std::string options() const {
    std::string out = std::string("content:") + (negated ? "!" : "") + '"' + bytes + "\";";
    if (nocase) out += " nocase;";
    if (relative) {
      out += " distance:" + std::to_string(distance) + ";";
      if (within >= 0) out += " within:" + std::to_string(within) + ";";
    } else {
      if (offset > 0) out += " offset:" + std::to_string(offset) + ";";
      if (depth >= 0) out += " depth:" + std::to_string(depth) + ";";
    }
    return out + " ";
  }
  bool lies_at(const std::string& text, int at, int previous_end) const {
    const int size = static_cast<int>(bytes.size());
    int from = offset, to = static_cast<int>(text.size());
    if (relative) {
      from = std::max(0, previous_end + distance);
      if (within >= 0) to = std::min(to, previous_end + distance + within);
    } else if (depth >= 0) {
      to = std::min(to, offset + depth);
    }
    if (at < from || at + size > to) return false;
    for (int i = 0; i < size; ++i) {
      const char a = text[static_cast<size_t>(at + i)], b = bytes[static_cast<size_t>(i)];
      if (nocase ? std::tolower(a) != std::tolower(b) : a != b) return false;
    }
    return true;
  }
};

bool naive(const std::vector<NaiveContent>& contents, size_t i, const std::string& text, int previous_end) {
  if (i == contents.size()) return true;
  const NaiveContent& content = contents[i];
  for (int at = 0; at < static_cast<int>(text.size()); ++at) {
    if (!content.lies_at(text, at, previous_end)) continue;
    if (content.negated) return false;
    if (naive(contents, i + 1, text, at + static_cast<int>(content.bytes.size()))) return true;
  }
  return content.negated && naive(contents, i + 1, text, previous_end);
}

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  int below(int n) { return static_cast<int>(engine_() % static_cast<uint64_t>(n)); }
  std::string text(int size) {
    std::string out;
    for (int i = 0; i < size; ++i) out += "abAB"[below(4)];
    return out;
  }

 private:
  std::mt19937_64 engine_;
};

std::vector<NaiveContent> random_contents(Random& random, bool positive) {
  std::vector<NaiveContent> contents(static_cast<size_t>(1 + random.below(4)));
  for (size_t i = 0; i < contents.size(); ++i) {
    NaiveContent& c = contents[i];
    c.bytes = random.text(1 + random.below(3));
    c.nocase = random.below(3) == 0;
    c.negated = !positive && random.below(4) == 0;
    // Relative to a negated content has no meaning of its own.
    c.relative = i > 0 && !contents[i - 1].negated && random.below(2) == 0;
    if (c.relative) {
      c.distance = random.below(6) - 2;
      if (random.below(2)) c.within = static_cast<int>(c.bytes.size()) + random.below(4);
    } else if (!positive) {
      if (random.below(3) == 0) c.offset = random.below(5);
      if (random.below(3) == 0) c.depth = static_cast<int>(c.bytes.size()) + random.below(8);
    }
  }
  return contents;
}

uint64_t fresh_seed() {
  return std::random_device{}();
}

TEST_CASE("random rules on random payloads, against trying everything") {
  const uint64_t seed = fresh_seed();
  INFO("seed " << seed);
  Random random(seed);
  for (int round = 0; round < 30; ++round) {
    std::vector<std::vector<NaiveContent>> rules;
    std::string text;
    for (uint32_t sid = 1; sid <= 60; ++sid) {
      rules.push_back(random_contents(random, false));
      text += "alert udp any any -> any any (";
      for (const NaiveContent& c : rules.back()) text += c.options();
      text += "sid:" + std::to_string(sid) + ";)\n";
    }
    Talk talk(compile_text(text));
    talk.decoded.protocol = kProtocolUdp;
    for (int i = 0; i < 40; ++i) {
      const std::string payload = random.text(random.below(24));
      std::vector<uint32_t> found = talk.packet(payload);
      std::sort(found.begin(), found.end());
      std::vector<uint32_t> expected;
      for (uint32_t sid = 1; sid <= rules.size(); ++sid) {
        if (!payload.empty() && naive(rules[sid - 1], 0, payload, 0)) expected.push_back(sid);
      }
      if (found != expected) {
        INFO(text << "payload " << payload);
        REQUIRE(found == expected);
      }
    }
  }
}

std::vector<std::string_view> random_division(Random& random, std::string_view bytes) {
  std::vector<std::string_view> pieces;
  while (!bytes.empty()) {
    const size_t size = std::min<size_t>(bytes.size(), static_cast<size_t>(1 + random.below(random.below(4) ? 5 : 40)));
    pieces.push_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return pieces;
}

void add_unique(std::vector<uint32_t>& all, const std::vector<uint32_t>& more) {
  all.insert(all.end(), more.begin(), more.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
}

std::string positive_rules(Random& random, const char* header, const char* buffer) {
  std::string text;
  for (uint32_t sid = 1; sid <= 40; ++sid) {
    text += std::string(header) + " (" + buffer;
    for (const NaiveContent& c : random_contents(random, true)) text += c.options();
    text += "sid:" + std::to_string(sid) + ";)\n";
  }
  return text;
}

TEST_CASE("a stream's hits do not depend on how it is divided") {
  const uint64_t seed = fresh_seed();
  INFO("seed " << seed);
  Random random(seed);
  for (int round = 0; round < 30; ++round) {
    const auto rules = compile_text(positive_rules(random, "alert tcp any any -> any any", ""));
    const std::string bytes = random.text(1 + random.below(120));
    Talk whole(rules);
    std::vector<uint32_t> expected;
    add_unique(expected, whole.stream(bytes));
    for (int division = 0; division < 8; ++division) {
      Talk talk(rules);
      std::vector<uint32_t> found;
      for (const std::string_view piece : random_division(random, bytes)) add_unique(found, talk.stream(piece));
      REQUIRE(found == expected);
    }
  }
}

TEST_CASE("a body's hits do not depend on how it is divided, nor on having been seen before") {
  const uint64_t seed = fresh_seed();
  INFO("seed " << seed);
  Random random(seed);
  const auto direction = Direction::kToClient;
  for (int round = 0; round < 30; ++round) {
    const auto rules = compile_text(positive_rules(random, "alert http any any -> any any", "file.data; "));
    const std::string bytes = random.text(1 + random.below(600));
    Exchange exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nServer: b\r\n\r\n");
    Talk talk(rules);
    std::vector<uint32_t> expected = talk.message(exchange, direction, {bytes});
    talk.transaction_end(exchange);
    for (int division = 0; division < 8; ++division) {
      ++exchange.id;
      REQUIRE(talk.message(exchange, direction, random_division(random, bytes)) == expected);
      talk.transaction_end(exchange);
    }
  }
}

}  // namespace
}  // namespace gatetape
