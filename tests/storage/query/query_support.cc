#include "tests/storage/query/query_support.h"

#include <pcap/pcap.h>
#include <sys/wait.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

namespace gatetape::test {

namespace {

constexpr uint16_t kArp = 0x0806, kRarp = 0x8035;

bool is_ethernet_or_cooked(LinkType type) {
  return type == LinkType::kEthernet || type == LinkType::kLinuxSll || type == LinkType::kLinuxSll2;
}

// The addresses that an ARP packet for IPv4 carries (RFC 826), at fixed places behind the Ethernet header and tags.
bool arp_has_host(const Packet& packet, const DecodedPacket& decoded, const IpPrefix& host) {
  const size_t arp = 14 + 4u * decoded.vlan_count;
  if (packet.captured_length < arp + 28) return true;
  return host.contains(IpAddress::from_v4(packet.data + arp + 14)) ||
         host.contains(IpAddress::from_v4(packet.data + arp + 24));
}

bool connection_is(const Endpoints& e, const DecodedPacket& d) {
  const auto is = [&](const IpAddress& a, uint16_t ap, const IpAddress& b, uint16_t bp) {
    return d.source == a && d.source_port == ap && d.destination == b && d.destination_port == bp;
  };
  return d.protocol == e.protocol && (is(e.source, e.source_port, e.destination, e.destination_port) ||
                                      is(e.destination, e.destination_port, e.source, e.source_port));
}

}  // namespace

bool satisfies(const IndexTerm& term, const Packet& packet, const DecodedPacket& d, uint64_t flow_id) {
  if (term.flow_id && *term.flow_id != flow_id) return false;
  if (term.connection && !connection_is(*term.connection, d)) return false;
  if (!term.host && !term.port && !term.protocol) return true;
  if (d.status == DecodeStatus::kNotIp && is_ethernet_or_cooked(packet.link_type)) {
    const bool arp = d.ether_type == kArp || d.ether_type == kRarp;
    return arp && term.host && !term.port && !term.protocol && arp_has_host(packet, d, *term.host);
  }
  if (d.status != DecodeStatus::kOk) return true;
  if (term.host && !term.host->contains(d.source) && !term.host->contains(d.destination)) return false;
  if (term.protocol && d.protocol != *term.protocol) return false;
  return !term.port || (d.has_transport && (d.source_port == *term.port || d.destination_port == *term.port));
}

bool satisfies(const IndexFilter& filter, const Packet& packet, const DecodedPacket& decoded, uint64_t flow_id) {
  return std::ranges::all_of(filter.all_of, [&](const std::vector<IndexTerm>& clause) {
    return std::ranges::any_of(clause, [&](const IndexTerm& t) { return satisfies(t, packet, decoded, flow_id); });
  });
}

StoredPacket stored_packet(const QueryPacket& packet, uint64_t ordinal) {
  StoredPacket stored;
  stored.packet.data = packet.bytes.data();
  stored.packet.captured_length = static_cast<uint32_t>(packet.bytes.size());
  stored.packet.wire_length = packet.wire_length;
  stored.packet.timestamp_ns = packet.timestamp_ns;
  stored.packet.link_type = packet.link_type;
  stored.packet.interface_id = packet.interface_id;
  stored.packet.ordinal = ordinal;
  stored.flow_id = packet.flow_id;
  return stored;
}

Result<ReadStatistics> MemoryStore::packets(const StoreQuery& query,
                                            const std::function<bool(const StoredPacket&)>& visit) {
  ReadStatistics statistics;
  statistics.segments = statistics.segments_read = 1;
  statistics.frames = stored.size();
  for (size_t i = 0; i < stored.size(); ++i) {
    const StoredPacket packet = stored_packet(stored[i], i);
    const int64_t time = packet.packet.timestamp_ns;
    if ((query.since_ns && time < *query.since_ns) || (query.until_ns && time >= *query.until_ns)) continue;
    DecodedPacket decoded;
    decode(packet.packet, decoded);
    if (!satisfies(query.index, packet.packet, decoded, packet.flow_id)) continue;
    ++statistics.frames_read;
    ++statistics.packets_visited;
    if (!visit(packet)) break;
  }
  return statistics;
}

Result<ReadStatistics> MemoryStore::records(const RecordQuery& query, const std::function<bool(const Record&)>& visit) {
  const auto visit_one = [&](const Record& record) { visit(record); };
  const Result<void> read = for_each_record(records_batch.bytes(), visit_one, query.types);
  if (!read) return tl::unexpected<Error>(read.error());
  return ReadStatistics();
}

Result<StoreSummary> MemoryStore::summary() {
  StoreSummary summary;
  summary.packets = stored.size();
  summary.interfaces = interfaces;
  for (const QueryPacket& packet : stored) {
    summary.captured_bytes += packet.bytes.size();
    if (summary.oldest_ns == 0 || packet.timestamp_ns < summary.oldest_ns) summary.oldest_ns = packet.timestamp_ns;
    summary.newest_ns = std::max(summary.newest_ns, packet.timestamp_ns);
  }
  return summary;
}

// One segment of one run, with everything in it.
Result<std::vector<StoredSegment>> MemoryStore::segments() {
  StoredSegment facts;
  facts.sequence = 1;
  facts.packets = facts.account_added = stored.size() + others;
  facts.run_started_ns = run_started_ns;
  facts.time_min_ns = INT64_MAX;
  facts.time_max_ns = INT64_MIN;
  for (const QueryPacket& packet : stored) {
    facts.time_min_ns = std::min(facts.time_min_ns, packet.timestamp_ns);
    facts.time_max_ns = std::max(facts.time_max_ns, packet.timestamp_ns);
  }
  return std::vector<StoredSegment>{facts};
}

// ---------------------------------------------------------------- packets

namespace {

class PacketMaker {
 public:
  explicit PacketMaker(uint32_t seed) : random_(seed) {}

