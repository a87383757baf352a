//===- RandomParameters.h - made-up weights of any format ---------------------------------------------===//
#ifndef LLMC_TEST_UNIT_CODEGEN_RANDOMPARAMETERS_H
#define LLMC_TEST_UNIT_CODEGEN_RANDOMPARAMETERS_H

#include "dialects/nn/ParameterSource.h"
#include "llvm/ADT/StringMap.h"
#include <random>
#include <vector>

namespace llmc::test {

/// Numbers for every parameter that a program asks for, the same for the same name. Matrices keep the size of
/// activations; tables (a name that contains "table") are of about 1, and so are vectors: norm weights around
/// 1, biases around 0. Those whose names contain "largest" have numbers of one magnitude, or the largest
/// codes.
class RandomParameters : public nn::ParameterSource {
public:
  llvm::Expected<llvm::ArrayRef<uint8_t>> getContents(llvm::StringRef name,
                                                      mlir::RankedTensorType type) override;

private:
  llvm::StringMap<std::vector<uint8_t>> contents;
};

} // namespace llmc::test

#endif // LLMC_TEST_UNIT_CODEGEN_RANDOMPARAMETERS_H
