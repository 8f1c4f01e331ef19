#include "capture/sources/eal.h"

#include <dlfcn.h>
#include <pthread.h>
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "common/log.h"

namespace gatetape {
namespace {

// Enough for DPDK itself and for the packet buffers of a port with a few queues.
constexpr uint64_t kHugeBytesWanted = 256ull << 20;
// Without hugepages DPDK reserves this much at the start; the machine provides it only as it is used.
constexpr const char* kOrdinaryMegabytes = "1024";

// Receives DPDK's messages line by line and passes them to stderr when verbose. Keeps the first complaint since clear()
// for error messages; later ones only say that something failed.
class EalLog {
 public:
  static EalLog& get() {
    static EalLog log;
    return log;
  }

  void open(bool verbose) {
    verbose_ = verbose;
    FILE* stream = fopencookie(this, "w", {nullptr, write, nullptr, nullptr});
    std::setvbuf(stream, nullptr, _IOLBF, 0);
    rte_openlog_stream(stream);
  }

  void clear() {
    std::lock_guard lock(mutex_);
    complaint_.clear();
  }

  std::string complaint() {
    std::lock_guard lock(mutex_);
    return complaint_;
  }

 private:
  static ssize_t write(void* self, const char* text, size_t size) {
    auto& log = *static_cast<EalLog*>(self);
    if (log.verbose_) std::fwrite(text, 1, size, stderr);
    const std::string_view line(text, std::min(size, std::string_view(text, size).find('\n')));
    std::lock_guard lock(log.mutex_);
    if (log.complaint_.empty() && rte_log_cur_msg_loglevel() <= static_cast<int>(RTE_LOG_ERR)) log.complaint_ = line;
    return static_cast<ssize_t>(size);
  }

  bool verbose_ = false;
  std::mutex mutex_;
  std::string complaint_;
};

uint64_t read_number(const std::filesystem::path& path) {
  uint64_t value = 0;
  std::ifstream(path) >> value;
  return value;
}

struct HugePages {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;  // in pages of the size with most free
};

HugePages hugepages() {
  HugePages found;
  std::error_code code;  // stays unused: a kernel without hugepages has no such directory
  for (const auto& entry : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", code)) {
    unsigned long kilobytes = 0;
    if (std::sscanf(entry.path().filename().c_str(), "hugepages-%lukB", &kilobytes) != 1) continue;
    found.total_bytes += kilobytes * 1024 * read_number(entry.path() / "nr_hugepages");
    found.free_bytes = std::max(found.free_bytes, kilobytes * 1024 * read_number(entry.path() / "free_hugepages"));
  }
  return found;
}

// In-memory hugepages need no mount point and leave no files; DPDK refuses that mode for ordinary memory.
std::vector<std::string> memory_arguments() {
  const HugePages pages = hugepages();
  if (pages.free_bytes >= kHugeBytesWanted) return {"--in-memory"};
  const char* why = pages.total_bytes == 0 ? "none are reserved" : "too few are free";
  log_warning(
      "no hugepages ({}: {} MB of {} MB free, {} MB wanted): using ordinary memory, which is slower and does not serve "
      "every network card; reserve some with: echo 256 > /proc/sys/vm/nr_hugepages",
      why, pages.free_bytes >> 20, pages.total_bytes >> 20, kHugeBytesWanted >> 20);
  return {"--no-huge", "-m", kOrdinaryMegabytes, "--no-shconf"};
}

std::vector<std::string> eal_arguments(const cpu_set_t& allowed) {
  int cpu = 0;
  while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &allowed)) cpu++;
  std::vector<std::string> arguments = {"gatetape", "--no-telemetry",
                                        "--file-prefix=gatetape-" + std::to_string(getpid()),
                                        // Workers are our own threads; DPDK gets this one alone.
                                        "--lcores=0@" + std::to_string(cpu),
                                        // No device unless it is asked for: an address that does not exist.
                                        "--allow=0000:00:00.0"};
  for (auto& argument : memory_arguments()) arguments.push_back(std::move(argument));
  return arguments;
}

// Runs rte_eal_init() and undoes two of its effects: it pins the calling thread, and the threads that it starts take
// the process's signals.
class ThreadState {
 public:
  ThreadState() {
    pthread_getaffinity_np(pthread_self(), sizeof(allowed_), &allowed_);
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &signals_);
  }
  ~ThreadState() {
    pthread_setaffinity_np(pthread_self(), sizeof(allowed_), &allowed_);
    pthread_sigmask(SIG_SETMASK, &signals_, nullptr);
  }
  const cpu_set_t& allowed() const { return allowed_; }

 private:
  cpu_set_t allowed_;
  sigset_t signals_;
};

