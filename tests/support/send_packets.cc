// Sends a known number of packets on an interface, as fast as it goes or at a given rate, and prints how many it sent.
//
// usage: send_packets INTERFACE [--packets N] [--size BYTES] [--flows N] [--rate PER_SECOND]
//
// Each packet is Ethernet, IPv4 and UDP; its payload begins with its number in eight bytes. The source port
// tells flows apart.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr unsigned kBatch = 64;
constexpr size_t kEthernetBytes = 14, kIpBytes = 20, kUdpBytes = 8;
constexpr size_t kHeaderBytes = kEthernetBytes + kIpBytes + kUdpBytes;

struct Options {
  std::string interface;
  uint64_t packets = 100000;
  size_t size = 1000;
  unsigned flows = 64;
  uint64_t rate = 0;  // packets per second; 0: no limit
};

void store_u16(uint8_t* out, size_t value) {
  out[0] = static_cast<uint8_t>(value >> 8);
  out[1] = static_cast<uint8_t>(value);
}

uint16_t ip_checksum(const uint8_t* header) {
  uint32_t sum = 0;
  for (size_t i = 0; i < kIpBytes; i += 2) sum += static_cast<uint32_t>(header[i] << 8 | header[i + 1]);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

void make_packet(std::vector<uint8_t>& packet, uint64_t number, const Options& options) {
  uint8_t* const ip = packet.data() + kEthernetBytes;
  uint8_t* const udp = ip + kIpBytes;
  std::memcpy(packet.data(), "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0", kEthernetBytes);
  std::memset(ip, 0, kIpBytes + kUdpBytes);
  ip[0] = 0x45;
  ip[8] = 64;
  ip[9] = IPPROTO_UDP;
  store_u16(ip + 2, packet.size() - kEthernetBytes);
  std::memcpy(ip + 12, "\x0a\x4d\0\x01\x0a\x4d\0\x02", 8);
  store_u16(ip + 10, ip_checksum(ip));
  store_u16(udp, 20000 + number % options.flows);
  store_u16(udp + 2, 9);
  store_u16(udp + 4, packet.size() - kEthernetBytes - kIpBytes);
  std::memcpy(udp + kUdpBytes, &number, sizeof(number));
}

int open_socket(const std::string& interface) {
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  if (fd < 0 || address.sll_ifindex == 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    std::fprintf(stderr, "send_packets: %s: %s\n", interface.c_str(), std::strerror(errno));
    return -1;
  }
  return fd;
}

// Sends all `count` messages, waiting whenever the kernel has no room for more.
void send_all(int fd, mmsghdr* messages, unsigned count) {
  for (unsigned done = 0; done < count;) {
    const int sent = ::sendmmsg(fd, messages + done, count - done, 0);
    if (sent > 0) done += static_cast<unsigned>(sent);
    if (sent < 0 && errno == ENOBUFS) std::this_thread::yield();
    if (sent < 0 && errno != ENOBUFS && errno != EINTR && errno != EAGAIN) {
      std::perror("send_packets");
      std::exit(1);
    }
  }
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i++) {
    const std::string argument = argv[i];
    if (argument.rfind("--", 0) != 0 || i + 1 == argc) {
      options.interface = argument;
      continue;
    }
    const uint64_t value = std::stoull(argv[++i]);
    if (argument == "--packets") options.packets = value;
    if (argument == "--size") options.size = std::max<size_t>(value, kHeaderBytes + sizeof(uint64_t));
    if (argument == "--flows") options.flows = std::max(1u, static_cast<unsigned>(value));
    if (argument == "--rate") options.rate = value;
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const int fd = open_socket(options.interface);
  if (fd < 0) return 1;
  std::vector<std::vector<uint8_t>> packets(kBatch, std::vector<uint8_t>(options.size));
  std::vector<iovec> pieces(kBatch);
  std::vector<mmsghdr> messages(kBatch);
  for (unsigned i = 0; i < kBatch; i++) {
    pieces[i] = {packets[i].data(), options.size};
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t sent = 0; sent < options.packets;) {
    const auto count = static_cast<unsigned>(std::min<uint64_t>(kBatch, options.packets - sent));
    for (unsigned i = 0; i < count; i++) make_packet(packets[i], sent + i, options);
    send_all(fd, messages.data(), count);
    sent += count;
    if (options.rate > 0) {
      std::this_thread::sleep_until(start + std::chrono::nanoseconds(sent * 1'000'000'000 / options.rate));
    }
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("{\"packets\":%lu,\"bytes\":%lu,\"seconds\":%.3f}\n", options.packets, options.packets * options.size,
              seconds);
  ::close(fd);
  return 0;
}
