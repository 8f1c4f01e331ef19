// Tells, by an index filter, whether a packet of a lane may match. Conservative: what a lane does not know (a packet
// not decoded to the end, or without IP) may match.
#pragma once

#include "storage/format/index_filter.h"
#include "storage/format/lane.h"

namespace gatetape {

bool may_match(const Lane& lane, const IndexFilter& filter);

// Frames with such lanes are candidates whatever is asked.
bool matches_anything(const Lane& lane);

bool protocol_has_ports(uint8_t protocol);

// The key of the index of connections: the same for both directions.
uint64_t connection_key(const IpAddress& source, uint16_t source_port, const IpAddress& destination,
                        uint16_t destination_port, uint8_t protocol);

}  // namespace gatetape
