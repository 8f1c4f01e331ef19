#include "cli/service.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "common/clock.h"
#include "common/count_text.h"
#include "common/log.h"
#include "common/time_text.h"

namespace gatetape {
namespace {

// Returns a socket that is connected to the service manager; negative where there is none.
int connect_to_manager() {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || *path == '\0') return -1;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t length = std::strlen(path);
  const bool known = (path[0] == '/' || path[0] == '@') && length < sizeof address.sun_path;
  if (!known) {
    log_warning("NOTIFY_SOCKET {}: not a socket that this program can reach", path);
    return -1;
  }
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // an abstract one
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const timeval patience{0, 200'000};  // a manager that hangs holds up nothing
  if (fd >= 0) (void)::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  if (fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) return fd;
  log_warning("NOTIFY_SOCKET {}: {}", path, std::strerror(errno));
  if (fd >= 0) ::close(fd);
  return -1;
}

bool is_watched() {
  const char* process = std::getenv("WATCHDOG_PID");
  if (process != nullptr && std::strtol(process, nullptr, 10) != ::getpid()) return false;
  return std::getenv("WATCHDOG_USEC") != nullptr;
}

}  // namespace

Service::Service(const std::atomic<uint32_t>& reload_count, ReadHostile read_hostile)
    : socket_(connect_to_manager()),
      watched_(is_watched()),
      reload_count_(reload_count),
      reloads_done_(reload_count.load()),
      read_hostile_(std::move(read_hostile)) {}

Service::~Service() {
  if (socket_ >= 0) ::close(socket_);
}

// A datagram that is not taken is not sent again: the next one says more.
void Service::notify(std::string_view text) {
  if (socket_ >= 0) (void)::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
}

void Service::recording() {
  notify("READY=1\nSTATUS=Recording");
}

void Service::each_second(const WorkerAccount& total, const PortAccount& ports, bool alive) {
  if (watched_ && alive) notify("WATCHDOG=1");
  if (!alive && !silent_) log_warning("a thread that handles packets did nothing for a second");
  silent_ = !alive;
  const uint64_t packets = total[Counter::kReceived], bytes = total[Counter::kReceivedBytes];
  if (socket_ >= 0) {
    notify(fmt::format("STATUS=Recording: {} a second ({}/s), {} in all, {} missed, {} dropped, {}",
                       counted(packets - packets_before_, "packet", "packets"), format_size(bytes - bytes_before_),
                       format_count(packets), format_count(ports[PortCounter::kMissed]),
                       format_count(total.total(CounterGroup::kDropped)),
                       counted(total[Counter::kAlerts], "alert", "alerts")));
  }
  packets_before_ = packets;
  bytes_before_ = bytes;
}

void Service::stopping() {
  notify("STOPPING=1\nSTATUS=Storing the last packets");
}

bool Service::reload_asked() const {
  return reload_count_.load(std::memory_order_relaxed) != reloads_done_;
}

std::optional<std::vector<IpPrefix>> Service::reload() {
  reloads_done_ = reload_count_.load(std::memory_order_relaxed);
  notify(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=Reading the configuration", monotonic_clock_ns() / 1000));
  Result<std::vector<IpPrefix>> hostile = read_hostile_();
  if (!hostile) {
    log_error("the configuration was not read again, the old one goes on: {}", hostile.error().message);
    return std::nullopt;
  }
  log_info("the configuration was read again: {}", counted(hostile->size(), "hostile network", "hostile networks"));
  return std::move(*hostile);
}

void Service::reloaded() {
  notify("READY=1\nSTATUS=Recording");
}

}  // namespace gatetape
