//===- TokenFile.h - documents as tokens ----------------------------------------------------------------===//
//
// What `llmc data pack` writes: a header of 64 bytes, the tokens of all documents one behind the other (of 2
// or 4 bytes each, little-endian), and, at a multiple of 8, where each document ends (8 bytes each, counted
// in tokens). It is mapped, so memory does not grow with it.
//
//===----------------------------------------------------------------------------------------------------===//
#ifndef LLMC_TRAIN_TOKENFILE_H
#define LLMC_TRAIN_TOKENFILE_H

#include "runtime/io/AtomicFile.h"
#include "runtime/io/MappedFile.h"

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llmc::train {

/// A token file that was opened.
class TokenFile {
public:
  /// Maps and checks the file. Errors are one line that begins with the path.
  static absl::StatusOr<TokenFile> open(absl::string_view path);

  const std::string &path() const { return file.path(); }
  /// One more than the largest id that is there.
  int64_t vocabulary() const { return vocabularySize; }
  int64_t tokens() const { return tokenCount; }
  int64_t documents() const { return documentCount; }

  /// The first token of document `index`, and the one behind its last.
  int64_t documentBegin(int64_t index) const { return index == 0 ? 0 : documentEnd(index - 1); }
  int64_t documentEnd(int64_t index) const;
  int32_t token(int64_t index) const;

private:
  explicit TokenFile(io::MappedFile file) : file(std::move(file)) {}

  io::MappedFile file;
  int64_t tokenBytes = 0, vocabularySize = 0, tokenCount = 0, documentCount = 0, tableOffset = 0;
};

/// Writes a token file, document by document.
class TokenFileWriter {
public:
  /// No id is as large as `vocabulary`.
  static absl::StatusOr<TokenFileWriter> create(absl::string_view path, int64_t vocabulary);

  /// Documents without tokens are left out.
  absl::Status append(absl::Span<const int32_t> document);
  absl::Status commit();

  int64_t tokens() const { return tokenCount; }
  int64_t documents() const { return static_cast<int64_t>(ends.size()); }

private:
  TokenFileWriter(io::AtomicFile file, int64_t vocabulary) : file(std::move(file)), vocabulary(vocabulary) {}

  io::AtomicFile file;
  int64_t vocabulary, tokenCount = 0;
  int32_t largest = 0;        ///< of the ids
  std::vector<uint64_t> ends; ///< 8 bytes a document, until commit
  std::vector<uint8_t> buffer;
};

} // namespace llmc::train

#endif // LLMC_TRAIN_TOKENFILE_H