  std::vector<uint8_t> packet() {
    std::vector<uint8_t> bytes;
    std::vector<uint8_t> network;
    uint16_t type = 0x0800;
    switch (pick(8)) {
      case 0:
        network = arp();
        type = pick(4) == 0 ? kRarp : kArp;
        break;
      case 1:
      case 2:
        network = ipv6();
        type = 0x86dd;
        break;
      default:
        network = ipv4();
    }
    put16(bytes, 0x0200), put32(bytes, pick(3)), put16(bytes, 0x0200), put32(bytes, pick(3));
    const unsigned tags = pick(4) == 0 ? 1 + pick(2) : 0;
    for (unsigned i = 0; i < tags; ++i) put16(bytes, pick(3) == 0 ? 0x88a8 : 0x8100), put16(bytes, 10 + pick(4));
    if (pick(20) == 0) {  // MPLS, bottom of stack
      put16(bytes, 0x8847), put32(bytes, (1000 << 12) | 0x100 | 64);
    } else if (pick(30) == 0) {
      put16(bytes, static_cast<unsigned>(network.size()));  // 802.3 length
    } else {
      put16(bytes, type);
    }
    bytes.insert(bytes.end(), network.begin(), network.end());
    if (pick(15) == 0) bytes.resize(pick(static_cast<unsigned>(bytes.size())) + 1);
    if (pick(15) == 0) bytes[(14 + pick(static_cast<unsigned>(bytes.size()))) % bytes.size()] = 0xff;
    return bytes;
  }

  unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }

 private:
  using Bytes = std::vector<uint8_t>;
  static void put16(Bytes& out, unsigned v) { detail::put16(out, v); }
  static void put32(Bytes& out, uint32_t v) { detail::put32(out, v); }

  void address(Bytes& out) { put32(out, 0x0a090000u + pick(5)); }
  void address6(Bytes& out) { put32(out, 0x20010db8), put32(out, 0), put32(out, 0), put32(out, pick(4)); }
  unsigned port() {
    static constexpr unsigned kPorts[] = {80, 443, 8080, 53, 40000};
    return kPorts[pick(5)];
  }

  Bytes transport(unsigned protocol) {
    Bytes out;
    if (protocol == kProtocolTcp || protocol == kProtocolUdp || protocol == kProtocolSctp)
      put16(out, port()), put16(out, port());
    if (protocol == kProtocolTcp)
      put32(out, 1), put32(out, 2), put16(out, 0x5000 | pick(256)), put16(out, 1000), put32(out, 0);
    if (protocol == kProtocolUdp) put16(out, 12), put16(out, 0), put32(out, 0);
    if (protocol == kProtocolSctp) put32(out, 7), put32(out, 0);
    if (protocol == kProtocolIcmp || protocol == kProtocolIcmpv6)
      put16(out, pick(2) ? 0x0800 : 0x0000), put16(out, 0), put32(out, 0);
    return out;
  }

  unsigned protocol() {
    static constexpr unsigned kProtocols[] = {kProtocolTcp,  kProtocolTcp,  kProtocolUdp,
                                              kProtocolSctp, kProtocolIcmp, 47};
    return kProtocols[pick(6)];
  }

  Bytes ipv4() {
    const unsigned p = protocol();
    const Bytes inside = transport(p);
    const unsigned options = pick(10) == 0 ? 4 : 0;
    Bytes out = {static_cast<uint8_t>(0x45 + options / 4), 0};
    put16(out, static_cast<unsigned>(20 + options + inside.size()) - (pick(30) == 0 ? 9 : 0));
    put16(out, 7), put16(out, pick(12) == 0 ? 0x2000 : pick(12) == 0 ? 0x00b9 : 0);
    out.push_back(64), out.push_back(static_cast<uint8_t>(p)), put16(out, 0);
    address(out), address(out);
    if (options != 0) put32(out, 0x01010101);
    out.insert(out.end(), inside.begin(), inside.end());
    return out;
  }

