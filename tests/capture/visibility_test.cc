#include "capture/visibility.h"

#include <catch2/catch.hpp>

using namespace gatetape;

namespace {

bool says(const WorkerAccount& account, bool has_ingress, const char* words) {
  for (const std::string& spot : blind_spots(account, has_ingress, true)) {
    if (spot.find(words) != std::string::npos) return true;
  }
  return false;
}

WorkerAccount healthy() {
  WorkerAccount a;
  a[Counter::kReceived] = 1000;
  a[Counter::kReceivedBytes] = 1'000'000;
  a[Counter::kToIngress] = 400;
  a[Counter::kFromIngress] = 600;
  return a;
}

}  // namespace

TEST_CASE("a healthy mirror has nothing to complain about") {
  CHECK(blind_spots(healthy(), true, true).empty());
  CHECK(blind_spots(healthy(), false, true).empty());
}

TEST_CASE("each blind spot is named") {
  CHECK(says(WorkerAccount(), true, "no packet at all was received: is the mirror session up"));
  CHECK(blind_spots(WorkerAccount(), true, false) ==
        std::vector<std::string>{"no packet at all was read: the source has none"});
  WorkerAccount a = healthy();
  a[Counter::kToIngress] = a[Counter::kFromIngress] = 0;
  CHECK(says(a, true, "no packet to or from the ingress address"));
  CHECK_FALSE(says(a, false, "ingress"));
  a[Counter::kFromIngress] = 10;
  CHECK(says(a, true, "only packets from the ingress address"));
  a[Counter::kToIngress] = 10;
  a[Counter::kFromIngress] = 0;
  CHECK(says(a, true, "only packets to the ingress address"));
  a = healthy();
  a[Counter::kSuperFrames] = 1;
  CHECK(says(a, true, "1 packet is longer than the wire allows"));
  a = healthy();
  a[Counter::kEncryptedBytes] = 500'000;
  CHECK(says(a, true, "50 % of the bytes are encrypted"));
  a = healthy();
  a[Counter::kBadChecksum] = 300;
  CHECK(says(a, true, "30 % of the packets carry wrong checksums"));
  a = healthy();
  a[Counter::kTcpAcknowledgedUnseen] = 77;
  CHECK(says(a, true, "77 bytes of TCP were acknowledged"));
}
