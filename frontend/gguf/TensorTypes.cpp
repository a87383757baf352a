#include "frontend/gguf/TensorTypes.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "absl/strings/str_cat.h"

namespace llmc::gguf {

using blocks::StorageFormat;

struct TensorType {
  absl::string_view name;
  std::optional<StorageFormat> format;
};

/// The tensor types of ggml, by the number that files use.
static constexpr TensorType tensorTypes[] = {
    {"F32", StorageFormat::F32},
    {"F16", StorageFormat::F16},
    {"Q4_0", StorageFormat::Q4_0},
    {"Q4_1", StorageFormat::Q4_1},
    {"Q4_2", {}},
    {"Q4_3", {}},
    {"Q5_0", StorageFormat::Q5_0},
    {"Q5_1", StorageFormat::Q5_1},
    {"Q8_0", StorageFormat::Q8_0},
    {"Q8_1", {}},
    {"Q2_K", StorageFormat::Q2_K},
    {"Q3_K", StorageFormat::Q3_K},
    {"Q4_K", StorageFormat::Q4_K},
    {"Q5_K", StorageFormat::Q5_K},
    {"Q6_K", StorageFormat::Q6_K},
    {"Q8_K", {}},
    {"IQ2_XXS", {}},
    {"IQ2_XS", {}},
    {"IQ3_XXS", {}},
    {"IQ1_S", {}},
    {"IQ4_NL", StorageFormat::IQ4_NL},
    {"IQ3_S", {}},
    {"IQ2_S", {}},
    {"IQ4_XS", StorageFormat::IQ4_XS},
    {"I8", {}},
    {"I16", {}},
    {"I32", {}},
    {"I64", {}},
    {"F64", {}},
    {"IQ1_M", {}},
    {"BF16", StorageFormat::BF16},
    {"Q4_0_4_4", {}},
    {"Q4_0_4_8", {}},
    {"Q4_0_8_8", {}},
    {"TQ1_0", {}},
    {"TQ2_0", {}},
    {"IQ4_NL_4_4", {}},
    {"IQ4_NL_4_8", {}},
    {"IQ4_NL_8_8", {}},
    {"MXFP4", StorageFormat::MXFP4},
    {"NVFP4", {}},
    {"Q1_0", {}},
};

absl::StatusOr<StorageFormat> formatOfType(uint32_t number) {
  if (number < std::size(tensorTypes) && tensorTypes[number].format)
    return *tensorTypes[number].format;
  std::string found = number < std::size(tensorTypes)
                          ? absl::StrCat("type ", tensorTypes[number].name, " is not supported")
                          : absl::StrCat("type number ", number, " is unknown");
  return absl::UnimplementedError(absl::StrCat(found, "; supported are ", blocks::listFormats()));
}

uint32_t typeOfFormat(StorageFormat format) {
  auto found = std::find_if(std::begin(tensorTypes), std::end(tensorTypes),
                            [&](const TensorType &type) { return type.format == format; });
  return static_cast<uint32_t>(found - std::begin(tensorTypes));
}

} // namespace llmc::gguf
