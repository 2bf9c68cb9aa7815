// Aligned text tables for terminals.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace flash {

enum class Align { kLeft, kRight };

/// Columns a terminal needs for UTF-8 text: code points, wide East Asian characters counted twice, combining marks not
/// at all.
std::size_t display_width(std::string_view utf8);

/// Whether the text is well-formed UTF-8.
bool is_utf8(std::string_view text);

/// Control characters and broken UTF-8 replaced by '?': names may come from another party's model or from file names,
/// and must not be able to move the cursor or recolour the terminal.
std::string printable(std::string_view utf8);
/// The same for a text of several lines, which begin anew behind spaces: none can be taken for a message of its own.
std::string printable_lines(std::string_view utf8);

/// A table built row by row. Cells are made printable() when they are added.
///
///     Table table({{"layer"}, {"bytes up", Align::kRight}});
///     table.add_row({"conv1", "1,024"});
///     print_text(table.str());
class Table {
public:
    struct Column {
        std::string header;
        Align align = Align::kLeft;
    };

    explicit Table(std::vector<Column> columns);

    /// Missing cells at the end are empty. Throws Error(kInternal) for more cells than columns.
    void add_row(std::vector<std::string> cells);
    /// A rule across the table, e.g. before a row of totals.
    void add_rule();

    std::size_t rows() const { return rows_.size(); }
    /// Header, rule and rows, each line ended by a newline and without trailing spaces.
    std::string str() const;

private:
    struct Row {
        std::vector<std::string> cells;  ///< empty: a rule
    };
    std::vector<Column> columns_;
    std::vector<Row> rows_;
};

/// 1234567 as "1,234,567".
std::string with_separators(long long value);
/// Bytes in binary units with three significant digits: "512 B", "1.25 KiB", "3.40 MiB".
std::string human_bytes(double bytes);

}  // namespace flash
