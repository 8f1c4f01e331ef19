// For the tests of the store: traffic of every kind, written into a store and read back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/read/store_reader.h"
#include "storage/write/store_writer.h"
#include "tests/storage/query/query_support.h"

namespace gatetape::test {

// Traffic for a store: packets_of_many_kinds() and conversations that repeat bodies at other places, with time stepping
// back, cut packets, jumbo packets, empty packets.
std::vector<QueryPacket> store_traffic(uint32_t seed, size_t count);
// Conversations alone: bodies from a small set, cut into packets, behind headers of varying length.
std::vector<QueryPacket> repeating_traffic(uint32_t seed, size_t count);

Packet packet_of(const QueryPacket& packet, uint64_t ordinal);
RetentionClass retention_of(const QueryPacket& packet);  // by flow id, so that every class occurs

StoreOptions small_store(const std::string& directory);

// Packet i has ordinal first_ordinal + i and goes to worker i % workers, class by retention_of(). Frames are closed
// every `frame_packets` packets (0: when full).
void write_packets(Store& store, const std::vector<QueryPacket>& packets, unsigned workers = 1,
                   size_t frame_packets = 0, uint64_t first_ordinal = 0);
void write_store(const StoreOptions& options, const std::vector<QueryPacket>& packets, size_t frame_packets = 0,
                 uint64_t first_ordinal = 0);

// A stored packet with its bytes held.
struct HeldPacket {
  QueryPacket packet;
  uint64_t ordinal;
  uint16_t worker;
  RetentionClass retention;
};
std::vector<HeldPacket> read_packets(const std::string& directory, const StoreQuery& query, ReadStatistics& statistics);
std::vector<HeldPacket> read_packets(const std::string& directory);  // all, and nothing may be damaged

IndexTerm host_term(const IpAddress& address);
IndexTerm port_term(uint16_t port);

// Same bytes, times, lengths, link type, interface, flow.
bool same(const QueryPacket& a, const QueryPacket& b);

std::vector<std::string> segment_paths(const std::string& directory, const std::string& suffix = ".gtp");
std::vector<uint8_t> read_file(const std::string& path);
void write_file(const std::string& path, const std::vector<uint8_t>& bytes);

}  // namespace gatetape::test
