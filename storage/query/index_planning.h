// From an expression to what it asks of a segment's index.
#pragma once

#include "expression/expression.h"
#include "storage/format/index_filter.h"

namespace gatetape {

// Clauses that leave out nothing that could match: a frame outside them holds no packet of the expression. Call it
// after the expression has learned from the records; connections found there are then asked for by flow id.
IndexFilter index_filter_of(const Expression& expression);

}  // namespace gatetape
