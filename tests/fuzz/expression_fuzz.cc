// The language of expressions, up to what is handed to libpcap: an error names a column of the text; what parses can be
// explained, asked of the index and of records.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/check.h"
#include "expression/expression.h"
#include "storage/query/index_planning.h"

using namespace gatetape;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kTextBytesMax = 4096;  // as on a command line; the parser's time is linear in it
  const std::string_view text(reinterpret_cast<const char*>(data), std::min(size, kTextBytesMax));
  Result<Expression> expression = Expression::parse(text);
  if (!expression) {
    constexpr std::string_view kColumn = "column ";
    GT_CHECK(expression.error().message.starts_with(kColumn));
    const unsigned long column = std::strtoul(expression.error().message.c_str() + kColumn.size(), nullptr, 10);
    GT_CHECK(column >= 1 && column <= text.size() + 1);
    return 0;
  }
  GT_CHECK(!expression->explain().empty());
  for (const auto& clause : index_filter_of(*expression).all_of) {
    for (const IndexTerm& term : clause) {
      GT_CHECK(term.host || term.port || term.protocol || term.connection || term.flow_id);
    }
  }
  if (!expression->check_for_records()) return 0;
  HttpRecord http;
  http.flow_id = 1;
  http.host = "shop.example.com";
  http.uri = "/a \"b\" \\";
  http.method = "GET";
  http.status = 200;
  http.endpoints = {IpAddress(), IpAddress(), 1024, 80, kProtocolTcp};
  expression->learn(http, {});
  (void)expression->matches(http);  // whether it does is the unit tests' question
  (void)expression->matches(AlertRecord());
  return 0;
}
