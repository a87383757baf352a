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
    for (auto [cache, source] : llvm::zip_equal(inputsOf(loss, "source_cache"), sources))
      attendToRows(cache, source);
    llvm::BitVector unused(loss.getNumArguments());
    for (StringRef name : {"source_cache", "source_ends"})
      for (BlockArgument argument : inputsOf(loss, name))
        unused.set(argument.getArgNumber());
    (void)loss.eraseArguments(unused);
  }

private:
  /// What the encoder puts into a cache: [rows of sources, width].
  struct Source {
    Value key, value;
  };

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
    const SmallVector<Value> filled(terminator->getOperands());
    terminator->erase();
    for (Value cache : filled) {
      auto append = cache.getDefiningOp<nn::CacheAppendOp>();
      sources.push_back({append.getKey(), append.getValue()});
      append.erase();
    }
    Block &body = loss.front();
    body.getOperations().splice(body.begin(), encode.front().getOperations());
    encode.erase();
  }

  /// Attention to `cache` becomes attention to what the encoder puts there.
  void attendToRows(BlockArgument cache, const Source &source) {
    for (Operation *user : llvm::make_early_inc_range(cache.getUsers())) {
      auto cached = cast<nn::CachedAttentionOp>(user);
      b.setInsertionPoint(cached);
      b.setLoc(cached.getLoc());
      auto attention =
          nn::AttentionOp::create(b, cached.getQuery(), source.key, source.value, segments, sourceSegments,
                                  /*bias=*/Value(), /*by_distance=*/UnitAttr(), /*causal=*/UnitAttr(),
                                  cached.getHeadsAttr(), cached.getKvHeadsAttr(), cached.getScaleAttr(),
                                  cached.getWindowAttr(), cached.getSoftcapAttr(), cached.getAlibiAttr());
      attention->setAttr(nn::kSequenceRowsAttribute, b.getI64IntegerAttr(batch.length()));
      cached.replaceAllUsesWith(attention.getResult());
      cached.erase();
    }
  }

  func::FuncOp loss, encode;
  const train::BatchSize &batch;
  ImplicitLocOpBuilder b;
  Value segments, sourceSegments;
  SmallVector<Source> sources; ///< in the order of caches
};

} // namespace

void joinEncoder(func::FuncOp loss, const train::BatchSize &batch) { EncoderJoining(loss, batch).run(); }

} // namespace llmc::recipe
