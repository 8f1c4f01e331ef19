#include "tests/simulator/checks.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include "expression/expression.h"
#include "storage/evidence/store_verify.h"
#include "storage/query/extract.h"
#include "storage/read/packet_stream.h"
#include "storage/read/segment_directory.h"
#include "tests/support/simulated_files.h"

namespace gatetape::simulator {
namespace {

std::string difference_from_wire(const StoredPacket& stored, const Wire& wire, uint64_t& number) {
  const Packet& packet = stored.packet;
  const auto found = wire.number_of(packet.bytes());
  if (!found) return "holds a packet that was never on a wire";
  number = *found;
  const WirePacket& sent = wire[number];
  if (!sent.run) return fmt::format("holds packet {}, which no sensor received", number);
  if (!std::ranges::equal(packet.bytes(), sent.bytes)) return fmt::format("has other bytes for packet {}", number);
  if (packet.timestamp_ns != sent.timestamp_ns) return fmt::format("has another time for packet {}", number);
  if (packet.wire_length != sent.bytes.size()) return fmt::format("has another length for packet {}", number);
  if (stored.flow_id != sent.flow_id) return fmt::format("has another flow for packet {}", number);
  if (stored.retention != sent.retention) return fmt::format("has another class for packet {}", number);
  return {};
}

}  // namespace

std::string read_contents(FileSystem& files, const std::vector<std::string>& directories, const Wire& wire,
                          Contents& contents) {
  const auto segments = list_segments(files, directories);
  if (!segments)
    return segments.error().code == ENOENT ? "" : "the directory cannot be read: " + segments.error().message;
  const StoreQuery everything;
  LiteralCache cache(size_t{64} << 20);
  std::vector<bool> seen(wire.size());
  for (const SegmentPath& segment : *segments) {
    if (segment.kind != SegmentKind::kPackets) continue;
    ReadStatistics statistics;
    PacketStream stream(files, {segment.path}, {0}, everything, cache, statistics);
    std::vector<uint64_t>& numbers = contents[segment.path];
    while (stream.next()) {
      uint64_t number = 0;
      const std::string difference = difference_from_wire(stream.packet(), wire, number);
      if (!difference.empty()) return segment.path + " " + difference;
      if (seen[number]) return fmt::format("{} has packet {}, which is there already", segment.path, number);
      seen[number] = true;
      if (!numbers.empty() && number < numbers.back()) {
        return fmt::format("{} has packet {} after packet {}", segment.path, number, numbers.back());
      }
      numbers.push_back(number);
    }
  }
  return {};
}

std::string compare_contents(const Contents& expected, const Contents& contents,
                             const std::function<bool(const std::string& path)>& excused) {
  for (const auto& [path, numbers] : expected) {
    if (numbers.empty() || excused(path)) continue;
    const auto there = contents.find(path);
    if (there == contents.end()) return path + " is gone, and was not evicted";
    if (std::ranges::includes(there->second, numbers)) continue;
    const auto missing = std::ranges::find_if(
        numbers, [&](uint64_t number) { return !std::ranges::binary_search(there->second, number); });
    return fmt::format("{} has lost packet {}: {} of {} are left", path, *missing, there->second.size(),
                       numbers.size());
  }
  return {};
}

std::string check_statement(FileSystem& files, const std::vector<std::string>& directories, const Wire& wire,
                            const Question& question, const std::function<void()>& meanwhile, Answer& answer) {
  answer.failed = true;
  auto reader = StoreReader::open(directories, files);
  if (!reader) return {};
  auto expression = Expression::parse("");
  if (!expression || !expression->compile({})) return "the empty expression does not compile";
  test::SimulatedFiles output;
  if (!output.make_directories("/out")) return "no place for the output";
  ExtractRequest request;
  request.range = question.range;
  request.output.path = "/out/packets.pcapng";
  request.output.files = &output;
  request.origin.stores = directories;
  request.files = &files;
  const auto statement = extract(**reader, *expression, request, [&] {
    meanwhile();
    return false;
  });
  if (!statement) return {};
  answer.failed = false;
  answer.completeness = statement->completeness();
  answer.complete = answer.completeness == "complete";
  for (const std::string& reason : statement->reasons())
    answer.reasons += (answer.reasons.empty() ? "" : "; ") + reason;
  if (!answer.complete) return {};
  uint64_t expected = 0;
  for (size_t number = 0; number < question.wire_size; number++) {
    const WirePacket& sent = wire[number];
    expected += std::ranges::count(question.sensors, sent.sensor) != 0 && sent.timestamp_ns >= question.wire_since_ns &&
                sent.timestamp_ns <= question.wire_until_ns;
  }
  if (statement->packets <= expected && statement->packets + question.on_the_way >= expected) return {};
  return fmt::format("\"complete\" with {} packets, where {} were on the wire", statement->packets, expected);
}

Soundness verify(FileSystem& files, const std::vector<std::string>& directories, const SigningKey& key,
                 const std::vector<std::string>& notes, std::string& why) {
  VerifyOptions options;
  options.directories = directories;
  options.fingerprint = key.fingerprint();
  options.literal_bytes = size_t{64} << 20;
  for (const std::string& note : notes) {
    auto parsed = SignedNote::parse(note);
    if (!parsed) {
      why = "a checkpoint that was handed out cannot be read: " + parsed.error().message;
      return Soundness::kNotSound;
    }
    options.outside.push_back(std::move(*parsed));
  }
  const auto report = verify_store(files, options);
  if (!report) {
    why = report.error().message;
    return Soundness::kNotSound;
  }
  for (const Finding& finding : report->findings) why += fmt::format("{}: {}; ", finding.file, finding.what);
  if (!report->sound()) return Soundness::kNotSound;
  for (const std::string& line : report->tail) why += line + "; ";
  return report->tail.empty() ? Soundness::kSound : Soundness::kUnsignedTail;
}

}  // namespace gatetape::simulator
