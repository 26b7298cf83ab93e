// Document: a text that grows edit by edit, and the trace of edits that is typed into it.

#pragma once

#include <string>
#include <vector>

#include "storage/json.hpp"
#include "storage/result.hpp"

namespace shared_document {

struct Trace {
  std::string start;
  std::string end;                    // `start` with all edits applied
  std::vector<kontract::Json> edits;  // each [[position, deleted, inserted], ...]
};

// Reads {"startContent", "endContent", "txns": [{"patches"}]} as josephg/editing-traces has it.
kontract::Result<Trace> load_trace(const std::string& path);

class Document {
 public:
  explicit Document(const std::string& start);

  // Errors: invalid_request if `patches` do not fit the text.
  kontract::Status apply(const kontract::Json& patches);

  std::string text() const;

 private:
  std::u32string text_;  // positions count code points
};

}  // namespace shared_document
