// From the values that SQLite has for a plan to the scans that read what may match. They may yield
// more than what matches, never less: SQLite tests each record again.

#pragma once

#include <sqlite3.h>

#include <vector>

#include "storage/detail/sql_state.hpp"

namespace kontract {

SqlAffinity sql_affinity(const SqlState& state, int column);

// Sets `scans`: none if nothing can match; otherwise, one after the other, they yield the records
// in the plan's order. An error's code is SQLite's.
int sql_scans(const SqlState& state, const SqlPlan& plan, sqlite3_value** values,
              std::vector<RecordScan>& scans);

// Whether the scan asks for the record, which it has yielded. Of several scans, one does.
bool sql_scan_asks(const RecordScan& scan, const RecordView& record);

}  // namespace kontract
