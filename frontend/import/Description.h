//===- Description.h - what files say of a model -----------------------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_DESCRIPTION_H
#define LLMC_FRONTEND_IMPORT_DESCRIPTION_H

#include "frontend/import/Hyperparameters.h"
#include "frontend/import/NamedTensor.h"
#include <string_view>

namespace llmc::frontend {

/// A hyperparameter under its names in both formats; in Hugging Face files dots lead into objects.
struct DescribedField {
  Name name;
  Field value;
};

/// A model as files of the one or the other format describe it: what an importer has read, so that it can be
/// written in the format that it does not come from.
struct Description {
  /// Of Hugging Face files; empty: there is no description.
  std::string huggingFaceArchitecture, modelType;
  std::string ggufArchitecture;
  std::vector<DescribedField> fields;
  /// Every tensor of the graph, in its order.
  std::vector<NamedTensor> tensors;
  /// Numbers by which GGUF files divide rotary frequencies (the tensor rope_freqs.weight); mostly none.
  std::vector<double> ropeFactors;
  /// What a format cannot say of this model; empty: it can say all. By Format.
  std::string gap[2];

  /// Sets a field; one that was set before is replaced.
  void add(Name name, Field value) {
    for (DescribedField &field : fields)
      if (std::string_view(field.name.huggingFace) == name.huggingFace &&
          std::string_view(field.name.gguf) == name.gguf) {
        field.value = std::move(value);
        return;
      }
    fields.push_back({name, std::move(value)});
  }
  /// Records the first thing that `format` cannot say.
  void refuse(Format format, std::string reason) {
    if (std::string &first = gap[static_cast<int>(format)]; first.empty())
      first = std::move(reason);
  }
};

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_DESCRIPTION_H
