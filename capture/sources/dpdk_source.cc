#include "capture/sources/dpdk_source.h"

#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <vector>

#include "capture/sources/eal.h"
#include "capture/sources/live_pcap.h"
#include "capture/sources/network_interface.h"
#include "capture/sources/port_queue.h"
#include "common/clock.h"
#include "common/log.h"

namespace gatetape {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr uint16_t kDescriptors = 2048;
constexpr size_t kHashKeyBytes = 40;  // used where the driver does not tell
// The largest packet asked of a card that can spread it over several buffers, and of one that cannot.
constexpr uint32_t kMtuScattered = 9600, kMtuSingle = 1900;
// A queue that stayed empty for this long after stop() has nothing left. The kernel hands packets over when a block of
// them is full, or after some milliseconds (8 by default).
constexpr auto kQuietBeforeEnd = std::chrono::milliseconds(30);
constexpr auto kDrainMax = std::chrono::seconds(10);
constexpr auto kWatchInterval = std::chrono::milliseconds(100);

// This key makes Toeplitz hashing symmetric: both directions of a flow go to one queue (S. Woo and K. Park, "Scalable
// TCP session monitoring with symmetric receive-side scaling", 2012).
std::vector<uint8_t> symmetric_key(size_t size) {
  std::vector<uint8_t> key(size);
  for (size_t i = 0; i < size; i++) key[i] = i % 2 == 0 ? 0x6d : 0x5a;
  return key;
}

// A queue, and how far its polling thread is with ending it. Only that thread touches the other members.
struct QueueState {
  explicit QueueState(const PortTraits& traits, uint16_t number, unsigned bursts) : queue(traits, number, bursts) {}
  PortQueue queue;
  bool stopping = false;
  bool ended = false;
  uint64_t received_at_stop = 0;
  SteadyClock::time_point stop_seen, quiet_since;
};

class DpdkSource final : public Source {
 public:
  explicit DpdkSource(std::string name) : name_(std::move(name)) {}

  ~DpdkSource() override {
    if (!port_) return;
    rte_eth_dev_stop(*port_);
    rte_eth_dev_close(*port_);
    detach_port(device_);
  }

  Result<void> open(const std::string& devargs, const SourceOptions& options,
                    std::optional<NetworkInterface> interface) {
    device_ = devargs.substr(0, devargs.find(','));
    interface_ = std::move(interface);
    auto port = attach_port(name_, devargs);
    if (!port) return pass_on(port);
    port_ = *port;
    if (const int error = rte_eth_dev_info_get(*port_, &info_); error != 0)
      return refused("does not describe itself", error);
    kernel_packets_ = std::string_view(info_.driver_name) == "net_pcap";
    if (kernel_packets_) link_type_ = last_opened_link_type();
    if (auto done = start(queues_wanted(options), options.bursts); !done) return done;
    if (queue_count() > 1 && !hashes_symmetrically()) {
      log_warning("{}: the port does not take a symmetric hash key: one queue, and the flows are spread by software",
                  name_);
      rte_eth_dev_stop(*port_);
      const auto kept = std::move(queues_);  // kept until the driver has let go of their buffers
      queues_.clear();
      if (auto done = start(1, options.bursts); !done) return done;
    }
    if (const int error = rte_eth_promiscuous_enable(*port_); error != 0 && error != -ENOTSUP) {
      log_warning("{}: only packets to its own address are seen: promiscuous mode is refused ({})", name_,
                  rte_strerror(-error));
    }
    watched_ = SteadyClock::now();
    if (interface_) link_losses_before_ = interface_->link_losses();
    return {};
  }

  unsigned queue_count() const override { return static_cast<unsigned>(queues_.size()); }

  Result<PollResult> poll(unsigned number) override {
    QueueState& state = *queues_[number];
    if (state.ended) return PollResult{PollStatus::kEnd, nullptr};
    if (!state.stopping && stop_time_ns_.load(std::memory_order_acquire) != 0) begin_end(state);
    Burst* burst = state.queue.poll();
    if (burst != nullptr) {
      if (state.stopping) state.ended = past_stop(state);
      return PollResult{PollStatus::kPackets, burst};
    }
    const PollResult idle{PollStatus::kIdle, nullptr};
    if (state.queue.starved()) return idle;
    if (number == 0) watch();
    if (number == 0 && failure_) return tl::unexpected<Error>(*failure_);
    if (state.stopping) state.ended = SteadyClock::now() - state.quiet_since > kQuietBeforeEnd;
    return idle;
  }

  void release(Burst* burst) override { static_cast<PortBurst*>(burst)->taken.store(false, std::memory_order_release); }

  void stop() override {
    int64_t running = 0;
    stop_time_ns_.compare_exchange_strong(running, wall_clock_ns(), std::memory_order_release);
  }

