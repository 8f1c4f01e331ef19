// A table for people: columns side by side, each as wide as it has to be. On a terminal it fits the width: texts are
// cut with a mark, and where that is not enough, the least important columns are left out. In a pipe nothing is cut.
// Cells may hold whatever came from the wire: they are made printable here. One thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output/terminal.h"

namespace gatetape {

struct TableColumn {
  std::string heading;
  bool right = false;      // aligned; for numbers
  bool may_be_cut = true;  // false for what is worthless in part: a number, a time, an id
  int rank = 0;            // columns with the greatest rank are left out first; 0: never
};

enum class RowStyle { kPlain, kMarked };

class Table {
 public:
  // `write` gets whole lines and says whether it could write them.
  Table(std::vector<TableColumn> columns, const Terminal& terminal, std::function<bool(std::string_view)> write);

  // As many cells as columns. The first rows are held back until the widths are known. False: writing failed.
  bool row(std::vector<std::string> cells, RowStyle style = RowStyle::kPlain);
  // Writes what was held back. Without a row only the headings stand there.
  bool finish();
  // The columns that were left out for want of room, once finish() was called.
  size_t columns_left_out() const { return left_out_; }

 private:
  static constexpr size_t kRowsHeld = 1000;
  struct Row {
    std::vector<std::string> cells;
    RowStyle style;
  };

  void set_widths();
  void leave_out();
  void narrow();
  size_t total() const;
  bool write_row(const Row& row, std::string_view color);
  bool flush();

  std::vector<TableColumn> columns_;
  Terminal terminal_;
  std::function<bool(std::string_view)> write_;
  std::vector<size_t> widths_;
  std::vector<bool> shown_;
  std::vector<Row> held_;
  bool sized_ = false;
  size_t left_out_ = 0;
};

}  // namespace gatetape
