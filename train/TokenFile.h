//===- TokenFile.h - documents as tokens ----------------------------------------------------------------===//
//
// What `llmc data pack` writes: a header of 64 bytes, the tokens of all documents one behind the other (of 2
// or 4 bytes each, little-endian), and, at a multiple of 8, where each document ends (8 bytes each, counted
// in tokens). Labels follow, where it has some: 4 bytes for each document or token, and the names of all
// labels, one a line. Some documents belong together in groups of the same size. It is mapped, so memory does
// not grow with it.
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

/// What a token file has beside tokens.
enum class LabelKind : uint32_t {
  None,
  Documents, ///< a label of each document
  Tokens,    ///< a label of each token, or none
  Numbers    ///< a number for each document
};

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
  /// How many documents belong together, one behind the other.
  int64_t groupSize() const { return documentsInGroup; }

  /// The first token of document `index`, and the one behind its last.
  int64_t documentBegin(int64_t index) const { return index == 0 ? 0 : documentEnd(index - 1); }
  int64_t documentEnd(int64_t index) const;
  int32_t token(int64_t index) const;

  LabelKind labelKind() const { return kind; }
  /// The names of labels, by number.
  const std::vector<std::string> &labelNames() const { return names; }
  /// The label of a document or of a token, whichever the file has; -1: it has none.
  int32_t label(int64_t index) const;
  /// The number of a document.
  float number(int64_t document) const;

private:
  explicit TokenFile(io::MappedFile file) : file(std::move(file)) {}

  io::MappedFile file;
  absl::Status readLabels(uint32_t kind, uint64_t nameBytes);

  int64_t tokenBytes = 0, vocabularySize = 0, tokenCount = 0, documentCount = 0, tableOffset = 0,
          documentsInGroup = 1;
  LabelKind kind = LabelKind::None;
  std::vector<std::string> names;
};

/// Writes a token file, document by document.
class TokenFileWriter {
public:
  /// No id is as large as `vocabulary`. Each `groupSize` documents belong together.
  static absl::StatusOr<TokenFileWriter> create(absl::string_view path, int64_t vocabulary,
                                                int64_t groupSize = 1);

  /// Documents without tokens, which groups must not have, are left out. All have labels of the same kind:
  /// none, one of the document, or one for each token.
  absl::Status append(absl::Span<const int32_t> document, absl::Span<const int32_t> documentLabels = {});
  /// The same with a number.
  absl::Status append(absl::Span<const int32_t> document, float number);

  absl::Status commit() { return commit(LabelKind::None, {}, {}); }
  /// Ends a file with labels: what was given as label i is number `order[i]`, which has the name
  /// `names[order[i]]`. Names are without line feeds.
  absl::Status commit(LabelKind kind, absl::Span<const std::string> names, absl::Span<const int32_t> order);

  int64_t tokens() const { return tokenCount; }
  int64_t documents() const { return static_cast<int64_t>(ends.size()); }

private:
  TokenFileWriter(io::AtomicFile file, int64_t vocabulary, int64_t groupSize)
      : file(std::move(file)), vocabulary(vocabulary), groupSize(groupSize) {}

  io::AtomicFile file;
  int64_t vocabulary, groupSize, tokenCount = 0;
  int32_t largest = 0;         ///< of the ids
  std::vector<uint64_t> ends;  ///< 8 bytes a document, until commit
  std::vector<int32_t> labels; ///< 4 bytes each, until commit; of numbers their bits
  std::vector<uint8_t> buffer;
};

} // namespace llmc::train

#endif // LLMC_TRAIN_TOKENFILE_H
