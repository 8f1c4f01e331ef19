// A capture as a service: tells systemd how it goes (the datagrams of sd_notify to $NOTIFY_SOCKET), and reads the
// configuration again when it is asked to. Without systemd only the latter.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "capture/session.h"

namespace gatetape {

class Service : public SessionObserver {
 public:
  using ReadHostile = std::function<Result<std::vector<IpPrefix>>()>;
  // Each change of `reload_count` asks for read_hostile().
  Service(const std::atomic<uint32_t>& reload_count, ReadHostile read_hostile);
  ~Service() override;
  Service(const Service&) = delete;

  void recording() override;
  void each_second(const WorkerAccount& total, const PortAccount& ports, bool alive) override;
  void stopping() override;
  bool reload_asked() const override;
  std::optional<std::vector<IpPrefix>> reload() override;
  void reloaded() override;

 private:
  void notify(std::string_view text);

  int socket_ = -1;  // connected; negative: nobody wants to know
  bool watched_ = false;
  const std::atomic<uint32_t>& reload_count_;
  uint32_t reloads_done_;
  ReadHostile read_hostile_;
  uint64_t packets_before_ = 0, bytes_before_ = 0;
  bool silent_ = false;  // threads did not move, and that was said
};

}  // namespace gatetape