  PortAccount account() const override {
    std::lock_guard lock(statistics_mutex_);  // libpcap adds the kernel's counters up without a lock
    PortAccount account;
    for (const auto& state : queues_) {
      account[PortCounter::kReceived] += state->queue.received();
      account[PortCounter::kReceivedBytes] += state->queue.received_bytes();
    }
    rte_eth_stats statistics{};
    if (rte_eth_stats_get(*port_, &statistics) == 0) {
      account[PortCounter::kMissed] = statistics.imissed;
      // net_pcap takes a packet before it has a buffer for it; without a buffer the packet is lost.
      if (kernel_packets_) account[PortCounter::kMissed] += statistics.rx_nombuf;
      account[PortCounter::kErrors] = statistics.ierrors;
    }
    account[PortCounter::kOffered] = account[PortCounter::kReceived] + account[PortCounter::kMissed];
    count_link(account);
    return account;
  }

  std::vector<InterfaceInfo> interfaces() const override {
    InterfaceInfo info;
    info.name = interface_ ? interface_->name() : name_.substr(name_.find(':') + 1);
    info.link_type = traits().link_type;
    info.snap_length = PortBurst::kPacketBytesMax;
    info.mtu = interface_ ? interface_->mtu() : 0;
    return {info};
  }

  bool live() const override { return true; }

 private:
  tl::unexpected<Error> refused(std::string_view what, int error) const {
    return fail("{}: the port {} ({}){}", name_, what, rte_strerror(-error), eal_complaint());
  }

  // Returns the number of queues: that of workers when the port can spread flows symmetrically, else one.
  uint16_t queues_wanted(const SourceOptions& options) const {
    if ((info_.flow_type_rss_offloads & RTE_ETH_RSS_IP) == 0) return 1;
    return static_cast<uint16_t>(std::clamp<unsigned>(options.workers, 1, info_.max_rx_queues));
  }

  // Returns whether the port kept the hash key that it was given.
  bool hashes_symmetrically() const {
    const std::vector<uint8_t> wanted = symmetric_key(key_bytes());
    std::vector<uint8_t> key(wanted.size());
    rte_eth_rss_conf conf{key.data(), static_cast<uint8_t>(key.size()), 0};
    return rte_eth_dev_rss_hash_conf_get(*port_, &conf) == 0 && key == wanted;
  }

  size_t key_bytes() const { return info_.hash_key_size > 0 ? info_.hash_key_size : kHashKeyBytes; }

  Result<void> start(uint16_t count, unsigned bursts) {
    if (auto done = configure(count); !done) return done;
    if (auto done = make_queues(count, bursts); !done) return done;
    if (const int error = rte_eth_dev_start(*port_); error != 0) return refused("does not start", error);
    for (const auto& state : queues_) state->queue.set_traits(traits());
    return {};
  }

  Result<void> configure(uint16_t count) {
    // These two drivers open an input for each queue; a queue that is not read would lose its share silently.
    const bool opens_all = kernel_packets_ || std::string_view(info_.driver_name) == "net_af_packet";
    if (opens_all && info_.max_rx_queues > 1) {
      return fail("{}: several queues without flow hashing; give each interface a source of its own", name_);
    }
    const bool scatter = (info_.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
    rte_eth_conf conf{};
    conf.rxmode.mtu = std::clamp<uint32_t>(scatter ? kMtuScattered : kMtuSingle, info_.min_mtu, info_.max_mtu);
    conf.rxmode.offloads = info_.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_TIMESTAMP);
    std::vector<uint8_t> key = symmetric_key(key_bytes());
    if (count > 1) {
      conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
      conf.rx_adv_conf.rss_conf.rss_key = key.data();
      conf.rx_adv_conf.rss_conf.rss_key_len = static_cast<uint8_t>(key.size());
      conf.rx_adv_conf.rss_conf.rss_hf =
          info_.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
    }
    if (const int error = rte_eth_dev_configure(*port_, count, 0, &conf); error != 0) {
      return refused("refuses its configuration", error);
    }
    return {};
  }

  Result<void> make_queues(uint16_t count, unsigned bursts) {
    uint16_t descriptors = kDescriptors;
    if (const int error = rte_eth_dev_adjust_nb_rx_tx_desc(*port_, &descriptors, nullptr); error != 0) {
      return refused("has no receive ring of any size", error);
    }
    const int socket = rte_eth_dev_socket_id(*port_);
    for (uint16_t i = 0; i < count; i++) {
      auto& queue = queues_.emplace_back(std::make_unique<QueueState>(traits(), i, bursts))->queue;
      if (auto done = queue.reserve(name_, descriptors, bursts, socket); !done) return done;
      const int error =
          rte_eth_rx_queue_setup(*port_, i, descriptors, static_cast<unsigned>(socket), nullptr, queue.mempool());
      if (error != 0) return refused("refuses a receive queue", error);
    }
    return {};
  }

