#include "cli/config_text.h"

#include <catch2/catch.hpp>
#include <map>

using namespace gatetape;

namespace {

// "name=whole|part|part" for each entry; [part|part] for brackets.
std::string read_text(std::string_view text) {
  const auto entries = parse_config_text(text, "f");
  if (!entries) return entries.error().message;
  std::string out;
  for (const ConfigEntry& entry : *entries) {
    out += entry.name + "=" + (entry.in_brackets ? "[" : entry.whole.text);
    for (const ConfigValue& value : entry.list) out += "|" + value.text;
    out += entry.in_brackets ? "];" : ";";
  }
  return out;
}

Result<std::vector<ConfigEntry>> read_files(const std::map<std::string, std::string>& files) {
  return read_config("etc/main.conf", [&](const std::string& path) -> Result<std::string> {
    const auto file = files.find(path);
    if (file == files.end()) return fail_with(ENOENT, "{}", path);
    return file->second;
  });
}

std::string names_and_depths(const Result<std::vector<ConfigEntry>>& entries) {
  if (!entries) return entries.error().message;
  std::string out;
  for (const ConfigEntry& entry : *entries) out += fmt::format("{}@{} ", entry.name, entry.depth);
  return out;
}

}  // namespace

TEST_CASE("values are written as people write them") {
  CHECK(read_text("") == "");
  CHECK(read_text("# only a comment\n\n  \t\n") == "");
  CHECK(read_text("a=b") == "a=b|b;");
  CHECK(read_text("\xef\xbb\xbf a\t=  b c \r\n") == "a=b c|b c;");
  CHECK(read_text("a = b # c\nd = e#f\n") == "a=b|b;d=e#f|e#f;");
  CHECK(read_text("a = b, c ,d,\n") == "a=b, c ,d,|b|c|d;");
  CHECK(read_text("a = \"b, # c\" # d") == "a=b, # c|b, # c;");
  CHECK(read_text(R"(a = "b\"\\c", 'd\e')") == R"(a="b\"\\c", 'd\e'|b"\c|d\e;)");
  CHECK(read_text("a = 'b'\nc = it's\n") == "a=b|b;c=it's|it's;");
  CHECK(read_text("a = \"\"\n") == "a=;");
  CHECK(read_text("a = [ b, 'c d' ]\n") == "a=[|b|c d];");
  CHECK(read_text("a = [\n  b,   # one\n\n  # two\n  c\n  d ]  # end\ne = f") == "a=[|b|c|d];e=f|f;");
  CHECK(read_text("a = []") == "a=[];");
  CHECK(read_text("a = [2001:db8::1]") == "a=[|2001:db8::1];");
  CHECK(read_text("include b.conf") == "include=b.conf|b.conf;");
}

TEST_CASE("errors say where they are, in characters") {
  CHECK(read_text("a\n") == "f:1:2: expected '=' after 'a'");
  CHECK(read_text("a b\n") == "f:1:3: expected '=' after 'a'");
  CHECK(read_text("\n = b\n") == "f:2:2: expected 'name = value'");
  CHECK(read_text("[capture]\n") == "f:1:1: sections are not needed: each command takes the options that it knows");
  CHECK(read_text("a =  # b\n") == "f:1:6: 'a' has no value");
  CHECK(read_text("a = \"b\n") == "f:1:5: the closing quote is missing");
  CHECK(read_text("a = \"ü\" c\n") == "f:1:9: text after the closing quote");
  CHECK(read_text("a = \"\\n\"\n") == "f:1:6: in quotes a \\ stands before \" or \\ alone");
  CHECK(read_text("a = ü\nb = [ c\n d\n") == "f:2:5: the closing ']' is missing");
  CHECK(read_text("a = [b] c\n") == "f:1:9: text after the closing ']'");
  CHECK(read_text(std::string_view("a = b\0c", 7)) == "f: the file has a byte of zero at offset 5: it is no text");
}

TEST_CASE("files include each other, but not in a circle") {
  CHECK(names_and_depths(read_files({{"etc/main.conf", "a = 1\ninclude b/more.conf\nc = 1"},
                                     {"etc/b/more.conf", "b = 1\ninclude ../last.conf"},
                                     {"etc/last.conf", "d = 1"}})) == "a@0 b@1 d@2 c@0 ");
  CHECK(names_and_depths(read_files({{"etc/main.conf", "include = [x.conf, 'y z.conf']"},
                                     {"etc/x.conf", "x = 1"},
                                     {"etc/y z.conf", "y = 1"}})) == "x@1 y@1 ");
  CHECK(names_and_depths(read_files({{"etc/main.conf", "include /a.conf"}, {"/a.conf", "a = 1"}})) == "a@1 ");
  CHECK(names_and_depths(
            read_files({{"etc/main.conf", "\ninclude a.conf"}, {"etc/a.conf", "include ../etc/main.conf"}})) ==
        "etc/a.conf:1:9: include ../etc/main.conf: a circle: that file is being read already");
  CHECK(names_and_depths(read_files({{"etc/main.conf", "include no.conf"}})) ==
        "etc/main.conf:1:9: include etc/no.conf: No such file or directory");
  CHECK(names_and_depths(read_files({{"etc/main.conf", "include a.conf"}, {"etc/a.conf", "\n x"}})) ==
        "etc/a.conf:2:3: expected '=' after 'x'");
  CHECK(names_and_depths(read_files({})) == "etc/main.conf: No such file or directory");
  std::map<std::string, std::string> doubling = {{"etc/main.conf", "include 0\ninclude 0"}};
  for (int i = 0; i < 30; ++i) doubling[fmt::format("etc/{}", i)] = fmt::format("include {0}\ninclude {0}", i + 1);
  doubling["etc/30"] = "a = 1";
  CHECK(names_and_depths(read_files(doubling)).ends_with("more than 1000 files are included"));
}
