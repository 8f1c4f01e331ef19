#include "export/checkpoint_target.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "common/time_text.h"
#include "export/eve_file.h"

namespace gatetape {
namespace {

constexpr std::string_view kSyslog = "syslog:", kUnix = "unix:";
constexpr uint16_t kSyslogPort = 514;

std::string_view text_of(const Record& record) {
  const auto* event = std::get_if<EventRecord>(&record);
  return event != nullptr && event->name == kEventCheckpoint ? event->detail : std::string_view();
}

class CheckpointFile : public EveFile {
 public:
  using EveFile::EveFile;
  void render(std::string& out, const Record& record) override { out.append(text_of(record)).push_back('\n'); }
};

// A connected socket, opened again after each error.
class SocketTarget : public OutletTarget {
 public:
  SocketTarget(std::string place, int type, const sockaddr* address, socklen_t address_bytes)
      : place_(std::move(place)), type_(type), address_bytes_(address_bytes) {
    std::memcpy(&address_, address, address_bytes);
  }
  ~SocketTarget() override { drop(); }
  SocketTarget(const SocketTarget&) = delete;

  const std::string& path() const override { return place_; }
  Result<void> open() override { return {}; }  // who listens may come later
  Reopened reopen(bool) override { return Reopened::kSame; }

  void render(std::string& out, const Record& record) override {
    const std::string_view text = text_of(record);
    if (!text.empty() && type_ == SOCK_DGRAM) {
      constexpr int kLocal0Notice = 16 * 8 + 5;
      const int64_t time_ns = std::get<EventRecord>(record).timestamp_ns;
      const std::string time = format_time(time_ns / 1000 * 1000);  // RFC 5424 knows six digits
      out +=
          fmt::format("<{}>1 {}Z {} gatetape {} checkpoint - ", kLocal0Notice, time.substr(0, 26), host_, ::getpid());
    }
    out.append(text).push_back('\n');
  }

  Taken take(std::string_view text) override {
    if (fd_ < 0 && !connect()) return {0, errno};
    pollfd ready{fd_, POLLOUT, 0};
    if (::poll(&ready, 1, static_cast<int>(kTargetWait.count())) <= 0) return {0, EAGAIN};
    const std::string_view line = text.substr(0, text.find('\n') + 1);
    const bool datagram = type_ == SOCK_DGRAM;
    if (datagram && line.size() <= 1) return {line.size(), 0};
    const std::string_view piece = datagram ? line.substr(0, line.size() - 1) : text;
    const ssize_t sent = ::send(fd_, piece.data(), piece.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return {datagram ? line.size() : static_cast<size_t>(sent), 0};
    const int error = errno;
    if (error != EAGAIN && error != EINTR) drop();
    return {0, error == EINTR ? EAGAIN : error};
  }

 private:
  bool connect() {
    fd_ = ::socket(address_.ss_family, type_ | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ < 0) return false;
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address_), address_bytes_) == 0) return true;
    const int error = errno;
    drop();
    errno = error;
    return false;
  }
  void drop() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  static std::string host_name() {
    char name[256] = {};
    return ::gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "-";
  }

  const std::string place_;
  const int type_;
  const std::string host_ = host_name();
  sockaddr_storage address_{};
  const socklen_t address_bytes_;
  int fd_ = -1;
};

Result<std::unique_ptr<OutletTarget>> unix_target(const std::string& place) {
  const std::string path = place.substr(kUnix.size());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return fail("no path of a socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  return std::make_unique<SocketTarget>(place, SOCK_STREAM, reinterpret_cast<const sockaddr*>(&address),
                                        sizeof address);
}

// "ADDRESS", "ADDRESS:PORT", "[ADDRESS]:PORT" or an IPv6 address alone.
Result<std::unique_ptr<OutletTarget>> syslog_target(const std::string& place) {
  std::string host = place.substr(kSyslog.size()), port;
  const size_t colon = host.rfind(':');
  const bool bracketed = host.starts_with('[');
  const bool has_port = colon != std::string::npos && (bracketed ? host[colon - 1] == ']' : host.find(':') == colon);
  if (has_port) {
    port = host.substr(colon + 1);
    host.resize(colon);
  }
  if (bracketed && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  uint16_t number = kSyslogPort;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool port_right = !has_port || (error == std::errc() && end == port.data() + port.size() && number != 0);
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  v4.sin_port = v6.sin6_port = htons(number);
  if (port_right && ::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    return std::make_unique<SocketTarget>(place, SOCK_DGRAM, reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  }
  if (port_right && ::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    return std::make_unique<SocketTarget>(place, SOCK_DGRAM, reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  }
  return fail("expected an IP address, with or without a port");
}

}  // namespace

bool takes_whole_notes(const std::string& place) {
  return !place.starts_with(kSyslog) && !place.starts_with(kUnix);
}

Result<std::unique_ptr<OutletTarget>> checkpoint_target(const std::string& place) {
  if (place.starts_with(kUnix)) return unix_target(place);
  if (place.starts_with(kSyslog)) return syslog_target(place);
  return std::make_unique<CheckpointFile>(place);
}

}  // namespace gatetape