  PortTraits traits() const {
    PortTraits traits;
    traits.port = *port_;
    traits.link_type = link_type_;
    traits.timestamp_offset = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, nullptr);
    const int bit = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, nullptr);
    if (traits.timestamp_offset < 0 || bit < 0) return traits;
    traits.timestamp_flag = 1ull << bit;
    traits.timestamp_unit_ns = kernel_packets_ ? 1000 : 1;
    return traits;
  }

  void begin_end(QueueState& state) {
    state.stopping = true;
    state.received_at_stop = state.queue.received();
    state.stop_seen = state.quiet_since = SteadyClock::now();
  }

  // Returns whether the burst just taken reaches beyond the packets that had arrived when stop() was called. The kernel
  // dates each packet. A card may not, but no more packets than its ring holds were waiting.
  bool past_stop(QueueState& state) const {
    state.quiet_since = SteadyClock::now();
    if (state.quiet_since - state.stop_seen > kDrainMax) return true;
    if (kernel_packets_) return state.queue.last_timestamp_ns() > stop_time_ns_.load(std::memory_order_relaxed);
    return state.queue.received() - state.received_at_stop > 2u * kDescriptors;
  }

  // Checks now and then, while nothing comes, whether the port is there and has a link.
  void watch() {
    const auto now = SteadyClock::now();
    if (failure_ || now - watched_ < kWatchInterval) return;
    watched_ = now;
    const bool gone = interface_ ? !interface_->present() : rte_eth_dev_is_removed(*port_) != 0;
    if (gone) {
      failure_ = Error{fmt::format("{}: the {} is gone", name_, interface_ ? "interface" : "device")};
      return;
    }
    const bool up = has_link();
    if (up != up_) log_warning("{}: {}", name_, up ? "the link is up" : "the link is down: no packets until it is up");
    up_ = up;
  }

  // A link that went and came between two accounts is known from the kernel alone. Precondition: statistics_mutex_ is
  // held.
  void count_link(PortAccount& account) const {
    const bool down = !has_link();
    if (down && !link_down_) ++link_losses_;
    link_down_ = down;
    if (interface_) {
      const uint64_t losses = interface_->link_losses();
      link_losses_ = std::max(link_losses_, losses - std::min(losses, link_losses_before_));
    }
    account[PortCounter::kLinksDown] = down;
    account[PortCounter::kLinkDowns] = link_losses_;
  }

  bool has_link() const {
    if (interface_) return interface_->has_link();
    rte_eth_link link{};
    return rte_eth_link_get_nowait(*port_, &link) != 0 || link.link_status == RTE_ETH_LINK_UP;
  }

  const std::string name_;  // as the user gave it
  std::string device_;
  std::optional<NetworkInterface> interface_;
  std::optional<uint16_t> port_;
  rte_eth_dev_info info_{};
  bool kernel_packets_ = false;  // net_pcap: packets, times and counters are the kernel's
  std::vector<std::unique_ptr<QueueState>> queues_;
  std::atomic<int64_t> stop_time_ns_{0};  // 0: running
  // Used by queue 0's thread:
  SteadyClock::time_point watched_;
  bool up_ = true;
  std::optional<Error> failure_;  // stays once it is set
  LinkType link_type_ = LinkType::kEthernet;
  mutable std::mutex statistics_mutex_;
  mutable bool link_down_ = false;  // when the account was last taken
  mutable uint64_t link_losses_ = 0;
  uint64_t link_losses_before_ = 0;  // the kernel's count at the start
};

}  // namespace

Result<std::unique_ptr<Source>> open_interface_source(const std::string& name, const SourceOptions& options) {
  auto interface = NetworkInterface::find(name);
  if (!interface) return pass_on(interface);
  if (!interface->up()) return fail("if:{}: the interface is down; bring it up with: ip link set {} up", name, name);
  if (name.find_first_of(",=[]() ") != std::string::npos) {
    return fail("if:{}: DPDK does not take an interface of such a name; rename it", name);
  }
  if (!NetworkInterface::capture_allowed()) return fail("if:{}: {}", name, kCaptureNotAllowed);
  if (interface->merges_segments()) {
    log_warning(
        "if:{}: the kernel merges segments on this interface, so that packets longer than those on the wire are "
        "captured; "
        "turn it off with: ethtool -K {} gro off lro off tso off gso off",
        name, name);
  }
  if (auto started = start_eal(options.verbose); !started) return pass_on(started);
  static unsigned number = 900;  // number of the device within DPDK; devices that the user names begin at 0
  const std::string devargs = fmt::format("net_pcap{},rx_iface={}", number++, name);
  auto source = std::make_unique<DpdkSource>("if:" + name);
  if (auto done = source->open(devargs, options, std::move(*interface)); !done) return pass_on(done);
  return source;
}

Result<std::unique_ptr<Source>> open_dpdk_source(const std::string& devargs, const SourceOptions& options) {
  if (auto started = start_eal(options.verbose); !started) return pass_on(started);
  auto source = std::make_unique<DpdkSource>("dpdk:" + devargs);
  if (auto done = source->open(devargs, options, std::nullopt); !done) return pass_on(done);
  return source;
}

}  // namespace gatetape
