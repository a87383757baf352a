//===- FrozenParameters.cpp - parameters that are not trained --------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "dialects/nn/NN.h"
#include "frontend/recipe/TrainingGraph.h"
#include "llvm/Support/GlobPattern.h"

using namespace mlir;

namespace llmc::recipe {

absl::Status freezeParameters(ModuleOp module, ArrayRef<std::string> patterns) {
  for (const std::string &text : patterns) {
    llvm::Expected<llvm::GlobPattern> pattern = llvm::GlobPattern::create(text);
    if (!pattern)
      return absl::InvalidArgumentError(
          absl::StrCat("freeze: '", text, "' is no pattern: ", llvm::toString(pattern.takeError())));
    bool matches = false;
    for (auto param : module.getOps<nn::ParamOp>())
      if (pattern->match(param.getSymName())) {
        param->setAttr(nn::kFrozenAttribute, UnitAttr::get(module.getContext()));
        matches = true;
      }
    if (!matches)
      return absl::InvalidArgumentError(
          absl::StrCat("freeze: '", text, "' matches no parameter of the model"));
  }
  if (llvm::all_of(module.getOps<nn::ParamOp>(),
                   [](nn::ParamOp param) { return param->hasAttr(nn::kFrozenAttribute); }))
    return absl::InvalidArgumentError("freeze: all parameters are frozen, expected some to train");
  return absl::OkStatus();
}

} // namespace llmc::recipe
