#include "capture/sources/network_interface.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>

namespace gatetape {
namespace {

// Asks the kernel about one interface, over a socket that serves only this purpose.
class Questions {
 public:
  explicit Questions(const std::string& name) : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    std::memcpy(request_.ifr_name, name.c_str(), std::min(name.size(), sizeof(request_.ifr_name) - 1));
  }
  Questions(const Questions&) = delete;
  Questions& operator=(const Questions&) = delete;
  ~Questions() {
    if (socket_ >= 0) ::close(socket_);
  }

  bool ask(unsigned long question) { return ::ioctl(socket_, question, &request_) == 0; }
  const ifreq& answer() const { return request_; }

  // Returns whether an offload is on. Returns false where the driver does not know it.
  uint32_t ethtool(uint32_t command) {
    ethtool_value value{command, 0};
    request_.ifr_data = reinterpret_cast<char*>(&value);
    return ask(SIOCETHTOOL) ? value.data : 0;
  }

 private:
  int socket_;
  ifreq request_{};
};

std::string all_names() {
  std::string names;
  struct if_nameindex* list = ::if_nameindex();
  for (const struct if_nameindex* entry = list; entry != nullptr && entry->if_index != 0; entry++) {
    names += (names.empty() ? "" : ", ") + std::string(entry->if_name);
  }
  if (list != nullptr) ::if_freenameindex(list);
  return names;
}

}  // namespace

Result<NetworkInterface> NetworkInterface::find(const std::string& name) {
  NetworkInterface found;
  found.name_ = name;
  found.index_ = ::if_nametoindex(name.c_str());
  if (found.index_ == 0) return fail("if:{}: there is no such interface; there are {}", name, all_names());
  Questions questions(name);
  if (questions.ask(SIOCGIFMTU)) found.mtu_ = static_cast<uint32_t>(questions.answer().ifr_mtu);
  found.merges_segments_ = questions.ethtool(ETHTOOL_GGRO) != 0 || questions.ethtool(ETHTOOL_GTSO) != 0 ||
                           questions.ethtool(ETHTOOL_GGSO) != 0 ||
                           (questions.ethtool(ETHTOOL_GFLAGS) & ETH_FLAG_LRO) != 0;
  return found;
}

bool NetworkInterface::capture_allowed() {
  const int socket = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (socket < 0) return false;
  ::close(socket);
  return true;
}

bool NetworkInterface::present() const {
  return ::if_nametoindex(name_.c_str()) == index_;
}

bool NetworkInterface::up() const {
  Questions questions(name_);
  return questions.ask(SIOCGIFFLAGS) && (questions.answer().ifr_flags & IFF_UP) != 0;
}

bool NetworkInterface::has_link() const {
  constexpr short kBoth = IFF_UP | IFF_RUNNING;
  Questions questions(name_);
  return questions.ask(SIOCGIFFLAGS) && (questions.answer().ifr_flags & kBoth) == kBoth;
}

uint64_t NetworkInterface::link_losses() const {
  std::ifstream file("/sys/class/net/" + name_ + "/carrier_down_count");
  uint64_t count = 0;
  return file >> count ? count : 0;
}

}  // namespace gatetape
