#include "storage/schema_catalog.hpp"

#include <limits>

#include "storage/format.hpp"

namespace kontract {
namespace {

Result<SchemaDocument> document_at(const Cursor& cursor) {
  auto text = format::parse_document(cursor.key(), cursor.value());
  if (!text) return std::move(text).error();
  auto document = SchemaDocument::parse(Json::parse(*text, nullptr, false));
  if (document) return document;
  return format::corrupt(Keyspace::registry, cursor.key(), document.error().message);
}

}  // namespace

Result<std::vector<SchemaDocument>> load_documents(const ReadTxn& txn, std::string_view owner,
                                                   std::uint64_t above) {
  std::vector<SchemaDocument> documents;
  auto cursor = txn.cursor(Keyspace::registry);
  if (!cursor) return std::move(cursor).error();
  const format::Key prefix = format::document_prefix(owner);
  auto on_row = cursor->seek(format::document_key(owner, above + 1));
  for (; on_row && *on_row && cursor->key().starts_with(prefix); on_row = cursor->next()) {
    auto document = document_at(*cursor);
    if (!document) return std::move(document).error();
    documents.push_back(*std::move(document));
  }
  if (!on_row) return std::move(on_row).error();
  return documents;
}

Result<std::optional<SchemaDocument>> newest_document(const ReadTxn& txn, std::string_view owner) {
  std::optional<SchemaDocument> newest;
  auto cursor = txn.cursor(Keyspace::registry);
  if (!cursor) return std::move(cursor).error();
  constexpr auto kAboveAll = std::numeric_limits<std::uint64_t>::max();
  const auto on_row = cursor->seek_before(format::document_key(owner, kAboveAll));
  if (!on_row) return on_row.error();
  if (!*on_row || !cursor->key().starts_with(format::document_prefix(owner))) return newest;
  auto document = document_at(*cursor);
  if (!document) return std::move(document).error();
  newest = *std::move(document);
  return newest;
}

void put_document(WriteBatch& batch, std::string_view owner, const SchemaDocument& document) {
  const format::Key key = format::document_key(owner, document.version());
  batch.put(Keyspace::registry, key.str(), format::document_value(key, document.to_json()));
}

}  // namespace kontract
