// For the tests of queries: packets of many kinds, and a store in memory whose index knows exactly what
// storage/read/store_reader.h allows it to know, so that every expression can be held against plain libpcap.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "packet/decode.h"
#include "storage/read/store_reader.h"
#include "tests/support/packet_builder.h"

namespace gatetape::test {

struct QueryPacket {
  std::vector<uint8_t> bytes;
  uint32_t wire_length = 0;
  int64_t timestamp_ns = 0;
  LinkType link_type = LinkType::kEthernet;
  uint16_t interface_id = 0;
  uint64_t flow_id = 0;
};

// Whether the index may say that a packet satisfies the term; the strictest reading of IndexTerm's contract.
bool satisfies(const IndexTerm& term, const Packet& packet, const DecodedPacket& decoded, uint64_t flow_id);
bool satisfies(const IndexFilter& filter, const Packet& packet, const DecodedPacket& decoded, uint64_t flow_id);

// Every packet is a frame of its own, so that an index that leaves out too much shows.
class MemoryStore : public StoreReader {
 public:
  std::vector<QueryPacket> stored;
  RecordBatch records_batch;
  std::vector<StoreInterface> interfaces = {{"eth0", LinkType::kEthernet, 262144}};
  int64_t run_started_ns = 0;  // the run that recorded them
  uint64_t others = 0;         // packets of the run that segments() tells of, and nobody asks for

  Result<ReadStatistics> packets(const StoreQuery& query,
                                 const std::function<bool(const StoredPacket&)>& visit) override;
  Result<ReadStatistics> records(const RecordQuery& query, const std::function<bool(const Record&)>& visit) override;
  Result<StoreSummary> summary() override;
  Result<std::vector<StoredSegment>> segments() override;
};

StoredPacket stored_packet(const QueryPacket& packet, uint64_t ordinal);

// TCP, UDP, SCTP, ICMP, ARP, VLAN (also stacked), MPLS, IPv6 with and without extension headers, fragments, an 802.3
// frame, malformed and cut versions of them; between a few hosts and ports that random expressions name too.
std::vector<QueryPacket> packets_of_many_kinds(uint32_t seed, size_t count);

// Reads a capture file with libpcap, with nanoseconds.
std::vector<QueryPacket> read_capture(const std::string& path);

// The sample capture, from $GATETAPE_SAMPLE, or decompressed once into a temporary file from the shared samples
// ($GATETAPE_SHARED, else ../shared). Empty when there is none: the test says that it was skipped.
std::string sample_capture();

// A directory under /tmp that goes away with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A command's standard output; `status` is its exit code.
std::string run_command(const std::string& command, int* status = nullptr);

}  // namespace gatetape::test
