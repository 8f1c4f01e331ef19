#include "cli/output/table.h"

#include <algorithm>

namespace gatetape {

namespace {

constexpr size_t kGap = 2;         // between columns
constexpr size_t kNarrowest = 12;  // a text that is cut keeps so much
constexpr size_t kPaddedMax = 48;  // in a pipe one long value widens no column beyond this
constexpr std::string_view kBold = "\x1b[1m", kRed = "\x1b[31m", kReset = "\x1b[0m";

}  // namespace

Table::Table(std::vector<TableColumn> columns, const Terminal& terminal, std::function<bool(std::string_view)> write)
    : columns_(std::move(columns)), terminal_(terminal), write_(std::move(write)), shown_(columns_.size(), true) {}

bool Table::row(std::vector<std::string> cells, RowStyle style) {
  for (std::string& cell : cells) cell = printable(cell, terminal_.utf8);
  Row row{std::move(cells), style};
  if (sized_) return write_row(row, row.style == RowStyle::kMarked ? kRed : "");
  held_.push_back(std::move(row));
  return held_.size() < kRowsHeld || flush();
}

bool Table::finish() {
  return sized_ || flush();
}

bool Table::flush() {
  set_widths();
  sized_ = true;
  Row headings{{}, RowStyle::kPlain};
  for (const TableColumn& column : columns_) headings.cells.push_back(column.heading);
  bool written = write_row(headings, kBold);
  for (const Row& row : held_) written = written && write_row(row, row.style == RowStyle::kMarked ? kRed : "");
  held_.clear();
  return written;
}

void Table::set_widths() {
  widths_.clear();
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t width = width_of(columns_[i].heading);
    for (const Row& row : held_) width = std::max(width, width_of(row.cells[i]));
    if (terminal_.width == 0) width = std::min(width, std::max(kPaddedMax, columns_[i].heading.size()));
    widths_.push_back(width);
  }
  if (terminal_.width == 0) return;
  leave_out();
  narrow();
}

size_t Table::total() const {
  size_t sum = 0, shown = 0;
  for (size_t i = 0; i < columns_.size(); ++i) {
    sum += shown_[i] ? widths_[i] : 0;
    shown += shown_[i];
  }
  return sum + (shown == 0 ? 0 : (shown - 1) * kGap);
}

// Until the rest would fit with its texts cut as far as they may be.
void Table::leave_out() {
  const auto least = [&] {
    size_t sum = 0;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (shown_[i]) sum += kGap + (columns_[i].may_be_cut ? std::min(widths_[i], kNarrowest) : widths_[i]);
    }
    return sum - std::min(sum, kGap);
  };
  while (least() > terminal_.width) {
    size_t worst = columns_.size();
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (shown_[i] && columns_[i].rank > (worst == columns_.size() ? 0 : columns_[worst].rank)) worst = i;
    }
    if (worst == columns_.size()) return;
    shown_[worst] = false;
    ++left_out_;
  }
}

// The widest text first.
void Table::narrow() {
  while (total() > terminal_.width) {
    size_t widest = columns_.size();
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (!shown_[i] || !columns_[i].may_be_cut || widths_[i] <= 1) continue;
      if (widest == columns_.size() || widths_[i] >= widths_[widest]) widest = i;
    }
    if (widest == columns_.size()) return;
    --widths_[widest];
  }
}

bool Table::write_row(const Row& row, std::string_view color) {
  std::string line;
  size_t pending = 0;  // blanks, written when something follows
  bool first = true;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (!shown_[i]) continue;
    if (!first) pending += kGap;
    first = false;
    const std::string cell = terminal_.width == 0 ? row.cells[i] : cut_to(row.cells[i], widths_[i], terminal_.utf8);
    const size_t blank = widths_[i] - std::min(widths_[i], width_of(cell));
    if (columns_[i].right) pending += blank;
    if (!cell.empty()) {
      line.append(pending, ' ').append(cell);
      pending = 0;
    }
    if (!columns_[i].right) pending += blank;
  }
  // Where even the narrowest columns do not fit, the line is cut as a whole.
  if (terminal_.width != 0) line = cut_to(line, terminal_.width, terminal_.utf8);
  if (terminal_.color && !color.empty()) line = std::string(color) + line + std::string(kReset);
  line.push_back('\n');
  return write_(line);
}

}  // namespace gatetape
