// Sound rules, and the Rules that the parser makes from them.
#include <algorithm>
#include <catch2/catch.hpp>

#include "rules/language/classification.h"
#include "rules/language/keywords.h"
#include "tests/rules/language/language_support.h"

namespace gatetape::test {
namespace {

const Rule& only_rule(const ParsedRules& parsed) {
  for (const RuleProblem& problem : parsed.report.problems) UNSCOPED_INFO(problem.message);
  REQUIRE(parsed.report.problems.empty());
  REQUIRE(parsed.rules.size() == 1);
  return parsed.rules.front();
}

std::string groups_of(std::string_view options, std::string_view protocol = "tcp") {
  const ParsedRules parsed = parse_options(options, protocol);
  return text_of_groups(only_rule(parsed));
}

}  // namespace

TEST_CASE("language: the header") {
  struct Case {
    const char* written;
    const char* resolved;
  };
  const Case cases[] = {
      {"alert tcp any any -> any 80", "alert tcp any any -> any [80:80]"},
      {"ALERT TCP Any aNY -> any any", "alert tcp any any -> any any"},
      {"pass ip 10.0.0.1 any <> 10.0.0.0/30 any", "pass ip [10.0.0.1-10.0.0.1] any <> [10.0.0.0-10.0.0.3] any"},
      {"drop tcp-pkt [10.0.0.1, 10.0.0.2] [80,443] -> any 1024:",
       "drop tcp-pkt [10.0.0.1-10.0.0.2] [80:80,443:443] -> any [1024:65535]"},
      {"rejectboth tcp-stream any any -> any :1023", "reject tcp-stream any any -> any [0:1023]"},
      {"alert udp any !53 -> any ![80,443]", "alert udp any [0:52,54:65535] -> any [0:79,81:442,444:65535]"},
      {"alert http $HOME_NET any -> any $HTTP_PORTS",
       "alert http [10.0.0.0-10.255.255.255,172.16.0.0-172.31.255.255,192.168.0.0-192.168.255.255] any -> any [80:80]"},
      {"alert http1 any any -> any $FILE_DATA_PORTS", "alert http1 any any -> any [80:80,110:110,143:143]"},
      {"alert icmp 2001:db8::/126 any -> [::1,10.0.0.0/8,!10.0.0.0/9] any",
       "alert icmp [2001:db8::-2001:db8::3] any -> [::1-::1,10.128.0.0-10.255.255.255] any"},
      {"alert tcp\tany\tany  ->  any   any", "alert tcp any any -> any any"},
  };
  for (const Case& c : cases) {
    const ParsedRules parsed = parse(fmt::format("{} (sid:1;)", c.written));
    CHECK(text_of_header(only_rule(parsed)) == c.resolved);
  }
}

TEST_CASE("language: a bidirectional rule between the same ends has one direction") {
  const ParsedRules same = parse("alert tcp any any <> any any (sid:1;)");
  CHECK_FALSE(only_rule(same).bidirectional);
  const ParsedRules different = parse("alert tcp any any <> any 80 (sid:1;)");
  CHECK(only_rule(different).bidirectional);
}

TEST_CASE("language: what a rule says about itself") {
  const ParsedRules parsed = parse(
      "alert tcp any any -> any any (msg:\"a \\\"b\\\"\\; c\"; reference:url,example.com/a?b=c; reference:cve,2020-1; "
      "classtype:web-application-attack; target:dest_ip; metadata:a b, c d; metadata:e f; gid:3; sid:17; rev:4;)");
  const Rule& rule = only_rule(parsed);
  CHECK(rule.message == "a \"b\"; c");
  CHECK(rule.references.size() == 2);
  CHECK(rule.references[0].system == "url");
  CHECK(rule.references[0].id == "example.com/a?b=c");
  CHECK(rule.classtype == "web-application-attack");
  CHECK(rule.category == "Web Application Attack");
  CHECK(rule.priority == 1);
  CHECK(rule.target == RuleTarget::kDestination);
  CHECK(rule.metadata == "a b, c d, e f");
  CHECK(rule.gid == 3);
  CHECK(rule.sid == 17);
  CHECK(rule.rev == 4);
  CHECK(rule.line == 1);
  CHECK(rule.text.starts_with("alert tcp"));
}

TEST_CASE("language: priorities and classtypes outweigh each other in a fixed order") {
  const auto priority = [](std::string_view options) {
    const ParsedRules parsed = parse_options(options);
    return static_cast<int>(only_rule(parsed).priority);
  };
  CHECK(priority("") == 3);
  CHECK(priority("classtype:attempted-recon;") == 2);
  CHECK(priority("classtype:no-such-class;") == 3);
  CHECK(priority("classtype:attempted-recon; priority:5;") == 5);
  CHECK(priority("priority:5; classtype:attempted-recon;") == 5);
  CHECK(priority("priority:5; priority:2;") == 2);
  CHECK(priority("classtype:misc-activity; classtype:trojan-activity;") == 1);
  CHECK(priority("classtype:trojan-activity; classtype:misc-activity;") == 1);
}

TEST_CASE("language: contents and their modifiers") {
  struct Case {
    const char* written;
    const char* meant;
  };
  const Case cases[] = {
      {"content:\"abc\";", "pkt_data; content:\"|61 62 63|\";"},
      {"content:\"a|3a 3B|b\";", "pkt_data; content:\"|61 3a 3b 62|\";"},
      {"content:\"|616263|\";", "pkt_data; content:\"|61 62 63|\";"},
      {"content:\"a\\\"\\;\\\\\\:\";", "pkt_data; content:\"|61 22 3b 5c 3a|\";"},
      {"content:!\"a\"; nocase;", "pkt_data; content:!\"|61|\"; nocase;"},
      {"content: ! \"a\" ; nocase ;", "pkt_data; content:!\"|61|\"; nocase;"},
      {"Content:\"a\"; NoCase;", "pkt_data; content:\"|61|\"; nocase;"},
      {"content:\"ab\"; offset:3; depth:4;", "pkt_data; content:\"|61 62|\"; offset:3; depth:4;"},
      {"content:\"ab\"; depth:4; offset:3;", "pkt_data; content:\"|61 62|\"; offset:3; depth:4;"},
      {"content:\"a\"; content:\"b\"; distance:-3; within:9;",
       "pkt_data; content:\"|61|\"; content:\"|62|\"; distance:-3; within:9;"},
      {"content:\"a\"; content:\"b\"; within:9;", "pkt_data; content:\"|61|\"; content:\"|62|\"; within:9;"},
      {"content:\"a\"; startswith; endswith;", "pkt_data; content:\"|61|\"; startswith; endswith;"},
      {"content:\"a\"; isdataat:!1,relative;", "pkt_data; content:\"|61|\"; endswith;"},
      {"content:\"a\"; isdataat:5,relative;", "pkt_data; content:\"|61|\"; isdataat:5,relative;"},
      {"isdataat:!1,relative;", "pkt_data; isdataat:!1,relative;"},
      {"content:\"abcd\"; fast_pattern:1,2;", "pkt_data; content:\"|61 62 63 64|\"; fast_pattern:1,2;"},
      {"content:\"abcd\"; fast_pattern:only;", "pkt_data; content:\"|61 62 63 64|\"; fast_pattern:only;"},
      {"content:\"a\"; fast_pattern; content:\"b\";", "pkt_data; content:\"|61|\"; fast_pattern; content:\"|62|\";"},
      {"content:\"a\"; rawbytes;", "pkt_data; content:\"|61|\";"},
      {"byte_extract:1,0,n; content:\"a\"; offset:n; depth:n;",
       "pkt_data; byte_extract:1,0,v0; content:\"|61|\"; offset:v0; depth:v0;"},
      {"byte_extract:2,1,n,relative,little,multiplier 3,align 4; byte_test:1,!&,n,n,relative; isdataat:n;",
       "pkt_data; byte_extract:2,1,v0,relative,little,multiplier 3,align 4; byte_test:1,!&,v0,v0,relative; "
       "isdataat:v0;"},
      {"byte_test:4,>=,0x10,-2,relative,string,hex;", "pkt_data; byte_test:4,>=,16,-2,relative,string,hex;"},
      {"byte_test:0,>,10,0,string,dec;", "pkt_data; byte_test:0,>,10,0,string,dec;"},
      {"byte_test:2, !=, 5, 1, bitmask 0xf0, big;", "pkt_data; byte_test:2,!=,5,1,bitmask 0xf0;"},
      {"byte_test:1,!,5,1;", "pkt_data; byte_test:1,!=,5,1;"},
      {"byte_jump:2,-4,relative,little,from_beginning, post_offset -1;",
       "pkt_data; byte_jump:2,-4,relative,little,from_beginning,post_offset -1;"},
      {"byte_jump:0,0,from_end,post_offset -8;", "pkt_data; byte_jump:0,0,from_end,post_offset -8;"},
      {"byte_jump:1,0,multiplier 4,align;", "pkt_data; byte_jump:1,0,multiplier 4,align;"},
  };
  for (const Case& c : cases) {
    INFO(c.written);
    CHECK(groups_of(c.written) == c.meant);
  }
}

TEST_CASE("language: sticky buffers, transforms and the groups they make") {
  struct Case {
    const char* written;
    const char* meant;
  };
  const Case cases[] = {
      {"http.uri; content:\"a\"; http.host; content:\"b\"; http.uri; content:\"c\"; distance:0;",
       "http.uri; content:\"|61|\"; content:\"|63|\"; distance:0; http.host; content:\"|62|\";"},
      {"content:\"a\"; http.uri; content:\"b\"; pkt_data; content:\"c\";",
       "pkt_data; content:\"|61|\"; content:\"|63|\"; http.uri; content:\"|62|\";"},
      {"http.host; dotprefix; content:\".a\"; http.host; content:\"a\";",
       "http.host; dotprefix; content:\"|2e 61|\"; http.host; content:\"|61|\";"},
      {"http.host; content:\"a\"; dotprefix; content:\".a\"; endswith;",
       "http.host; content:\"|61|\"; http.host; dotprefix; content:\"|2e 61|\"; endswith;"},
      {"http.uri; strip_whitespace; to_lowercase; compress_whitespace; content:\"a\";",
       "http.uri; strip_whitespace; to_lowercase; compress_whitespace; content:\"|61|\";"},
      {"http.request_header; content:\"a\"; http.request_header; content:\"b\";",
       "http.request_header; content:\"|61|\"; http.request_header; content:\"|62|\";"},
      {"http.uri; urilen:5;", "http.uri; bsize:5;"},
      {"urilen:3<>8,raw;", "http.uri.raw; bsize:3<>8;"},
      {"http.uri; bsize:>5; bsize:!9;", "http.uri; bsize:>=6; bsize:!9;"},
      {"file_data; content:\"a\"; pcre:\"/b/Ri\";", "file.data; content:\"|61|\"; pcre:\"/b/iR\";"},
      {"http.response_body; content:\"a\"; pcre:\"/b/QR\";", "http.response_body; content:\"|61|\"; pcre:\"/b/R\";"},
      {"http.uri; pcre:!\"/a\\/b\\;\\\"/smixAEG\";", "http.uri; pcre:!\"/a\\/b\\;\\\"/imsxAEG\";"},
  };
  for (const Case& c : cases) {
    INFO(c.written);
    CHECK(groups_of(c.written, "http") == c.meant);
  }
}

TEST_CASE("language: old-style modifiers mean what sticky buffers mean") {
  struct Pair {
    const char* old_style;
    const char* new_style;
  };
  const Pair pairs[] = {
      {"content:\"a\"; http_uri; nocase; content:\"b\"; http_uri; distance:1;",
       "http.uri; content:\"a\"; nocase; content:\"b\"; distance:1;"},
      {"content:\"a\"; nocase; http_method;", "http.method; content:\"a\"; nocase;"},
      {"content:\"a\"; http_raw_uri; pcre:\"/b/I\";", "http.uri.raw; content:\"a\"; pcre:\"/b/\";"},
      {"content:\"a\"; http_header; pcre:\"/b/RHm\";", "http.header; content:\"a\"; pcre:\"/b/Rm\";"},
      {"content:\"a\"; http_client_body; pcre:\"/b/P\";", "http.request_body; content:\"a\"; pcre:\"/b/\";"},
      {"content:\"a\"; http_server_body; pcre:\"/b/Q\";", "http.response_body; content:\"a\"; pcre:\"/b/\";"},
      {"content:\"a\"; http_cookie; pcre:\"/b/C\";", "http.cookie; content:\"a\"; pcre:\"/b/\";"},
      {"content:\"a\"; http_user_agent; pcre:\"/b/V\";", "http.user_agent; content:\"a\"; pcre:\"/b/\";"},
      {"content:\"a\"; http_host; pcre:\"/b/W\";", "http.host; content:\"a\"; pcre:\"/b/\";"},
      {"content:\"a\"; http_raw_host; pcre:\"/b/Z\";", "http.host.raw; content:\"a\"; pcre:\"/b/\";"},
      {"content:\"a\"; http_stat_code; pcre:\"/b/S\";", "http.stat_code; content:\"a\"; pcre:\"/b/\";"},
      {"content:\"a\"; http_stat_msg; pcre:\"/b/Y\";", "http.stat_msg; content:\"a\"; pcre:\"/b/\";"},
      {"content:\"a\"; http_raw_header; pcre:\"/b/D\";", "http.header.raw; content:\"a\"; pcre:\"/b/\";"},
      {"pcre:\"/b/U\"; pcre:\"/c/M\";", "http.uri; pcre:\"/b/\"; http.method; pcre:\"/c/\";"},
      {"pcre:/b/Ui;", "http.uri; pcre:\"/b/i\";"},
      {"uricontent:\"a\"; nocase;", "http.uri; content:\"a\"; nocase;"},
      {"content:\"a\"; http_uri; isdataat:10,relative;", "http.uri; content:\"a\"; isdataat:10,relative;"},
      {"content:\"a\"; http_uri; byte_test:1,=,1,0,relative;", "http.uri; content:\"a\"; byte_test:1,=,1,0,relative;"},
      {"content:\"x\"; content:\"a\"; http_uri; content:\"b\"; http_uri;",
       "content:\"x\"; http.uri; content:\"a\"; content:\"b\";"},
  };
  for (const Pair& pair : pairs) {
    INFO(pair.old_style);
    CHECK(groups_of(pair.old_style) == groups_of(pair.new_style));
  }
}

TEST_CASE("language: tests on packets and flows") {
  struct Case {
    const char* written;
    const char* meant;
  };
  const Case cases[] = {
      {"dsize:10;", " dsize:10;"},
      {"dsize:<10;", " dsize:<=9;"},
      {"dsize:10<>20;", " dsize:10<>20;"},
      {"dsize:!10;", " dsize:!10;"},
      {"ttl:>=5;", " ttl:>=5;"},
      {"ip_proto:!TCP; ip_proto:!17;", " ip_proto:!6; ip_proto:!17;"},
      {"ip_proto:>100;", " ip_proto:>100;"},
      {"flags:S,12;", " flags:S,EC;"},
      {"flags:+SA;", " flags:+SA,0;"},
      {"flags:!SF; tcp.flags:0;", " flags:!FS,0; flags:0,0;"},
      {"flags:*CE;", " flags:*EC,0;"},
      {"stream_size:server,<,5;", " stream_size:server,<=,4;"},
      {"stream_size: both, !=, 7;", " stream_size:both,!,7;"},
      {"flowbits:set,a; flowbits:isset,a|b; flowbits:noalert;", " flowbits:set,a; flowbits:isset,a|b;"},
  };
  for (const Case& c : cases) {
    INFO(c.written);
    const ParsedRules parsed = parse_options(c.written);
    CHECK(text_of_tests(only_rule(parsed), parsed) == c.meant);
  }
  const ParsedRules icmp = parse_options("itype:8; icode:0;", "icmp");
  CHECK(text_of_tests(only_rule(icmp), icmp) == " itype:8; icode:0;");
}

TEST_CASE("language: flow, thresholds, noalert") {
  const auto flow = [](std::string_view options, std::string_view protocol = "tcp") {
    const ParsedRules parsed = parse_options(options, protocol);
    const Rule& rule = only_rule(parsed);
    return fmt::format("{}:{}", rule.flow.given, text_of_flow(rule.flow));
  };
  CHECK(flow("") == "false:");
  CHECK(flow("flow: established, from_client;") == "true:established,to_server");
  CHECK(flow("flow:to_client,only_stream;") == "true:to_client,only_stream");
  CHECK(flow("flow:not_established,no_stream;") == "true:not_established,no_stream");
  CHECK(flow("flow:stateless;") == "true:stateless");
  // A buffer that only one direction has gives the rule that direction.
  CHECK(flow("http.uri; content:\"a\";") == "false:to_server");
  CHECK(flow("http.stat_code; content:\"200\";") == "false:to_client");
  CHECK(flow("http.header; content:\"a\";", "http") == "false:");

  const auto threshold = [](std::string_view options) {
    const ParsedRules parsed = parse_options(options);
    return text_of_threshold(only_rule(parsed).threshold);
  };
  CHECK(threshold("threshold: type limit, count 1, seconds 60, track by_src;") ==
        " threshold:type limit, track by_src, count 1, seconds 60;");
  CHECK(threshold("threshold:type both,track  by_both,count 5,seconds 60;") ==
        " threshold:type both, track by_both, count 5, seconds 60;");
  CHECK(threshold("threshold:type backoff,track by_flow,count 5,multiplier 10;") ==
        " threshold:type backoff, track by_flow, count 5, multiplier 10;");
  CHECK(threshold("detection_filter:track by_rule, count 2, seconds 3;") ==
        " detection_filter:track by_rule, count 2, seconds 3;");
  const ParsedRules silent = parse_options("noalert;"), silent_bits = parse_options("flowbits:noalert;");
  CHECK(only_rule(silent).noalert);
  CHECK(only_rule(silent_bits).noalert);
}

TEST_CASE("language: HTTP is implied by its buffers") {
  const ParsedRules tcp = parse_options("http.uri; content:\"a\";");
  CHECK(only_rule(tcp).transactional);
  CHECK(only_rule(tcp).protocol == RuleProtocol::kTcp);
  const ParsedRules raw = parse_options("content:\"a\";");
  CHECK_FALSE(only_rule(raw).transactional);
  const ParsedRules http = parse_options("content:\"a\";", "http");
  CHECK(only_rule(http).transactional);
}

TEST_CASE("language: lines") {
  const ParsedRules parsed = parse(
      "\xef\xbb\xbf# comment\r\n"
      "\r\n"
      "   \t\n"
      "  alert tcp any any -> any any (sid:1;)\r\n"
      "#alert tcp any any -> any any (sid:2;)\n"
      "alert tcp any any \\\n"
      "  -> any any ( \\\r\n"
      "  msg:\"continued \\\n"
      "here\"; sid:3;)\n"
      "alert tcp any any -> any any (sid:4;)");
  REQUIRE(parsed.report.problems.empty());
  REQUIRE(parsed.rules.size() == 3);
  CHECK(parsed.rules[0].line == 4);
  CHECK(parsed.rules[1].line == 6);
  CHECK(parsed.rules[1].message == "continued here");
  CHECK(parsed.rules[2].line == 10);
  CHECK(parse("").report.rules == 0);
}

TEST_CASE("language: equal groups, expressions and flowbits are shared") {
  const ParsedRules parsed = parse(
      "alert tcp $HOME_NET 80 -> any any (pcre:\"/a(b)\\1/i\"; flowbits:set,x; sid:1;)\n"
      "alert tcp $HOME_NET 80 -> any any (pcre:\"/a(b)\\1/i\"; flowbits:isset,x; sid:2;)\n");
  REQUIRE(parsed.rules.size() == 2);
  const Rule &a = parsed.rules[0], &b = parsed.rules[1];
  CHECK(a.source == b.source);
  CHECK(a.source_ports == b.source_ports);
  CHECK(std::get<PcreElement>(a.groups[0].elements[0]).code == std::get<PcreElement>(b.groups[0].elements[0]).code);
  CHECK(a.flowbits[0].bits == b.flowbits[0].bits);
  CHECK(parsed.flowbit_names.size() == 1);
}

TEST_CASE("language: of rules with one identity the newest stays") {
  const ParsedRules parsed = parse(
      "alert tcp any any -> any any (msg:\"old\"; sid:1; rev:2;)\n"
      "alert tcp any any -> any any (msg:\"new\"; sid:1; rev:3;)\n"
      "alert tcp any any -> any any (msg:\"older\"; sid:1; rev:1;)\n"
      "alert tcp any any -> any any (msg:\"other generator\"; gid:2; sid:1;)\n");
  REQUIRE(parsed.rules.size() == 2);
  CHECK(parsed.rules[0].message == "new");
  CHECK(parsed.rules[1].gid == 2);
  CHECK(parsed.report.broken == 2);
  REQUIRE(parsed.report.problems.size() == 2);
  CHECK(parsed.report.problems[0].message == "duplicate rule 1:1: rev 2 is replaced by rev 3 at t:2");
  CHECK(parsed.report.problems[0].location.line == 1);
  CHECK(parsed.report.problems[1].message == "duplicate rule 1:1: rev 1 is not newer than rev 3 at t:2");
}

TEST_CASE("language: the tables are consistent") {
  std::string_view previous;
  for (const KeywordInfo& info : all_keywords()) {
    INFO(info.name);
    CHECK(previous < info.name);
    CHECK(find_keyword(info.name) == &info);
    previous = info.name;
  }
  CHECK(find_keyword("HTTP.URI") == find_keyword("http.uri"));
  CHECK(find_keyword("no_such_keyword") == nullptr);
  CHECK(find_classification("trojan-activity")->priority == 1);
  CHECK(find_classification("no-such-class") == nullptr);
}

}  // namespace gatetape::test
