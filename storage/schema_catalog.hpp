// The documents that were applied for an owner: rows of the registry of each shard, all versions.
// What is in one shard is on its way to the others; see actors/schema_call.cpp.

#pragma once

#include <optional>
#include <vector>

#include "storage/registry.hpp"
#include "storage/schema_document.hpp"

namespace kontract {

// Those above a version, lowest first. Errors of both: storage_corrupt.
Result<std::vector<SchemaDocument>> load_documents(const ReadTxn& txn, std::string_view owner,
                                                   std::uint64_t above);
Result<std::optional<SchemaDocument>> newest_document(const ReadTxn& txn, std::string_view owner);

void put_document(WriteBatch& batch, std::string_view owner, const SchemaDocument& document);

}  // namespace kontract
