// Normalised targets and hosts.
#include "reassembly/http/http_uri.h"

#include <catch2/catch.hpp>

using namespace gatetape;

TEST_CASE("request targets are normalised as rules expect", "[http]") {
  struct Case {
    const char* target;
    const char* normalised;
  };
  const Case cases[] = {
      {"/", "/"},
      {"", ""},
      {"*", "*"},
      {"/plain/path.html?query=1#top", "/plain/path.html?query=1#top"},
      {"/a//b///c", "/a/b/c"},
      {"/a\\b", "/a/b"},
      {"/%61%2fb", "/a/b"},
      {"/a/./b", "/a/b"},
      {"/a/b/c/./../../g", "/a/g"},
      {"/../../../images.gif", "/images.gif"},
      {"/a/%2e%2e/b", "/b"},
      {"mid/content=5/../6", "mid/6"},
      {"one/.", "one"},
      {"one/../", ""},
      {"../one", "one"},
      {"/a/.hidden/..b", "/a/.hidden/..b"},
      {"/%u0041%u00e9%uff21%u4e2d",
       "/A\xe9"
       "A?"},
      {"/%zz%4", "/%zz%4"},
      {"/%", "/%"},
      {"/a?x=%41+b&y=/../%2e//", "/a?x=A+b&y=/.././/"},
      {"/a#%41", "/a#%41"},
      {"http://user@Host:80/a/../b?c", "/b?c"},
      {"http://host", ""},
      {"http://host?x", "?x"},
      {"/%00x", nullptr},
      {"/0123456789abcdef0123456789abcdef/%41", "/0123456789abcdef0123456789abcdef/A"},
      {"/0123456789abcdef0123456789abcdef//", "/0123456789abcdef0123456789abcdef/"},
      {"/0123456789abcde/./0123456789abcdef", "/0123456789abcde/0123456789abcdef"},
  };
  std::string out;
  for (const Case& c : cases) {
    INFO(c.target);
    normalise_uri(c.target, out);
    if (c.normalised == nullptr) {
      REQUIRE(out == std::string("/\0x", 3));
    } else {
      REQUIRE(out == c.normalised);
    }
    REQUIRE(out.size() <= std::string_view(c.target).size());
  }
}

TEST_CASE("every place of an escape in a long target is found", "[http]") {
  std::string out;
  for (size_t size = 1; size < 70; ++size) {
    for (size_t at = 1; at < size; ++at) {
      std::string target = "/" + std::string(size - 1, 'x');
      target[at] = '\\';
      normalise_uri(target, out);
      REQUIRE(out.find('\\') == std::string::npos);
    }
  }
}

TEST_CASE("hosts are normalised", "[http]") {
  struct Case {
    const char* host;
    const char* normalised;
  };
  const Case cases[] = {
      {"Shop.Example.COM", "shop.example.com"}, {"a:8080", "a"},        {"a.:80", "a"}, {"user:password@A", "a"},
      {"[2001:DB8::1]:80", "[2001:db8::1]"},    {"[broken", "[broken"}, {"", ""}};
  std::string out;
  for (const Case& c : cases) {
    INFO(c.host);
    normalise_host(c.host, out);
    REQUIRE(out == c.normalised);
  }
  REQUIRE(authority_of("http://a:80/b") == "a:80");
  REQUIRE(authority_of("/b") == "");
  REQUIRE(authority_of("://b") == "");
}
