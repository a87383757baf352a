//===- PassSequence.cpp - the passes of a compilation --------------------------------------------------===//

#include "codegen/compiler/PassSequence.h"

#include "mlir/Pass/Pass.h"
#include "llvm/ADT/STLExtras.h"

namespace llmc::codegen {

size_t PassSequence::append(passes::PassList list) {
  for (std::unique_ptr<mlir::Pass> &pass : list) {
    arguments.push_back(pass->getArgument().str());
    passes.push_back(std::move(pass));
  }
  return passes.size();
}

std::string PassSequence::nameBefore(size_t position) const {
  const std::string &argument = arguments[position - 1];
  if (llvm::count(arguments, argument) == 1)
    return argument;
  return argument + ":" +
         std::to_string(std::count(arguments.begin(), arguments.begin() + position, argument));
}

std::optional<size_t> PassSequence::positionBehind(llvm::StringRef name, size_t end) const {
  for (size_t position = end; position > 0; --position)
    if (name == arguments[position - 1] || name == nameBefore(position))
      return position;
  return std::nullopt;
}

std::string PassSequence::namesBefore(size_t end) const {
  std::string names;
  for (size_t position = 1; position <= end; ++position)
    names += (names.empty() ? "" : ", ") + nameBefore(position);
  return names;
}

passes::PassList PassSequence::take(size_t begin, size_t end) {
  return passes::PassList(std::make_move_iterator(passes.begin() + begin),
                          std::make_move_iterator(passes.begin() + end));
}

} // namespace llmc::codegen