Result<void> initialize(bool verbose) {
  EalLog::get().open(verbose);
  const ThreadState state;
  std::vector<std::string> arguments = eal_arguments(state.allowed());
  std::vector<char*> pointers;
  for (auto& argument : arguments) pointers.push_back(argument.data());
  const bool started = rte_eal_init(static_cast<int>(pointers.size()), pointers.data()) >= 0;
  // Removes the directory that DPDK makes for files and leaves empty.
  std::error_code not_empty;
  std::filesystem::remove(rte_eal_get_runtime_dir(), not_empty);
  if (started) return {};
  return fail("DPDK does not start ({}){}{}", rte_strerror(rte_errno), eal_complaint(),
              geteuid() == 0 ? "" : "; it needs root");
}

bool driver_installed(const std::string& driver) {
  void* library = dlopen(("librte_" + driver + ".so.23").c_str(), RTLD_NOLOAD | RTLD_LAZY);
  if (library == nullptr) return false;
  dlclose(library);
  return true;
}

// Returns the driver's name, "net_pcap" for "net_pcap0,rx_iface=eth1", or "" for a PCI address.
std::string driver_of(const std::string& devargs) {
  if (devargs.rfind("net_", 0) != 0) return "";
  std::string driver = devargs.substr(0, devargs.find(','));
  while (!driver.empty() && driver.back() >= '0' && driver.back() <= '9') driver.pop_back();
  return driver;
}

// Returns the kernel's driver that keeps a PCI device from DPDK, or "" when none does. Mellanox's drivers
// share the device.
std::string kernel_driver_in_the_way(const std::string& pci_address) {
  std::error_code code;
  const auto link = std::filesystem::read_symlink("/sys/bus/pci/devices/" + pci_address + "/driver", code);
  const std::string driver = code ? "" : link.filename().string();
  for (const char* fitting : {"vfio", "uio", "igb_uio", "mlx4", "mlx5"}) {
    if (driver.rfind(fitting, 0) == 0) return "";
  }
  return driver;
}

tl::unexpected<Error> explain_probe_failure(const std::string& source, const std::string& devargs, int error) {
  const std::string device = devargs.substr(0, devargs.find(','));
  const std::string driver = driver_of(devargs);
  if (!driver.empty() && !driver_installed(driver)) {
    std::string package = "librte-" + driver + "23";
    std::replace(package.begin(), package.end(), '_', '-');
    return fail("{}: DPDK has no driver {}; is Debian's package {} installed?", source, driver, package);
  }
  if (error == -EEXIST) return fail("{}: the device {} is in use already", source, device);
  if (driver.empty() && !std::filesystem::exists("/sys/bus/pci/devices/" + device)) {
    return fail("{}: no PCI device {} (written in full, as in 0000:03:00.0) and no DPDK driver of that name", source,
                device);
  }
  const std::string complaint = eal_complaint();
  return fail("{}: DPDK cannot open the device{}{}", source,
              complaint.empty() ? ": " + std::string(rte_strerror(-error)) : complaint,
              geteuid() == 0 ? "" : "; live capture needs root or CAP_NET_RAW");
}

}  // namespace

std::string eal_complaint() {
  const std::string complaint = EalLog::get().complaint();
  return complaint.empty() ? "" : ": " + complaint;
}

Result<void> start_eal(bool verbose) {
  static const Result<void> started = initialize(verbose);  // DPDK can be started only once
  return started;
}

Result<uint16_t> attach_port(const std::string& source, const std::string& devargs) {
  const std::string device = devargs.substr(0, devargs.find(','));
  // Asked first, because some of DPDK's drivers would take a card away from the kernel.
  if (const std::string driver = kernel_driver_in_the_way(device); !driver.empty()) {
    return fail(
        "{}: the device is in use by the kernel's driver {}; give it to DPDK with: dpdk-devbind.py -b vfio-pci {}",
        source, driver, device);
  }
  EalLog::get().clear();
  if (const int error = rte_dev_probe(devargs.c_str()); error != 0)
    return explain_probe_failure(source, devargs, error);
  uint16_t port = RTE_MAX_ETHPORTS;
  rte_dev_iterator iterator;
  RTE_ETH_FOREACH_MATCHING_DEV(port, device.c_str(), &iterator) {
    rte_eth_iterator_cleanup(&iterator);
    return port;
  }
  return fail("{}: the device has no network port", source);
}

void detach_port(const std::string& device_name) {
  for (const char* bus : {"vdev", "pci"}) {
    if (rte_eal_hotplug_remove(bus, device_name.c_str()) == 0) return;
  }
}

}  // namespace gatetape
