//===- SourceAttention.cpp - an encoder and a decoder as one function ---------------------------------------===//
//
// For inference the encoder fills a cache for each layer of the decoder, once for all tokens that follow. In
// training a decoder's layer sees all rows of all sources of the batch at once: what went into its cache are
// the keys and values of cross attention, and segments say which source a token belongs to.
//
//===------------------------------------------------------------------------------------------------===//

#include "dialects/nn/Rows.h"
#include "frontend/recipe/LossFunction.h"

using namespace mlir;

namespace llmc::recipe {

namespace {

class EncoderJoining {
public:
  EncoderJoining(func::FuncOp loss, const train::BatchSize &batch)
      : loss(loss), encode(loss->getParentOfType<ModuleOp>().lookupSymbol<func::FuncOp>("encode")),
        batch(batch), b(loss.getLoc(), loss.getContext()) {}

  void run() {
    segments = addInput(loss, "segments", loss.getArgument(0).getType());
    nn::fixRows(encode, int64_t{batch.sequences()} * batch.source_length());
    takeEncoder();
    for (auto [argument, filled] : llvm::zip_equal(inputsOf(loss, "source_cache"), cachesOfSource))
      attendToRows(argument, filled);
    for (nn::CacheAppendOp append : cachesOfSource)
      append.erase();
    llvm::BitVector unused(loss.getNumArguments());
    for (StringRef name : {"source_cache", "source_ends"})
      for (BlockArgument argument : inputsOf(loss, name))
        unused.set(argument.getArgNumber());
    (void)loss.eraseArguments(unused);
  }

private:
  static SmallVector<BlockArgument> inputsOf(func::FuncOp function, StringRef name) {
    return llvm::filter_to_vector(function.getArguments(), [&](BlockArgument argument) {
      auto mark = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "nn.input");
      return mark && mark.getValue() == name;
    });
  }

  /// Moves all operations of the encoder before the decoder's.
  void takeEncoder() {
    Value ofSources = addInput(loss, "source_segments", encode.getArgument(0).getType());
    for (StringRef name : {"tokens", "positions"})
      for (BlockArgument argument : inputsOf(encode, name))
        argument.replaceAllUsesWith(addInput(loss, ("source_" + name).str(), argument.getType()));
    sourceSegments = ofSources;
    for (auto attention : encode.getOps<nn::AttentionOp>()) {
      attention.getSegmentsMutable().assign(ofSources);
      attention->setAttr(nn::kSequenceRowsAttribute, b.getI64IntegerAttr(batch.source_length()));
    }
    Operation *terminator = encode.front().getTerminator();
    for (Value cache : terminator->getOperands())
      cachesOfSource.push_back(cache.getDefiningOp<nn::CacheAppendOp>());
    terminator->erase();
    Block &body = loss.front();
    body.getOperations().splice(body.begin(), encode.front().getOperations());
    for (BlockArgument argument : inputsOf(encode, "source_cache"))
      for (Operation *user : argument.getUsers())
        user->dropAllReferences();
    encode.erase();
  }

  /// Attention to the cache `argument` is attention to what `filled` put there.
  void attendToRows(BlockArgument argument, nn::CacheAppendOp filled) {
    for (Operation *user : llvm::make_early_inc_range(argument.getUsers())) {
      auto cached = cast<nn::CachedAttentionOp>(user);
      b.setInsertionPoint(cached);
      b.setLoc(cached.getLoc());
      auto attention = nn::AttentionOp::create(
          b, cached.getQuery(), filled.getKey(), filled.getValue(), segments, sourceSegments,
          /*bias=*/Value(), /*by_distance=*/UnitAttr(), /*causal=*/UnitAttr(), cached.getHeadsAttr(),
          cached.getKvHeadsAttr(), cached.getScaleAttr(), cached.getWindowAttr(), cached.getSoftcapAttr(),
          cached.getAlibiAttr());
      attention->setAttr(nn::kSequenceRowsAttribute, b.getI64IntegerAttr(batch.length()));
      cached.replaceAllUsesWith(attention.getResult());
      cached.erase();
    }
  }

  func::FuncOp loss, encode;
  const train::BatchSize &batch;
  ImplicitLocOpBuilder b;
  Value segments, sourceSegments;
  SmallVector<nn::CacheAppendOp> cachesOfSource; ///< as the encoder fills them, in the order of layers
};

} // namespace

void joinEncoder(func::FuncOp loss, const train::BatchSize &batch) { EncoderJoining(loss, batch).run(); }

} // namespace llmc::recipe
