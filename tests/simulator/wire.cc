#include "tests/simulator/wire.h"

#include <cstring>
#include <string>

#include "tests/support/packet_builder.h"

namespace gatetape::simulator {
namespace {

constexpr size_t kBodies = 7, kClients = 4;

std::string body_of(size_t number) {
  Random random(number);
  std::string body = "HTTP/1.1 200 OK\r\n\r\n";
  const size_t size = 40 + random.below(number == 0 ? 100 : 1200);
  while (body.size() < size) body += random.one_in(3) ? "the same words again, " : std::to_string(random.next());
  return body + std::string(sizeof(uint64_t), '\0');
}

// The packets of all histories differ in their numbers alone.
std::vector<std::vector<uint8_t>> make_templates() {
  std::vector<std::vector<uint8_t>> templates;
  for (size_t body = 0; body < kBodies; body++) {
    const std::string payload = body_of(body);
    for (size_t client = 0; client < kClients; client++) {
      const std::string address = "10.0.0." + std::to_string(client + 1);
      const auto port = static_cast<uint16_t>(40000 + client);
      const auto sequence = static_cast<uint32_t>(1000 * body);
      templates.push_back(
          client % 2 == 0
              ? test::tcp("10.9.0.100", 80, address, port, {sequence, 1, kTcpAck | kTcpPsh, payload}).bytes()
              : test::udp(address, port, "10.9.0.53", 53, payload).bytes());
    }
  }
  return templates;
}

}  // namespace

const WirePacket& Wire::carry(unsigned sensor, int64_t timestamp_ns, std::optional<uint64_t> run) {
  static const std::vector<std::vector<uint8_t>> templates = make_templates();
  WirePacket packet;
  const size_t client = random_.below(kClients);
  packet.bytes = templates[random_.below(kBodies) * kClients + client];
  const uint64_t number = packets_.size();
  std::memcpy(packet.bytes.data() + packet.bytes.size() - sizeof number, &number, sizeof number);
  packet.timestamp_ns = timestamp_ns;
  packet.sensor = sensor;
  packet.flow_id = client + 1;
  packet.run = run;
  if (client == 2) packet.retention = RetentionClass::kHeaders;
  if (client == 3 && pinned_) packet.retention = RetentionClass::kPinned;
  packets_.push_back(std::move(packet));
  return packets_.back();
}

std::optional<uint64_t> Wire::number_of(std::span<const uint8_t> bytes) const {
  uint64_t number;
  if (bytes.size() < sizeof number) return std::nullopt;
  std::memcpy(&number, bytes.data() + bytes.size() - sizeof number, sizeof number);
  if (number >= packets_.size()) return std::nullopt;
  return number;
}

}  // namespace gatetape::simulator
