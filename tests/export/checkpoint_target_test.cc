// Checkpoints on their way out: what arrives at a file, a socket and a syslog server; and places that cannot be.
#include "export/checkpoint_target.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "export/outlet.h"

using namespace gatetape;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/gatetape-checkpoint-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

OutletCounts send(const std::string& place, std::initializer_list<const char*> lines) {
  auto target = checkpoint_target(place);
  REQUIRE(target);
  Outlet outlet("checkpoints", std::move(*target), {.patience = std::chrono::milliseconds(300)});
  REQUIRE(outlet.start({}));
  RecordBatch batch;
  for (const char* line : lines) batch.append(EventRecord{1'795'000'000'123'456'789, kEventCheckpoint, line});
  REQUIRE(outlet.write(batch));
  outlet.end();
  return outlet.wait();
}

std::string received(int fd) {
  pollfd ready{fd, POLLIN, 0};
  REQUIRE(::poll(&ready, 1, 5000) == 1);
  char text[4096];
  const ssize_t n = ::read(fd, text, sizeof text);
  REQUIRE(n >= 0);
  return {text, static_cast<size_t>(n)};
}

}  // namespace

TEST_CASE("a file gets the lines as they are, after those that were there", "[checkpoint]") {
  const Folder folder;
  const std::string path = folder.path + "/out";
  CHECK(send(path, {"origin", "", "signature"}).lost_total() == 0);
  CHECK(send(path, {"next"}).written == 1);
  std::ifstream file(path);
  CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == "origin\n\nsignature\nnext\n");
  CHECK(takes_whole_notes(path));
}

TEST_CASE("who listens on a socket gets a line each", "[checkpoint]") {
  const Folder folder;
  const std::string path = folder.path + "/socket";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path.c_str());
  const int server = ::socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(::bind(server, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(server, 1) == 0);
  CHECK(send("unix:" + path, {"one", "two"}).lost_total() == 0);
  const int reader = ::accept(server, nullptr, nullptr);
  CHECK(received(reader) == "one\ntwo\n");
  ::close(reader);
  ::close(server);
  CHECK(send("unix:" + path, {"three"}).lost_total() == 1);  // nobody listens: counted
  CHECK(!takes_whole_notes("unix:" + path));
}

TEST_CASE("a syslog server gets a datagram of RFC 5424 each", "[checkpoint]") {
  const int server = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(server, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(server, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const std::string place = "syslog:127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  CHECK(send(place, {"one", "two"}).lost_total() == 0);
  const std::string first = received(server);
  CHECK(first.starts_with("<133>1 2026-11-18T"));
  CHECK(first.find(".123456Z ") != std::string::npos);
  CHECK(first.ends_with(" checkpoint - one"));
  CHECK(received(server).ends_with(" checkpoint - two"));
  ::close(server);
}

TEST_CASE("a place that cannot be is refused", "[checkpoint]") {
  for (const char* place : {"syslog:", "syslog:log.example", "syslog:127.0.0.1:0", "syslog:127.0.0.1:99999",
                            "syslog:127.0.0.1:x", "unix:"}) {
    CAPTURE(place);
    CHECK(!checkpoint_target(place));
  }
  for (const char* place : {"syslog:192.0.2.1", "syslog:[2001:db8::1]:5514", "syslog:2001:db8::1", "unix:/run/x"}) {
    CAPTURE(place);
    CHECK(checkpoint_target(place));
  }
}
