// What a document would do to the stored sessions of an owner, with nothing changed: each is
// migrated as at its next wake, and what comes of it is thrown away. Reads what LMDB has, so a
// session that is awake may be further.

#pragma once

#include <string>
#include <vector>

#include "storage/schema_migration.hpp"

namespace kontract {

struct DryRunPage {
  // [{"session","from","to","tables":[{"table","created","dropped","records","changed","failed",
  // "failures":[{"id","why"}]}…],"error"?}…]
  Json sessions = Json::array();
  std::string next;  // where the next page begins; empty: there is none
};

// `documents` are all that will have been applied then, lowest version first. A page ends after
// limits::kDryRunSessionsMax sessions, or the one with which kDryRunTime is over.
// Errors: invalid_request (`after` is of no page), storage_corrupt.
Result<DryRunPage> dry_run(Store& store, const std::string& owner,
                           const std::vector<SchemaDocument>& documents, const std::string& after);

}  // namespace kontract
