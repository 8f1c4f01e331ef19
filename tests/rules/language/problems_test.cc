// Rules that are refused, with the messages and places of their problems.
#include <catch2/catch.hpp>
#include <fstream>

#include "rules/language/report.h"
#include "tests/rules/language/language_support.h"

namespace gatetape::test {
namespace {

// "line:column: message", one per line.
std::string problems_of(const ParsedRules& parsed) {
  std::string out;
  for (const RuleProblem& p : parsed.report.problems) {
    out += fmt::format("{}{}:{}: {}", out.empty() ? "" : "\n", p.location.line, p.location.column, p.message);
  }
  return out;
}

}  // namespace

TEST_CASE("language: broken rules and where they break") {
  struct Case {
    const char* rule;
    const char* problems;
  };
  const Case cases[] = {
      {"alert tcp any any -> any any", "1:29: expected '(' and the rule's options"},
      {"alert tcp any any -> any", "1:25: incomplete rule header: expected destination port"},
      {"alert", "1:6: incomplete rule header: expected protocol"},
      {"alert tcp any any -> any any sid:1;)", "1:30: expected '(' and the rule's options"},
      {"alert tcp any any -> any any (sid:1;", "1:30: missing ')' at the end of the rule"},
      {"alert tcp any any -> any any (sid:1)", "1:31: missing ';' after this option"},
      {"alert tcp any any -> any any (;sid:1;)", "1:31: empty option"},
      {"alert tcp any any -> any any (msg:\"x\";)", "1:1: missing sid"},
      {"alert tcp any any -> any any (sid:0;)", "1:35: sid is not a number from 1 to 4294967295: 0"},
      {"alert tcp any any -> any any (sid:x;)", "1:35: sid is not a number from 1 to 4294967295: x"},
      {"alert tcp any any -> any any (sid:1; sid:2;)", "1:38: sid is given twice"},
      {"alert tcp any any -> any any (sid;)", "1:31: sid needs a value\n1:1: missing sid"},
      {"alrt tcp any any -> any any (sid:1;)", "1:1: unknown action: alrt"},
      {"alert tpc any any -> any any (sid:1;)", "1:7: unknown protocol: tpc"},
      {"alert tcp any any <- any any (sid:1;)", "1:19: not a direction: <- (expected -> or <>)"},
      {"alert tcp $NOWHERE any -> any any (sid:1;)", "1:11: undefined variable: $NOWHERE"},
      {"alert tcp [1.2.3.4,5.6.7] any -> any any (sid:1;)", "1:20: not an address: 5.6.7"},
      {"alert tcp [1.2.3.4,] any -> any any (sid:1;)", "1:20: expected an address"},
      {"alert tcp [1.2.3.4 any -> any any (sid:1;)", "1:43: incomplete rule header: expected source port"},
      {"alert tcp !any any -> any any (sid:1;)", "1:11: no address is left in this group"},
      {"alert tcp [1.2.3.4,!1.2.3.0/24] any -> any any (sid:1;)", "1:11: no address is left in this group"},
      {"alert tcp any 70000 -> any any (sid:1;)", "1:15: not a port: 70000"},
      {"alert tcp any any -> any [80,90:85] (sid:1;)", "1:30: not a port: 90:85"},
      {"alert tcp any any -> any any (sid:1; conten:\"a\";)", "1:38: unknown keyword: conten"},
      {"alert tcp any any -> any any (sid:1; content:\"a\" nocase;)",
       "1:46: missing closing quote or ';' in the value of content"},
      {"alert tcp any any -> any any (sid:1; content:a;)", "1:46: the value of content must be in double quotes"},
      {"alert tcp any any -> any any (sid:1; content:\"\";)", "1:46: content is empty"},
      {"alert tcp any any -> any any (sid:1; content:\"||\";)", "1:47: content is empty"},
      {"alert tcp any any -> any any (sid:1; content:\"a|0|\";)", "1:49: odd number of hex digits"},
      {"alert tcp any any -> any any (sid:1; content:\"a|0g|\";)", "1:50: not a hex digit: 'g'"},
      {"alert tcp any any -> any any (sid:1; content:\"a|00\";)", "1:49: missing '|' after hex digits"},
      {"alert tcp any any -> any any (sid:1; content:\"a\\n\";)", "1:48: invalid escape: \\n"},
      {"alert tcp any any -> any any (sid:1; content:\"a\"b\";)", "1:48: unescaped '\"' in content"},
      {"alert tcp any any -> any any (sid:1; nocase;)", "1:38: nocase needs a content before it"},
      {"alert tcp any any -> any any (sid:1; distance:0;)", "1:38: distance needs a content before it"},
      {"alert tcp any any -> any any (sid:1; http_uri;)", "1:38: http_uri needs a content before it"},
      {"alert tcp any any -> any any (sid:1; content:\"abc\"; depth:2;)",
       "1:59: depth 2 is smaller than the content's 3 bytes"},
      {"alert tcp any any -> any any (sid:1; content:\"abc\"; within:2;)",
       "1:60: within 2 is smaller than the content's 3 bytes"},
      {"alert tcp any any -> any any (sid:1; content:\"a\"; depth:9; distance:1;)",
       "1:60: distance cannot be combined with offset, depth or startswith on the same content"},
      {"alert tcp any any -> any any (sid:1; content:\"a\"; within:9; offset:1;)",
       "1:61: offset cannot be combined with distance or within on the same content"},
      {"alert tcp any any -> any any (sid:1; content:\"a\"; offset:1; startswith;)",
       "1:61: startswith cannot be combined with offset, depth, distance or within"},
      {"alert tcp any any -> any any (sid:1; content:\"a\"; depth:5; depth:6;)",
       "1:60: depth is given twice for this content"},
      {"alert tcp any any -> any any (sid:1; content:\"a\"; depth:-5;)", "1:57: depth cannot be negative"},
      {"alert tcp any any -> any any (sid:1; content:\"a\"; depth:n;)", "1:57: unknown variable: n"},
      {"alert tcp any any -> any any (sid:1; content:\"a\"; offset:65536;)",
       "1:58: not a number from -65535 to 65535: '65536'"},
      {"alert tcp any any -> any any (sid:1; content:!\"a\"; offset:1; fast_pattern;)",
       "1:62: fast_pattern cannot be used on a negated content with a position"},
      {"alert tcp any any -> any any (sid:1; content:\"a\"; fast_pattern; content:\"b\"; fast_pattern;)",
       "1:78: a rule takes one fast_pattern"},
      {"alert tcp any any -> any any (sid:1; content:\"abc\"; fast_pattern:2,2;)",
       "1:66: fast_pattern reaches beyond the content's 3 bytes"},
      {"alert tcp any any -> any any (sid:1; content:\"a\"; fast_pattern:only; distance:0;)",
       "1:70: distance cannot be combined with fast_pattern:only on this content"},
      {"alert tcp any any -> any any (sid:1; pcre:\"/a(/\";)",
       "1:47: expression does not compile: missing closing parenthesis"},
      {"alert tcp any any -> any any (sid:1; pcre:\"a\";)", "1:44: expected /expression/ in the value of pcre"},
      {"alert tcp any any -> any any (sid:1; pcre:\"/a/iK\";)", "1:48: unknown pcre modifier: K"},
      {"alert tcp any any -> any any (sid:1; pcre:\"/a/UH\";)", "1:48: pcre modifiers name two buffers"},
      {"alert http any any -> any any (sid:1; http.uri; pcre:\"/a/H\";)",
       "1:58: this expression asks for http.header while http.uri is set; reset it with pkt_data first"},
      {"alert http any any -> any any (sid:1; http.uri;)", "1:39: nothing is looked for in http.uri"},
      {"alert http any any -> any any (sid:1; http.uri; http.host; content:\"a\";)",
       "1:39: nothing is looked for in http.uri"},
      {"alert http any any -> any any (sid:1; http.uri; content:\"a\"; http_uri;)",
       "1:62: http_uri cannot follow the sticky buffer http.uri; reset it with pkt_data first"},
      {"alert http any any -> any any (sid:1; dotprefix; http.host; content:\"a\";)",
       "1:39: dotprefix must directly follow a sticky buffer"},
      {"alert http any any -> any any (sid:1; http.host; content:\"Abc\";)",
       "1:39: http.host is lower case: write the content so, without nocase"},
      {"alert http any any -> any any (sid:1; http.uri:x; content:\"a\";)", "1:48: http.uri takes no value"},
      {"alert http any any -> any any (sid:1; bsize:5;)", "1:39: bsize needs a sticky buffer before it"},
      {"alert http any any -> any any (sid:1; http.uri; content:\"abc\"; bsize:2;)",
       "1:39: a content of 3 bytes cannot be in http.uri of at most 2 bytes"},
      {"alert tcp any any -> any any (sid:1; dsize:<3; content:\"abc\";)",
       "1:38: a content of 3 bytes cannot be in pkt_data of at most 2 bytes"},
      {"alert udp any any -> any any (sid:1; http.uri; content:\"a\";)",
       "1:38: http.uri cannot be used in a rule for udp"},
      {"alert tcp-pkt any any -> any any (sid:1; http.uri; content:\"a\";)",
       "1:7: tcp-pkt is about single packets and cannot be combined with HTTP buffers"},
      {"alert http any any -> any any (sid:1; dsize:5; http.uri; content:\"a\";)",
       "1:39: dsize is about single packets and cannot be combined with HTTP buffers"},
      {"alert tcp-stream any any -> any any (sid:1; flags:S;)",
       "1:45: flags is about single packets and cannot be combined with tcp-stream"},
      {"alert http any any -> any any (sid:1; flow:to_client; http.uri; content:\"a\";)",
       "1:55: http.uri is in requests only, but the rule looks at responses"},
      {"alert tcp any any -> any any (sid:1; flow:to_client; uricontent:\"abc\";)",
       "1:54: http.uri is in requests only, but the rule looks at responses"},
      {"alert http any any -> any any (sid:1; http.uri; content:\"a\"; http.stat_code; content:\"200\";)",
       "1:62: http.stat_code is in responses only, but the rule looks at requests"},
      {"alert tcp any any -> any any (sid:1; flow:established,not_established;)",
       "1:55: not_established conflicts with an earlier flow option"},
      {"alert tcp any any -> any any (sid:1; flow:to_server,from_server;)",
       "1:53: from_server conflicts with an earlier flow option"},
      {"alert tcp any any -> any any (sid:1; flow:toward;)", "1:43: unknown flow option: toward"},
      {"alert tcp any any -> any any (sid:1; flowbits:setx,a;)", "1:47: unknown flowbits command: setx"},
      {"alert tcp any any -> any any (sid:1; flowbits:set;)", "1:47: flowbits:set needs a name"},
      {"alert tcp any any -> any any (sid:1; flowbits:set,a|b;)", "1:51: flowbits:set takes one name"},
      {"alert tcp any any -> any any (sid:1; dsize:5<>6;)", "1:44: bad dsize: 5<>6"},
      {"alert tcp any any -> any any (sid:1; dsize:70000;)", "1:44: bad dsize: 70000"},
      {"alert tcp any any -> any any (sid:1; flags:SX;)", "1:44: bad flags: SX"},
      {"alert tcp any any -> any any (sid:1; urilen:x;)", "1:45: bad urilen: x"},
      {"alert tcp any any -> any any (sid:1; stream_size:server,5;)", "1:50: stream_size needs SIDE, OPERATOR, NUMBER"},
      {"alert tcp any any -> any any (sid:1; byte_test:9,=,1,0;)", "1:48: byte_test reads 1 to 8 bytes here, not 9"},
      {"alert tcp any any -> any any (sid:1; byte_test:1,~,1,0;)", "1:50: unknown byte_test operator: '~'"},
      {"alert tcp any any -> any any (sid:1; byte_test:1,=,1,0,middle;)", "1:56: unknown byte_test option: 'middle'"},
      {"alert tcp any any -> any any (sid:1; byte_jump:1;)", "1:48: byte_jump needs BYTES, OFFSET"},
      {"alert tcp any any -> any any (sid:1; byte_extract:1,0,n; byte_extract:1,1,n;)",
       "1:75: variable n is extracted twice"},
      {"alert tcp any any -> any any (sid:1; threshold:type limit,track by_src,count 1;)",
       "1:48: threshold needs type, track, count and seconds"},
      {"alert tcp any any -> any any (sid:1; threshold:type limits,track by_src,count 1,seconds 1;)",
       "1:48: bad threshold part: 'type limits'"},
      {"alert tcp any any -> any any (sid:1; reference:url;)", "1:48: reference needs SYSTEM,ID"},
      {"alert tcp any any -> any any (sid:1; priority:0;)", "1:47: priority is not a number from 1 to 255"},
      {"alert tcp any any -> any any (sid:1; target:me;)", "1:45: target is src_ip or dest_ip, not me"},
      {"alert tcp any any -> any any (sid:1; msg:\"a\x01\";)", "1:44: control character in rule"},
      {"alert tcp any any -> any any (sid:1; msg:\"\xff\";)", "1:43: rule is not valid UTF-8"},
      // Every problem is reported.
      {"alert tpc any any -> any 99999 (nocase; sid:x;)",
       "1:7: unknown protocol: tpc\n1:26: not a port: 99999\n1:33: nocase needs a content before it\n"
       "1:45: sid is not a number from 1 to 4294967295: x"},
  };
  for (const Case& c : cases) {
    INFO(c.rule);
    const ParsedRules parsed = parse(c.rule);
    CHECK(problems_of(parsed) == c.problems);
    CHECK(parsed.report.broken == 1);
    CHECK(parsed.rules.empty());
  }
}

TEST_CASE("language: what is not supported is all told at once, and only once per rule") {
  const ParsedRules parsed = parse(
      "alert dns any any -> any any (msg:\"x\"; dns.query; content:\"a\"; nocase; dns.query; content:\"b\"; "
      "JA3.hash; sid:5;)\n"
      "alert tcp:flow_start any any => any any (flow:only_frag; file.data:to_server; content:\"a\"; "
      "byte_test:1,=,result,0,dce; sid:6;)\n"
      "config dns any any -> any any (pcre:\"/(a)/, flow:x\"; sid:7;)\n");
  CHECK(problems_of(parsed) ==
        "1:7: unsupported protocol: dns\n"
        "1:40: unsupported keyword: dns.query\n"
        "1:96: unsupported keyword: ja3.hash\n"
        "2:7: unsupported protocol: tcp:flow_start\n"
        "2:30: unsupported direction: =>\n"
        "2:47: unsupported keyword: flow:only_frag\n"
        "2:58: unsupported keyword: file.data:to_server\n"
        "3:1: unsupported action: config\n"
        "3:8: unsupported protocol: dns\n"
        "3:32: unsupported keyword: pcre with captured variables");
  CHECK(parsed.report.rules == 3);
  CHECK(parsed.report.unsupported == 3);
  CHECK(parsed.report.broken == 0);
  CHECK(parsed.report.problems[0].sid == 5);
  CHECK(parsed.report.problems[1].keyword == "dns.query");
}

TEST_CASE("language: an error in a rule with unsupported parts makes it broken") {
  const ParsedRules parsed = parse("alert dns any any -> any any (content:\"|0|\"; sid:1;)");
  CHECK(parsed.report.broken == 1);
  CHECK(parsed.report.unsupported == 0);
}

TEST_CASE("language: a continued rule keeps the places of its lines") {
  const ParsedRules parsed = parse(
      "\n"
      "alert tcp any any -> any any ( \\\n"
      "  content:\"a\"; \\\n"
      "  conten:\"b\"; sid:1;)\n");
  CHECK(problems_of(parsed) == "4:3: unknown keyword: conten");
}

TEST_CASE("language: the report as text and as JSON") {
  const ParsedRules parsed = parse(
      "alert dns any any -> any any (dns.query; content:\"a\"; sid:1;)\n"
      "alert tcp any any -> any any (tls.sni; content:\"a\"; sid:2;)\n"
      "alert dns any any -> any any (tls.sni; content:\"a\"; sid:3;)\n"
      "alert tcp any any -> any any (content:\"\\\"|\"; sid:4;)\n"
      "alert tcp any any -> any any (sid:5;)\n");
  CHECK(report_as_text(parsed.report) ==
        "t:1:7: unsupported protocol: dns\n"
        "t:1:31: unsupported keyword: dns.query\n"
        "t:2:31: unsupported keyword: tls.sni\n"
        "t:3:7: unsupported protocol: dns\n"
        "t:3:31: unsupported keyword: tls.sni\n"
        "t:4:43: missing '|' after hex digits\n"
        "\n"
        "   rules  unsupported\n"
        "       2  protocol dns\n"
        "       2  tls.sni\n"
        "       1  dns.query\n"
        "\n"
        "5 rules: 1 loaded, 3 unsupported, 1 broken\n");
  const std::string json = report_as_json(parsed.report);
  CHECK(
      json.starts_with("{\"rules\":5,\"loaded\":1,\"unsupported\":3,\"broken\":1,\"unsupported_keywords\":["
                       "{\"keyword\":\"protocol dns\",\"rules\":2}"));
  CHECK(json.find("{\"file\":\"t\",\"line\":4,\"column\":43,\"kind\":\"syntax\",\"message\":\"missing '|' after hex "
                  "digits\",\"sid\":4}") != std::string::npos);
}

TEST_CASE("language: files") {
  RuleLoadOptions options;
  options.files = {"/nonexistent/a.rules"};
  const auto missing = parse_rule_files(options);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message == "/nonexistent/a.rules: No such file or directory");
  options.files = {"/"};
  CHECK_FALSE(parse_rule_files(options));
}

}  // namespace gatetape::test
