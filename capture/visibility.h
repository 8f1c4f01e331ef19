// The blind spots of a capture, in words for the operator, from the account alone: said after the first seconds, in the
// summary and by `stats`.
#pragma once

#include <string>
#include <vector>

#include "packet/account.h"

namespace gatetape {

// `has_ingress`: ingress addresses were given, so that packets to and from them were counted.
// `live`: of a network port, not of files.
std::vector<std::string> blind_spots(const WorkerAccount& account, bool has_ingress, bool live);

}  // namespace gatetape
