// What a statement may compare a column with, told from its text.
//
// SQLite converts both sides of a comparison by their affinities ("Datatypes In SQLite", section
// 4.2), and tells a virtual table the value on the other side, but not its affinity. A literal, a
// parameter and a function's result have none; a column of numbers and a CAST have, and then text
// that looks like a number is equal to that number: '05' and '5.0' to 5. No index has them
// together.
//
// A comparison that reaches the table's plan has on its other side what is known before the row is:
// a column only if another row is read in the same statement, and that takes the table's name twice
// or WITH. What is said here may be wrong on one side only, in naming more than there is.

#pragma once

#include <string_view>

namespace kontract {

struct SqlShape {
  bool casts = false;
  bool joins = false;       // may compare columns of two rows
  bool compounds = false;   // a column of numbers may have text: of UNION, its first SELECT's type
  bool row_values = false;  // (a, b) IN (...), which looks like equality to a virtual table
  bool numbers = false;     // reads a column of numbers; the authorizer says so

  // Whether a comparison may have a side with the affinity of numbers, besides the table's column.
  bool doubtful() const { return casts || (joins && numbers); }
};

// `numbers` is left for the authorizer.
SqlShape sql_shape(std::string_view sql, std::string_view table);

}  // namespace kontract
