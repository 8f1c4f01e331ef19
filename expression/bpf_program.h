// One libpcap expression, compiled for each link type that it is asked of. Immutable after compile(); matching is
// thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/result.h"
#include "packet/packet.h"

struct bpf_program;

namespace gatetape {

class BpfProgram {
 public:
  // Means what it means to `tcpdump -r FILE EXPRESSION`. Fails with libpcap's message alone.
  static Result<BpfProgram> compile(const std::string& expression, LinkType link_type);

  // Runs over the captured bytes, with the wire length as `len`.
  bool matches(const Packet& packet) const;

 private:
  struct Free {
    void operator()(bpf_program* program) const;
  };
  explicit BpfProgram(std::unique_ptr<bpf_program, Free> program) : program_(std::move(program)) {}

  std::unique_ptr<bpf_program, Free> program_;
};

}  // namespace gatetape