  Bytes ipv6() {
    const unsigned p = pick(3) == 0 ? kProtocolIcmpv6 : protocol();
    const Bytes inside = transport(p);
    const unsigned extension = pick(5);  // 0: hop by hop, 1: fragment, 2: a later fragment
    Bytes out;
    put32(out, 0x60000000), put16(out, static_cast<unsigned>(inside.size()) + (extension < 3 ? 8 : 0));
    out.push_back(static_cast<uint8_t>(extension == 0 ? 0 : extension < 3 ? 44 : p)), out.push_back(64);
    address6(out), address6(out);
    if (extension == 0) out.push_back(static_cast<uint8_t>(p)), out.push_back(0), put16(out, 0x0104), put32(out, 0);
    if (extension == 1 || extension == 2) {
      out.push_back(static_cast<uint8_t>(p)), out.push_back(0), put16(out, extension == 1 ? 1 : 0x0048), put32(out, 5);
    }
    out.insert(out.end(), inside.begin(), inside.end());
    return out;
  }

  Bytes arp() {
    Bytes out;
    put16(out, 1), put16(out, 0x0800), put16(out, 0x0604), put16(out, 1 + pick(2));
    put16(out, 2), put32(out, 1), address(out), put16(out, 2), put32(out, 2), address(out);
    return out;
  }

  std::mt19937 random_;
};

}  // namespace

std::vector<QueryPacket> packets_of_many_kinds(uint32_t seed, size_t count) {
  PacketMaker maker(seed);
  std::vector<QueryPacket> packets;
  for (size_t i = 0; i < count; ++i) {
    QueryPacket packet;
    packet.bytes = maker.packet();
    packet.wire_length = static_cast<uint32_t>(packet.bytes.size()) + (maker.pick(4) == 0 ? 100 : 0);
    packet.timestamp_ns = 1'700'000'000'000'000'001 + static_cast<int64_t>(i) * 1'000'003;
    packet.flow_id = 1 + maker.pick(10);
    packets.push_back(std::move(packet));
  }
  return packets;
}

std::vector<QueryPacket> read_capture(const std::string& path) {
  char message[PCAP_ERRBUF_SIZE];
  pcap_t* file = pcap_open_offline_with_tstamp_precision(path.c_str(), PCAP_TSTAMP_PRECISION_NANO, message);
  INFO(path);
  REQUIRE(file != nullptr);
  std::vector<QueryPacket> packets;
  pcap_pkthdr* header;
  const u_char* data;
  int status;
  while ((status = pcap_next_ex(file, &header, &data)) == 1) {
    QueryPacket packet;
    packet.bytes.assign(data, data + header->caplen);
    packet.wire_length = header->len;
    packet.timestamp_ns = header->ts.tv_sec * int64_t{1'000'000'000} + header->ts.tv_usec;
    packet.link_type = static_cast<LinkType>(pcap_datalink(file));
    packets.push_back(std::move(packet));
  }
  pcap_close(file);
  REQUIRE(status == PCAP_ERROR_BREAK);
  return packets;
}

std::string sample_capture() {
  static const std::string path = [] {
    if (const char* given = std::getenv("GATETAPE_SAMPLE")) return std::string(given);
    const char* shared = std::getenv("GATETAPE_SHARED");
    std::string compressed = std::string(shared != nullptr ? shared : "../shared") + "/samples/ingress-lab.pcap.zst";
    for (int up = 0; up < 3 && !std::filesystem::exists(compressed); ++up) compressed = "../" + compressed;
    if (!std::filesystem::exists(compressed)) return std::string();
    static const TemporaryDirectory directory;
    const std::string plain = directory.path("sample.pcap");
    int status = 0;
    run_command("zstd -q -d -f '" + compressed + "' -o '" + plain + "'", &status);
    return status == 0 ? plain : std::string();
  }();
  if (path.empty()) WARN("skipped: no sample capture (set GATETAPE_SHARED or GATETAPE_SAMPLE)");
  return path;
}

TemporaryDirectory::TemporaryDirectory() {
  path_ = (std::filesystem::temp_directory_path() / "gatetape-query-XXXXXX").string();  // in $TMPDIR
  REQUIRE(mkdtemp(path_.data()) != nullptr);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;  // nothing to be done about a leftover at the end of a test
  std::filesystem::remove_all(path_, ignored);
}

std::string run_command(const std::string& command, int* status) {
  std::string out;
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  char buffer[65536];
  for (size_t n; (n = fread(buffer, 1, sizeof(buffer), pipe)) != 0;) out.append(buffer, n);
  const int result = pclose(pipe);
  if (status != nullptr) *status = WIFEXITED(result) ? WEXITSTATUS(result) : -1;
  return out;
}

}  // namespace gatetape::test
