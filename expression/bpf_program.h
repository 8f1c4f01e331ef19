// BpfProgram is a libpcap expression compiled for one link type. It is immutable; any thread may match with it.
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
  // Compiles the expression, which means what it means to `tcpdump -r FILE EXPRESSION`. Fails with libpcap's message.
  static Result<BpfProgram> compile(const std::string& expression, LinkType link_type);

  // Runs the program over the captured bytes. The expression's `len` is the wire length.
  bool matches(const Packet& packet) const;

 private:
  struct Free {
    void operator()(bpf_program* program) const;
  };
  using Code = std::unique_ptr<bpf_program, Free>;
  BpfProgram() = default;
  static Result<Code> compile_code(const std::string& expression, LinkType link_type, bool swapped);
  const bpf_program* code_for(const Packet& packet) const;

  Code code_;
  Code swapped_code_;  // loopback (LinkType::kNull) alone: for packets of a machine of the other byte order
};

}  // namespace gatetape
