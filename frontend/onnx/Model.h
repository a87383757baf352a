#ifndef LLMC_FRONTEND_ONNX_MODEL_H
#define LLMC_FRONTEND_ONNX_MODEL_H

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "frontend/onnx/Tensor.h"
#include "frontend/onnx/onnx.pb.h"
#include "runtime/io/MappedFile.h"

namespace llmc::onnx {

/// An ONNX file. Nodes are in memory; initializers stay in the mapped file, or in mapped files of external
/// data beside it. Everything that is handed out lives as long as the model.
class Model {
public:
  /// Maps and reads the file at `path`. Fails with one line that names the file, the tensor, what was found
  /// and what was expected.
  static absl::StatusOr<Model> open(const std::string &path);

  /// Reads a file that is already in memory. `bytes` must outlive the model; `name` stands for the path in
  /// messages, and its folder is where external data is looked for.
  static absl::StatusOr<Model> parse(const std::string &name, absl::Span<const uint8_t> bytes);

  /// The path (or name) of the file.
  const std::string &path() const { return filePath; }
  /// The paths of all files that were read.
  std::vector<std::string> files() const;

  /// Version of the operators of the default domain, 13 to 22.
  int64_t operatorVersion() const { return version; }

  /// Inputs (without initializers), outputs and nodes, in the order of the file.
  const wire::GraphProto &graph() const { return *body; }

  /// The initializer called `name`, or null.
  const Tensor *findInitializer(absl::string_view name) const;
  const std::deque<Tensor> &initializers() const { return tensors; }

private:
  Model() = default;

  absl::Status read(absl::Span<const uint8_t> bytes);
  absl::Status readGraph(absl::Span<const uint8_t> bytes);
  absl::Status readInitializer(absl::Span<const uint8_t> bytes);
  absl::Status readExternal(const wire::TensorProto &proto, Tensor &tensor);
  absl::StatusOr<const io::MappedFile *> openExternal(const std::string &location);
  absl::Status checkOperators(const wire::ModelProto &header);

  std::string filePath;
  /// Null for files that came from parse().
  std::unique_ptr<io::MappedFile> file;
  absl::flat_hash_map<std::string, std::unique_ptr<io::MappedFile>> external; ///< by location
  std::unique_ptr<wire::GraphProto> body = std::make_unique<wire::GraphProto>();
  std::deque<Tensor> tensors;
  absl::flat_hash_map<std::string, const Tensor *> index;
  int64_t version = 0;
};

} // namespace llmc::onnx

#endif // LLMC_FRONTEND_ONNX_MODEL_H
