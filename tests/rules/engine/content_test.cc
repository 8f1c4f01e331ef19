#include "tests/rules/engine/engine_support.h"

namespace gatetape {
namespace {

using engine_test::compile_text;
using engine_test::Talk;

struct ContentCase {
  const char* options;
  const char* payload;
  bool matches;
};

bool matches(const std::string& options, std::string_view payload) {
  Talk talk(compile_text("alert udp any any -> any any (" + options + " sid:1;)"));
  talk.decoded.protocol = kProtocolUdp;
  return !talk.packet(payload).empty();
}

TEST_CASE("payload keywords mean what Suricata says") {
  const ContentCase cases[] = {
      // content
      {"content:\"abc\";", "xxabcxx", true},
      {"content:\"abc\";", "xxaBcxx", false},
      {"content:\"aBC\"; nocase;", "xxAbcxx", true},
      {"content:\"a|0d 0a|b\";", "a\r\nb", true},
      {"content:\"abc\"; content:\"abc\";", "abc", true},
      {"content:!\"abc\";", "xx", true},
      {"content:!\"abc\";", "abc", false},
      {"content:\"x\"; content:!\"abc\";", "xabc", false},
      // offset and depth
      {"content:\"abc\"; offset:1;", "abc", false},
      {"content:\"abc\"; offset:1;", "xabc", true},
      {"content:\"abc\"; depth:3;", "abcd", true},
      {"content:\"abc\"; depth:3;", "xabc", false},
      {"content:\"abc\"; offset:1; depth:3;", "xabc", true},
      {"content:\"abc\"; offset:1; depth:3;", "xxabc", false},
      {"content:\"x\"; content:!\"abc\"; depth:5;", "xxxxabc", true},
      {"content:\"x\"; content:!\"abc\"; depth:5;", "xxabc", false},
      {"content:\"abc\"; startswith;", "abcx", true},
      {"content:\"abc\"; startswith;", "xabc", false},
      {"content:\"abc\"; endswith;", "xabc", true},
      {"content:\"abc\"; endswith;", "abcx", false},
      {"content:\"abc\"; endswith;", "abcabc", true},
      {"content:\"abc\"; startswith; endswith;", "abc", true},
      {"content:\"abc\"; startswith; endswith;", "abcabc", false},
      {"content:\"x\"; content:!\"abc\"; endswith;", "xabc", false},
      {"content:\"x\"; content:!\"abc\"; endswith;", "abcx", true},
      // distance and within, with the search going back to a later first match
      {"content:\"abc\"; content:\"de\"; distance:0;", "abcde", true},
      {"content:\"abc\"; content:\"de\"; distance:0;", "deabc", false},
      {"content:\"abc\"; content:\"de\"; distance:1;", "abcde", false},
      {"content:\"abc\"; content:\"de\"; distance:1;", "abcxde", true},
      {"content:\"abc\"; content:\"bc\"; distance:-2;", "abc", true},
      {"content:\"abc\"; content:\"abc\"; distance:-10;", "abc", true},
      {"content:\"abc\"; content:\"de\"; within:2;", "abcde", true},
      {"content:\"abc\"; content:\"de\"; within:2;", "abcxde", false},
      {"content:\"abc\"; content:\"de\"; distance:1; within:2;", "abcxde", true},
      {"content:\"abc\"; content:\"de\"; within:2;", "abcxabcde", true},
      {"content:\"a\"; content:\"b\"; within:1; content:\"c\"; within:1;", "abxabxabc", true},
      {"content:\"a\"; content:\"b\"; within:1; content:\"c\"; within:1;", "abxabxab", false},
      {"content:\"a\"; content:!\"b\"; within:1;", "abab", false},
      {"content:\"a\"; content:!\"b\"; within:1;", "abac", true},
      {"content:\"a\"; content:!\"b\"; distance:0;", "bba", true},
      {"content:\"a\"; content:!\"b\"; distance:0;", "bbab", false},
      // pcre
      {"pcre:\"/ab+c/\";", "xabbbc", true},
      {"pcre:\"/ab+c/\";", "xac", false},
      {"pcre:\"/AB+C/i\";", "xabbbc", true},
      {"pcre:!\"/ab+c/\";", "xac", true},
      {"content:\"x\"; pcre:\"/^ab/R\";", "zzxab", true},
      {"content:\"x\"; pcre:\"/^ab/R\";", "abxzz", false},
      {"content:\"x\"; pcre:\"/^ab/R\";", "xzxab", true},
      {"content:\"x\"; pcre:\"/\\d+/R\"; content:\"y\"; within:1;", "x1z22y", true},
      // isdataat
      {"content:\"abc\"; isdataat:3;", "abcd", true},
      {"content:\"abc\"; isdataat:4;", "abcd", false},
      {"content:\"abc\"; isdataat:1,relative;", "abcd", true},
      {"content:\"abc\"; isdataat:2,relative;", "abcd", false},
      {"content:\"abc\"; isdataat:!1,relative;", "abc", true},
      {"content:\"abc\"; isdataat:!1,relative;", "abcd", false},
      {"content:\"abc\"; isdataat:!1,relative;", "abcdabc", true},
      // numbers
      {"content:\"L\"; byte_test:1,>,64,0,relative;", "LA", true},
      {"content:\"L\"; byte_test:1,>,65,0,relative;", "LA", false},
      {"content:\"L\"; byte_test:1,!>,65,0,relative;", "LA", true},
      {"content:\"L\"; byte_test:2,=,16961,0,relative,little;", "LAB", true},
      {"content:\"L\"; byte_test:2,=,16706,0,relative;", "LAB", true},
      {"content:\"L\"; byte_test:2,=,16706,0,relative;", "LA", false},
      {"content:\"L\"; byte_test:3,=,123,0,relative,string,dec;", "L123", true},
      {"content:\"L\"; byte_test:1,&,64,0,relative;", "LA", true},
      {"content:\"L\"; byte_test:1,&,32,0,relative;", "LA", false},
      {"content:\"L\"; byte_jump:1,0,relative,string,dec; content:\"end\"; within:3;", "L2xxend", true},
      {"content:\"L\"; byte_jump:1,0,relative,string,dec; content:\"end\"; within:3;", "L3xxend", false},
      {"content:\"L\"; byte_jump:1,0,relative,string,dec; content:\"e\"; within:1;", "L9xxend", false},
      {"content:\"L\"; byte_extract:1,0,n,relative,string,dec; content:\"end\"; distance:n; within:3;", "L2xxend",
       true},
      {"content:\"L\"; byte_extract:1,0,n,relative,string,dec; content:\"end\"; distance:n; within:3;", "L1xxend",
       false},
      // whole packet
      {"dsize:3;", "abc", true},
      {"dsize:>3;", "abc", false},
      {"dsize:2<>4;", "abc", true},
  };
  for (const ContentCase& c : cases) {
    INFO(c.options << " on " << c.payload);
    CHECK(matches(c.options, c.payload) == c.matches);
  }
}

TEST_CASE("a hostile payload costs a bounded number of steps") {
  std::string options;
  for (int i = 0; i < 12; ++i) options += i == 0 ? "content:\"a\";" : " content:\"a\"; distance:0;";
  options += " content:\"b\"; distance:0; content:\"c\"; distance:0;";
  CHECK_FALSE(matches(options, "bc" + std::string(60000, 'a')));
}

}  // namespace
}  // namespace gatetape
