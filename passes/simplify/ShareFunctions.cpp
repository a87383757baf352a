//===- ShareFunctions.cpp - equal layers are one function --------------------------------------------===//

#include "passes/Calls.h"
#include "passes/NumericBound.h"
#include "passes/Passes.h"
#include "passes/Statistics.h"
#include <unordered_map>

namespace llmc::passes {
#define GEN_PASS_DEF_SHAREFUNCTIONS
#include "passes/Passes.h.inc"
} // namespace llmc::passes

using namespace mlir;
using namespace llmc;

namespace {

/// A hash of what a function does: equal functions have equal ones.
size_t hashOf(func::FuncOp function) {
  size_t hash = llvm::hash_combine(function.getFunctionType());
  function.walk([&](Operation *op) {
    if (op != function)
      hash = llvm::hash_combine(hash,
                                OperationEquivalence::computeHash(op, OperationEquivalence::ignoreHashValue,
                                                                  OperationEquivalence::ignoreHashValue,
                                                                  OperationEquivalence::IgnoreLocations));
  });
  return hash;
}

/// What distinguishes functions beside their bodies: all attributes but the name.
DictionaryAttr signatureOf(func::FuncOp function) {
  NamedAttrList attributes(function->getAttrDictionary());
  attributes.erase(SymbolTable::getSymbolAttrName());
  return attributes.getDictionary(function.getContext());
}

bool areEqual(func::FuncOp a, func::FuncOp b) {
  return signatureOf(a) == signatureOf(b) &&
         OperationEquivalence::isRegionEquivalentTo(&a.getBody(), &b.getBody(),
                                                    OperationEquivalence::IgnoreLocations);
}

struct ShareFunctions : passes::impl::ShareFunctionsBase<ShareFunctions>, NumericallyBounded, Counting {
  NumericBound getNumericBound() const override { return NumericBound::exact(); }

  void runOnOperation() override {
    std::unordered_multimap<size_t, func::FuncOp> kept;
    DenseMap<Operation *, SmallVector<Location>> locations;
    passes::Calls calls(getOperation());
    // Callees first, so that callers of equal functions are equal when it is their turn.
    for (func::FuncOp function : calls.getCalleesFirst()) {
      if (!function.isPrivate())
        continue;
      const size_t hash = hashOf(function);
      auto [begin, end] = kept.equal_range(hash);
      auto same = std::find_if(begin, end, [&](auto &entry) { return areEqual(entry.second, function); });
      if (same == end) {
        kept.insert({hash, function});
        locations[function].push_back(function.getLoc());
        continue;
      }
      func::FuncOp first = same->second;
      if (failed(SymbolTable::replaceAllSymbolUses(function, first.getSymNameAttr(), getOperation())))
        continue; // used where nobody knows how
      locations[first].push_back(function.getLoc());
      function.erase();
      count(1, "functions that were equal to another one");
    }
    for (auto &[function, merged] : locations)
      if (merged.size() > 1)
        function->setLoc(FusedLoc::get(&getContext(), merged));
  }
};

} // namespace
