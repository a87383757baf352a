//===- NNOps.td - operations of nn ----------------------------------------------------*- tablegen -*-===//

#ifndef LLMC_DIALECTS_NN_NNOPS_TD
#define LLMC_DIALECTS_NN_NNOPS_TD

include "dialects/nn/NNTypes.td"
include "dialects/nn/NNInterfaces.td"
include "mlir/Dialect/Linalg/IR/LinalgInterfaces.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/CallInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/TilingInterface.td"

class NN_Op<string mnemonic, list<Trait> traits = []> : Op<NN_Dialect, mnemonic, traits>;

// The result types follow from operands and attributes: `inferReturnTypes` says how, and builders and the verifier ask nothing else.
// `compatible` says which types may stand for the inferred ones.
class NN_ResultTypesFollow<string compatible> : NativeOpTrait<"ResultTypesFollow", [], [{
    static ::llvm::LogicalResult inferReturnTypes(::mlir::MLIRContext *context, std::optional<::mlir::Location> location,
        Adaptor adaptor, ::llvm::SmallVectorImpl<::mlir::Type> &inferredReturnTypes);
    static bool isCompatibleReturnTypes(::mlir::TypeRange inferred, ::mlir::TypeRange actual);
  }], [{
    ::llvm::LogicalResult $cppClass::inferReturnTypes(::mlir::MLIRContext *context, std::optional<::mlir::Location> location,
        ::mlir::ValueRange operands, ::mlir::DictionaryAttr attributes, ::mlir::OpaqueProperties properties,
        ::mlir::RegionRange regions, ::llvm::SmallVectorImpl<::mlir::Type> &inferredReturnTypes) {
      return inferReturnTypes(context, location, Adaptor(operands, attributes, properties, regions), inferredReturnTypes);
    }
    bool $cppClass::isCompatibleReturnTypes(::mlir::TypeRange inferred, ::mlir::TypeRange actual) {
      return ::llvm::all_of_zip(inferred, actual, }] # compatible # [{);
    }
  }]> {
  let cppNamespace = "::llmc::nn";
}
class NN_InferResultTypes<string compatible> : TraitList<[
  NN_ResultTypesFollow<compatible>, DeclareOpInterfaceMethods<InferTypeOpInterface>]>;
// Sizes may be known better, or be left open.
def NN_InferredResults : NN_InferResultTypes<"::llmc::nn::haveCompatibleSizes">;
// The same, and the precision of the result is a choice; the inferred one is that of the input, and f32 for blocks.
def NN_InferredShapes : NN_InferResultTypes<"::llmc::nn::haveCompatibleSizesAndAreFloat">;

// An operation that builds the gradients of its operands (NNGradients.cpp), and one that says why it does not.
def NN_Gradient : TraitList<[DeclareOpInterfaceMethods<NN_DifferentiableOpInterface, ["buildGradients"]>]>;
class NN_RefusesGradient<string reason> : NativeOpTrait<"RefusesGradient", [], [{
    ::llvm::StringRef getGradientRefusal() { return "}] # reason # [{"; }
  }]> {
  let cppNamespace = "::llmc::nn";
}
class NN_NoGradient<string reason> : TraitList<[NN_DifferentiableOpInterface, NN_RefusesGradient<reason>]>;

// An operation that is a few structured operations of linalg (NNDecomposition.cpp).
def NN_DeclaresDecomposition : NativeOpTrait<"DeclaresDecomposition", [], [{
    ::mlir::FailureOr<::llvm::SmallVector<::mlir::Value>> decomposeOperation(::mlir::OpBuilder &builder);
  }]> {
  let cppNamespace = "::llmc::nn";
}
def NN_Decomposes : TraitList<[NN_DeclaresDecomposition, AggregatedOpInterface]>;

// An operation on values: pure, with reference semantics, a cost, a role in fusion and a description of its loops. Each has `NN_Gradient` or
// `NN_NoGradient` besides.
class NN_ComputeOp<string mnemonic, list<Trait> traits = []> : NN_Op<mnemonic, !listconcat(traits, [
    Pure, DeclareOpInterfaceMethods<NN_ReferenceOpInterface>, DeclareOpInterfaceMethods<NN_CostOpInterface>,
    DeclareOpInterfaceMethods<NN_FusionOpInterface>, DeclareOpInterfaceMethods<NN_IterationOpInterface>])>;

// One whose results are tensors, and can be computed in tiles.
class NN_TensorOp<string mnemonic, list<Trait> traits = []> : NN_ComputeOp<mnemonic, !listconcat(traits, [
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>,
    DeclareOpInterfaceMethods<TilingInterface, ["getLoopIteratorTypes", "getIterationDomain", "getTiledImplementation",
      "getResultTilePosition", "generateResultTileValue", "getIterationDomainTileFromResultTile"]>])> {
  let extraClassDefinition = [{
    ::llvm::SmallVector<::mlir::utils::IteratorType> $cppClass::getLoopIteratorTypes() { return getParallelLoops(*this); }
    ::llvm::SmallVector<::mlir::Range> $cppClass::getIterationDomain(::mlir::OpBuilder &builder) {
      return getParallelDomain(builder, *this);
    }
    ::mlir::FailureOr<::mlir::TilingResult> $cppClass::getTiledImplementation(::mlir::OpBuilder &builder,
        ::llvm::ArrayRef<::mlir::OpFoldResult> offsets, ::llvm::ArrayRef<::mlir::OpFoldResult> sizes) {
      return computeTile(builder, *this, offsets, sizes);
    }
    ::llvm::LogicalResult $cppClass::getResultTilePosition(::mlir::OpBuilder &builder, unsigned result,
        ::llvm::ArrayRef<::mlir::OpFoldResult> offsets, ::llvm::ArrayRef<::mlir::OpFoldResult> sizes,
        ::llvm::SmallVector<::mlir::OpFoldResult> &resultOffsets, ::llvm::SmallVector<::mlir::OpFoldResult> &resultSizes) {
      return getResultTile(builder, *this, result, offsets, sizes, resultOffsets, resultSizes);
    }
    ::mlir::FailureOr<::mlir::TilingResult> $cppClass::generateResultTileValue(::mlir::OpBuilder &builder, unsigned result,
        ::llvm::ArrayRef<::mlir::OpFoldResult> offsets, ::llvm::ArrayRef<::mlir::OpFoldResult> sizes) {
      return computeResultTile(builder, *this, result, offsets, sizes);
    }
    ::llvm::LogicalResult $cppClass::getIterationDomainTileFromResultTile(::mlir::OpBuilder &builder, unsigned result,
        ::llvm::ArrayRef<::mlir::OpFoldResult> resultOffsets, ::llvm::ArrayRef<::mlir::OpFoldResult> resultSizes,
        ::llvm::SmallVectorImpl<::mlir::OpFoldResult> &offsets, ::llvm::SmallVectorImpl<::mlir::OpFoldResult> &sizes) {
      return getTileOfResult(builder, *this, result, resultOffsets, resultSizes, offsets, sizes);
    }
  }];
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

def NN_ParamOp : NN_Op<"param", [Symbol, IsolatedFromAbove, HasParent<"::mlir::ModuleOp">, SingleBlock, NoRegionArguments,
                                 NoTerminator]> {
  let summary = "a parameter of the model";
  let description = [{
    Declares a parameter. Without an initializer it is the checkpoint's tensor `from` (or, where that is absent, the tensor with
    the symbol's own name); with one it is computed from other parameters when the program is compiled. Initializers are
    evaluated row by row, so their memory is bounded by a few rows and not by the tensor.

        nn.param @blk.0.attn_q.weight : tensor<576x576x!nn.block<q4_1>>
        nn.param @output.weight : tensor<49152x576xf32> from "token_embd.weight"
        nn.param @blk.0.qkv : tensor<960x576xf32> = {
          %q = nn.load @blk.0.attn_q.weight : tensor<576x576xf32>
          %k = nn.load @blk.0.attn_k.weight : tensor<192x576xf32>
          %v = nn.load @blk.0.attn_v.weight : tensor<192x576xf32>
          %w = nn.concat %q, %k, %v : tensor<576x576xf32>, tensor<192x576xf32>, tensor<192x576xf32> -> tensor<960x576xf32>
          nn.yield %w : tensor<960x576xf32>
        }
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<NN_ParamType>:$type, OptionalAttr<StrAttr>:$origin);
  let regions = (region MaxSizedRegion<1>:$initializer);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// Name of the tensor in the checkpoint. Only for parameters without an initializer.
    ::llvm::StringRef getTensorName() { return getOrigin().value_or(getSymName()); }
    bool isDerived() { return !getInitializer().empty(); }
    /// The value that the initializer yields.
    ::mlir::Value getInitialValue();
  }];
}

def NN_LoadOp : NN_Op<"load", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    DeclareOpInterfaceMethods<NN_ReferenceOpInterface>, DeclareOpInterfaceMethods<NN_FusionOpInterface>]> {
  let summary = "the value of a parameter";
  let description = [{
        %w = nn.load @blk.0.attn_q.weight : tensor<576x576x!nn.block<q4_1>>
  }];
  let arguments = (ins FlatSymbolRefAttr:$param);
  let results = (outs NN_ParamType:$result);
  let assemblyFormat = "$param attr-dict `:` type($result)";
}

def NN_YieldOp : NN_Op<"yield", [Pure, Terminator, ReturnLike, ParentOneOf<["FusionOp", "ParamOp"]>]> {
  let summary = "ends an initializer or a fusion";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange()); }]>];
}

//===----------------------------------------------------------------------===//
// Embeddings and products
//===----------------------------------------------------------------------===//

def NN_EmbeddingOp : NN_TensorOp<"embedding", [NN_InferredShapes, NN_Gradient]> {
  let summary = "rows of a table, one for each id";
  let description = [{
        y[t, :] = table[ids[t], :]

    An id outside of the table is an error of the program that runs, not of the IR.

        %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<49152x576x!nn.block<q4_1>> -> tensor<?x576xf32>
  }];
  let arguments = (ins NN_Ids:$ids, NN_Weight:$table);
  let results = (outs NN_Activation:$result);
  let assemblyFormat = "$ids `,` $table attr-dict `:` type($ids) `,` type($table) `->` type($result)";
  let hasVerifier = 1;
}

def NN_LinearOp : NN_TensorOp<"linear", [NN_InferredShapes, NN_Gradient, NN_Decomposes]> {
  let summary = "product with a weight matrix";
  let description = [{
        y[t, n] = sum_k x[t, k] * weight[n, k] + bias[n]

    Sums are taken in f32 (or wider). Block-quantized operands stand for their dequantized values.

        %y = nn.linear %x, %w : tensor<?x576xf32>, tensor<1536x576x!nn.block<q4_1>> -> tensor<?x1536xf32>
        %y = nn.linear %x, %w bias %b : tensor<?x768xf32>, tensor<768x768xf32>, tensor<768xf32> -> tensor<?x768xf32>
  }];
  let arguments = (ins NN_Activation:$input, NN_Weight:$weight, Optional<NN_Vector>:$bias);
  let results = (outs NN_Activation:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? attr-dict `:` type($input) `,` type($weight) (`,` type($bias)^)? `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::llvm::LogicalResult adaptToTile(const ::llmc::nn::IterationSpace &space, ::llvm::ArrayRef<::mlir::OpFoldResult> offsets,
                                      ::llvm::ArrayRef<::mlir::OpFoldResult> sizes);
  }];
}

//===----------------------------------------------------------------------===//
// Normalization and activation
//===----------------------------------------------------------------------===//

def NN_RmsNormOp : NN_TensorOp<"rms_norm", [AllTypesMatch<["input", "result"]>, NN_Gradient, NN_Decomposes]> {
  let summary = "root-mean-square normalization";
  let description = [{
        y[t, d] = x[t, d] / sqrt(mean_g(x[t, :]^2) + epsilon) * weight[d mod G]      (Zhang and Sennrich, 2019)

    The mean is taken in f32 (or wider) over each group of G consecutive elements, where G is the size of `weight`. G is usually the
    whole width; a G of the head size normalizes each head by itself (the query and key norms of Qwen3 and Gemma 3).

        %y = nn.rms_norm %x, %w epsilon 1.0e-5 : tensor<?x576xf32>, tensor<576xf32>
  }];
  let arguments = (ins NN_Activation:$input, NN_Vector:$weight, F64Attr:$epsilon);
  let results = (outs NN_Activation:$result);
  let assemblyFormat = "$input `,` $weight `epsilon` $epsilon attr-dict `:` type($input) `,` type($weight)";
  let hasVerifier = 1;
}

def NN_LayerNormOp : NN_TensorOp<"layer_norm", [AllTypesMatch<["input", "result"]>, NN_Gradient, NN_Decomposes]> {
  let summary = "layer normalization";
  let description = [{
        y[t, d] = (x[t, d] - mean(x[t, :])) / sqrt(var(x[t, :]) + epsilon) * weight[d] + bias[d]      (Ba et al., 2016)

    Mean and (biased) variance are taken in f32 (or wider) over the width.

        %y = nn.layer_norm %x, %w bias %b epsilon 1.0e-12 : tensor<?x384xf32>, tensor<384xf32>, tensor<384xf32>
  }];
  let arguments = (ins NN_Activation:$input, NN_Vector:$weight, Optional<NN_Vector>:$bias, F64Attr:$epsilon);
  let results = (outs NN_Activation:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? `epsilon` $epsilon attr-dict `:` type($input) `,` type($weight) (`,` type($bias)^)?
  }];
  let hasVerifier = 1;
}

class NN_ElementwiseOp<string mnemonic, list<Trait> traits = []> : NN_TensorOp<mnemonic, !listconcat(traits, [
    AllTypesMatch<["input", "result"]>])> {
  let results = (outs NN_Activation:$result);
}

def NN_SiluOp : NN_ElementwiseOp<"silu", [NN_Gradient, NN_Decomposes]> {
  let summary = "sigmoid linear unit";
  let description = [{
        y = x / (1 + exp(-x))      (Elfwing et al., 2017)

        %y = nn.silu %x : tensor<?x1536xf32>
  }];
  let arguments = (ins NN_Activation:$input);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

def NN_GeluOp : NN_ElementwiseOp<"gelu", [NN_Gradient, NN_Decomposes]> {
  let summary = "Gaussian error linear unit";
  let description = [{
    With F the chosen form of the Gaussian distribution function, y = x * F(x)      (Hendrycks and Gimpel, 2016)

    - `exact`: F(x) = (1 + erf(x / sqrt 2)) / 2
    - `tanh`: F(x) = (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2
    - `sigmoid`: F(x) = 1 / (1 + exp(-1.702 x))

        %y = nn.gelu exact %x : tensor<?x1536xf32>
  }];
  let arguments = (ins NN_Activation:$input, NN_GeluKindAttr:$kind);
  let assemblyFormat = "$kind $input attr-dict `:` type($input)";
}

def NN_ReluOp : NN_ElementwiseOp<"relu", [NN_Gradient, NN_Decomposes]> {
  let summary = "rectified linear unit";
  let description = [{
        y = max(x, 0)

        %y = nn.relu %x : tensor<?x2048xf32>
  }];
  let arguments = (ins NN_Activation:$input);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasFolder = 1;
}

def NN_ScaleOp : NN_ElementwiseOp<"scale", [NN_Gradient, NN_Decomposes]> {
  let summary = "product with a constant";
  let description = [{
        y = factor * x

    Gemma scales its embeddings this way, Granite its residuals and logits.

        %y = nn.scale %x by 33.9411255 : tensor<?x1152xf32>
  }];
  let arguments = (ins NN_Activation:$input, F64Attr:$factor);
  let assemblyFormat = "$input `by` $factor attr-dict `:` type($input)";
  let hasFolder = 1;
}

def NN_SoftcapOp : NN_ElementwiseOp<"softcap", [NN_Gradient, NN_Decomposes]> {
  let summary = "soft limit to a range";
  let description = [{
        y = cap * tanh(x / cap)      (Gemma 2)

        %y = nn.softcap %logits to 30.0 : tensor<?x256000xf32>
  }];
  let arguments = (ins NN_Activation:$input, F64Attr:$cap);
  let assemblyFormat = "$input `to` $cap attr-dict `:` type($input)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

def NN_RopeOp : NN_TensorOp<"rope", [AllTypesMatch<["input", "result"]>, NN_Gradient]> {
  let summary = "rotary position embedding";
  let description = [{
    In each head, pair i of the first `dims` dimensions (a, b) at position p becomes

        (a cos(p f[i]) - b sin(p f[i]), a sin(p f[i]) + b cos(p f[i])),      f[i] = theta^(-2i / dims)      (Su et al., 2021)

    Pair i is dimensions (i, i + dims/2) in style `half` and (2i, 2i + 1) in style `interleaved`. The other dimensions stay.
    `scaling` changes the frequencies. Angles are computed in double precision.

        %y = nn.rope %q at %positions heads 9 dims 64 theta 1.0e5 half : tensor<?x576xf32>, tensor<?xi32>
  }];
  let arguments = (ins NN_Activation:$input, NN_Ids:$positions, I64Attr:$heads, I64Attr:$dims, F64Attr:$theta,
    NN_RopeStyleAttr:$style, OptionalAttr<NN_RopeScalingAttr>:$scaling);
  let results = (outs NN_Activation:$result);
  let assemblyFormat = [{
    $input `at` $positions `heads` $heads `dims` $dims `theta` $theta $style (`scaling` $scaling^)? attr-dict
    `:` type($input) `,` type($positions)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::llvm::LogicalResult adaptToTile(const ::llmc::nn::IterationSpace &space, ::llvm::ArrayRef<::mlir::OpFoldResult> offsets,
                                      ::llvm::ArrayRef<::mlir::OpFoldResult> sizes);
    /// f[i] of each pair, after scaling. Size dims / 2.
    ::llvm::SmallVector<double> getFrequencies();
    /// What the scaling multiplies cosines and sines by: 1 but for yarn.
    double getMagnitude();
  }];
}

def NN_RopeTableOp : NN_TensorOp<"rope_table", [NN_InferredShapes, NN_Gradient]> {
  let summary = "cosines and sines of rotary angles";
  let description = [{
        y[t, i] = m cos(positions[t] f[i]),      y[t, dims/2 + i] = m sin(positions[t] f[i])

    for the frequencies f and the magnitude m of an `nn.rope` with the same attributes: `nn.rope` is `nn.rotate` by this table. All
    layers share one table.

        %t = nn.rope_table %positions dims 64 theta 1.0e5 : tensor<?xi32> -> tensor<?x64xf32>
  }];
  let arguments = (ins NN_Ids:$positions, I64Attr:$dims, F64Attr:$theta, OptionalAttr<NN_RopeScalingAttr>:$scaling);
  let results = (outs NN_Activation:$result);
  let assemblyFormat = [{
    $positions `dims` $dims `theta` $theta (`scaling` $scaling^)? attr-dict `:` type($positions) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// f[i] of each pair, after scaling. Size dims / 2.
    ::llvm::SmallVector<double> getFrequencies();
    /// What the scaling multiplies cosines and sines by: 1 but for yarn.
    double getMagnitude();
  }];
}

def NN_RotateOp : NN_TensorOp<"rotate", [AllTypesMatch<["input", "result"]>, NN_Gradient]> {
  let summary = "rotation of pairs of dimensions by a table of angles";
  let description = [{
    In each head, pair i (a, b) of the first `dims` dimensions becomes (a c - b s, a s + b c) with c = table[t, i] and
    s = table[t, dims/2 + i]; `dims` is the width of the table. Pairs are as in `nn.rope`.

        %y = nn.rotate %q by %table heads 9 half : tensor<?x576xf32>, tensor<?x64xf32>
  }];
  let arguments = (ins NN_Activation:$input, NN_Activation:$table, I64Attr:$heads, NN_RopeStyleAttr:$style);
  let results = (outs NN_Activation:$result);
  let assemblyFormat = "$input `by` $table `heads` $heads $style attr-dict `:` type($input) `,` type($table)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    bool isDifferentiableIn(unsigned index);
    ::llvm::LogicalResult adaptToTile(const ::llmc::nn::IterationSpace &space, ::llvm::ArrayRef<::mlir::OpFoldResult> offsets,
                                      ::llvm::ArrayRef<::mlir::OpFoldResult> sizes);
    int64_t getDims() { return getTable().getType().getDimSize(1); }
  }];
}

// Attributes that both forms of attention share.
defvar attentionArguments = (ins I64Attr:$heads, I64Attr:$kv_heads, F64Attr:$scale, OptionalAttr<I64Attr>:$window,
  OptionalAttr<F64Attr>:$softcap, OptionalAttr<DenseF64ArrayAttr>:$alibi);

def NN_AttentionOp : NN_TensorOp<"attention", [AttrSizedOperandSegments, NN_InferredShapes, NN_Gradient]> {
  let summary = "scaled dot-product attention";
  let description = [{
    With query head h reading key and value head h / (heads / kv_heads), for query row i and key row j:

        s[i, j] = softcap(scale * q[i] . k[j]) + alibi[h] * (j - i) + bias[h, i, j]
        y[i] = sum_j softmax_j(s[i, :])[j] * v[j]      (Vaswani et al., 2017; Ainslie et al., 2023)

    Key j is seen by query i if their `segments` agree (packed sequences), if not `causal` or j <= i, and, with a `window` w, if
    i - j < w. In cross attention queries and keys have different numbers of rows; it is not causal, and keys of packed sequences have
    `key_segments` of their own. `bias` is `[heads * queries, keys]` (relative position bias of T5); or, `by_distance`, it is that of
    each distance up to a reach, as `nn.cached_attention` has it, with rows for positions. Softmax is taken in f32 (or wider). A query that
    sees no key gives zeros.

        %y = nn.attention %q, %k, %v heads 9 kv_heads 3 scale 0.125 causal
               : tensor<?x576xf32>, tensor<?x192xf32>, tensor<?x192xf32> -> tensor<?x576xf32>
        %y = nn.attention %q, %k, %v segments %s : tensor<64xi32> key_segments %t : tensor<96xi32> heads 8 kv_heads 8 scale 1.0
               : tensor<64x512xf32>, tensor<96x512xf32>, tensor<96x512xf32> -> tensor<64x512xf32>
  }];
  let arguments = !con((ins NN_Activation:$query, NN_Activation:$key, NN_Activation:$value, Optional<NN_Ids>:$segments,
    Optional<NN_Ids>:$key_segments, Optional<NN_Activation>:$bias, UnitAttr:$by_distance, UnitAttr:$causal), attentionArguments);
  let results = (outs NN_Activation:$result);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`segments` $segments^ `:` type($segments))? (`key_segments` $key_segments^ `:` type($key_segments))?
    (`bias` $bias^ `:` type($bias))? (`by_distance` $by_distance^)?
    `heads` $heads `kv_heads` $kv_heads `scale` $scale (`causal` $causal^)? (`window` $window^)? (`softcap` $softcap^)?
    (`alibi` $alibi^)? attr-dict `:` type($query) `,` type($key) `,` type($value) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::llvm::LogicalResult adaptToTile(const ::llmc::nn::IterationSpace &space, ::llvm::ArrayRef<::mlir::OpFoldResult> offsets,
                                      ::llvm::ArrayRef<::mlir::OpFoldResult> sizes);
  }];
}

def NN_AttentionGradientOp : NN_TensorOp<"attention_gradient", [AttrSizedOperandSegments, NN_Decomposes, NN_InferredResults,
    NN_NoGradient<"second derivatives are not supported">]> {
  let summary = "gradients of attention";
  let description = [{
    With y = `nn.attention` of the same operands and attributes, the sums over all elements of gradient * dy / dq, and so for k and v:
    gradients of queries, keys and values, and of the bias if there is one, from that of the result. Scores are computed again, and need
    not be stored.

        %dq, %dk, %dv = nn.attention_gradient %q, %k, %v, %dy heads 9 kv_heads 3 scale 0.125 causal
               : tensor<64x576xf32>, tensor<64x192xf32>, tensor<64x192xf32>, tensor<64x576xf32>
  }];
  let arguments = !con((ins NN_Activation:$query, NN_Activation:$key, NN_Activation:$value, NN_Activation:$gradient,
    Optional<NN_Ids>:$segments, Optional<NN_Ids>:$key_segments, Optional<NN_Activation>:$bias, UnitAttr:$by_distance,
    UnitAttr:$causal), attentionArguments);
  let results = (outs NN_Activation:$query_gradient, NN_Activation:$key_gradient, NN_Activation:$value_gradient,
    Optional<NN_Activation>:$bias_gradient);
  let assemblyFormat = [{
    $query `,` $key `,` $value `,` $gradient (`segments` $segments^ `:` type($segments))?
    (`key_segments` $key_segments^ `:` type($key_segments))? (`bias` $bias^ `:` type($bias))? (`by_distance` $by_distance^)?
    `heads` $heads `kv_heads` $kv_heads `scale` $scale (`causal` $causal^)? (`window` $window^)? (`softcap` $softcap^)?
    (`alibi` $alibi^)? attr-dict `:` type($query) `,` type($key) `,` type($value) `,` type($gradient)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::llvm::LogicalResult adaptToTile(const ::llmc::nn::IterationSpace &space, ::llvm::ArrayRef<::mlir::OpFoldResult> offsets,
                                      ::llvm::ArrayRef<::mlir::OpFoldResult> sizes);
  }];
}

def NN_EmptyCacheOp : NN_ComputeOp<"empty_cache", [NN_NoGradient<"caches are for inference">]> {
  let summary = "a cache that holds nothing yet";
  let description = [{
    For attention within one step, whose keys and values need not outlive it (encoders).

        %c = nn.empty_cache : !nn.kv_cache<12x32xf32>
  }];
  let results = (outs NN_KvCacheType:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def NN_CachedAttentionOp : NN_TensorOp<"cached_attention", [NN_InferredShapes,
    NN_NoGradient<"caches are for inference; training sees whole sequences, by nn.attention">]> {
  let summary = "attention to the keys and values of a cache";
  let description = [{
    `nn.attention` whose keys and values are those that the cache holds: the query at position p sees, if `causal`, positions
    j <= p and else all that were appended, and with a `window` w only those with p - j < w. `bias` is that of each distance up to a
    reach r, `[heads, 2 * r + 1]`; keys further off have that of the reach:

        bias[h, p, j] = bias[h, r + min(max(j - p, -r), r)]

    Keys and values of another sequence (cross attention) lie in a cache of their own; a query sees all of them if its position is that of
    the last one.

        %y = nn.cached_attention %q, %cache at %positions heads 9 kv_heads 3 scale 0.125 causal
               : tensor<?x576xf32>, !nn.kv_cache<3x64xf32>, tensor<?xi32> -> tensor<?x576xf32>
  }];
  let arguments = !con((ins NN_Activation:$query, NN_KvCacheType:$cache, NN_Ids:$positions, Optional<NN_Activation>:$bias,
    UnitAttr:$causal), attentionArguments);
  let results = (outs NN_Activation:$result);
  let assemblyFormat = [{
    $query `,` $cache `at` $positions (`bias` $bias^ `:` type($bias))? `heads` $heads `kv_heads` $kv_heads `scale` $scale (`causal` $causal^)?
    (`window` $window^)? (`softcap` $softcap^)? (`alibi` $alibi^)? attr-dict
    `:` type($query) `,` type($cache) `,` type($positions) `->` type($result)
  }];
  let hasVerifier = 1;
}

def NN_CacheAppendOp : NN_ComputeOp<"cache_append", [AllTypesMatch<["cache", "result"]>, NN_NoGradient<"caches are for inference">]> {
  let summary = "a cache with more keys and values";
  let description = [{
    The cache with the keys and values of `positions` set to `key` and `value`, rounded to the cache's element type. The old cache is not used
    again, so that the code generator writes in place.

        %c = nn.cache_append %cache, %k, %v at %positions
               : !nn.kv_cache<3x64xf32>, tensor<?x192xf32>, tensor<?x192xf32>, tensor<?xi32>
  }];
  let arguments = (ins NN_KvCacheType:$cache, NN_Activation:$key, NN_Activation:$value, NN_Ids:$positions);
  let results = (outs NN_KvCacheType:$result);
  let assemblyFormat = [{
    $cache `,` $key `,` $value `at` $positions attr-dict
    `:` type($cache) `,` type($key) `,` type($value) `,` type($positions)
  }];
  let hasVerifier = 1;
}

def NN_RelativePositionBiasOp : NN_TensorOp<"relative_position_bias", [NN_InferredShapes, NN_Gradient, NN_Decomposes]> {
  let summary = "a learned bias for each distance of query and key";
  let description = [{
        y[h * queries + i, j] = table[bucket(key_positions[j] - query_positions[i]), h]      (Raffel et al., 2020)

    `table` is `[buckets, heads]`. Half of the buckets stand for one distance each, the rest for ranges that grow with the logarithm of the
    distance up to `max_distance`. If `bidirectional`, keys behind the query have the second half of all buckets to themselves,
    else they share bucket 0; "behind" means later. The result is the `bias` of `nn.attention`.

        %b = nn.relative_position_bias %p, %p, %table max_distance 128 bidirectional
               : tensor<?xi32>, tensor<?xi32>, tensor<32x8xf32> -> tensor<?x?xf32>
  }];
  let arguments = (ins NN_Ids:$query_positions, NN_Ids:$key_positions, NN_Weight:$table, I64Attr:$max_distance,
    UnitAttr:$bidirectional);
  let results = (outs NN_Activation:$result);
  let assemblyFormat = [{
    $query_positions `,` $key_positions `,` $table `max_distance` $max_distance (`bidirectional` $bidirectional^)? attr-dict
    `:` type($query_positions) `,` type($key_positions) `,` type($table) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The bucket of a key that lies `distance` positions behind the query.
    int64_t getBucket(int64_t distance);
    /// The bias of every distance that has one of its own, [heads, 2 * max_distance + 1]: that of a query at 0 and keys around it. It
    /// depends on the table only.
    ::mlir::Value buildBiasByDistance(::mlir::OpBuilder &builder);
  }];
}

//===----------------------------------------------------------------------===//
// Losses
//===----------------------------------------------------------------------===//

def NN_CrossEntropyOp : NN_TensorOp<"cross_entropy", [NN_InferredShapes, NN_Gradient, NN_Decomposes]> {
  let summary = "negative logarithm of the probability of a class";
  let description = [{
        y[t, 0] = log(sum_j exp(x[t, j])) - x[t, targets[t]]

    and 0 where the target is negative: nothing is asked of that row. A target beyond the width is an error of the program that runs.
    With `smoothing` s (Szegedy et al., 2016) the last term is (1 - s) x[t, targets[t]] + s mean_j(x[t, j]).

        %loss = nn.cross_entropy %logits, %targets : tensor<64x49152xf32>, tensor<64xi32> -> tensor<64x1xf32>
        %loss = nn.cross_entropy %logits, %targets smoothing 0.1 : tensor<64x49152xf32>, tensor<64xi32> -> tensor<64x1xf32>
  }];
  let arguments = (ins NN_Activation:$logits, NN_Ids:$targets, DefaultValuedAttr<F64Attr, "0.0">:$smoothing);
  let results = (outs NN_Activation:$result);
  let assemblyFormat = [{
    $logits `,` $targets (`smoothing` $smoothing^)? attr-dict `:` type($logits) `,` type($targets) `->` type($result)
  }];
  let hasVerifier = 1;
}

def NN_KlDivergenceOp : NN_TensorOp<"kl_divergence", [NN_InferredShapes, NN_Gradient, NN_Decomposes]> {
  let summary = "how far probabilities are from those of a teacher";
  let description = [{
    With p = softmax(x[t, :]) and q = softmax(teacher[t, :]):

        y[t, 0] = sum_j q[j] (log(q[j]) - log(p[j]))      (Kullback and Leibler, 1951)

        %d = nn.kl_divergence %logits, %teacher : tensor<64x49152xf32>, tensor<64x49152xf32> -> tensor<64x1xf32>
  }];
  let arguments = (ins NN_Activation:$logits, NN_Activation:$teacher);
  let results = (outs NN_Activation:$result);
  let assemblyFormat = "$logits `,` $teacher attr-dict `:` type($logits) `,` type($teacher) `->` type($result)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Regularization
//===----------------------------------------------------------------------===//

def NN_DropoutOp : NN_TensorOp<"dropout", [AllTypesMatch<["input", "result"]>, NN_Gradient, NN_Decomposes]> {
  let summary = "elements that become zero at random";
  let description = [{
        y[t, d] = x[t, d] / (1 - rate) if word(t, d) >= rate * 2^32, else 0      (Srivastava et al., 2014)

    where word(t, d) is the first word of Philox4x32-10 (dialects/random/Philox.h) for the counter (d, rows[t], draw[2], stream) and the key
    (draw[0], draw[1]), both unsigned: `draw` is a seed, low half first, and the number of the step, `rows` are the numbers of rows in the
    step, and `stream` tells operations apart. So nothing is stored for gradients, and a row's zeros depend on its number only, whatever
    tile or batch it is in.

        %y = nn.dropout %x rows %rows draw %draw rate 0.1 stream 16 : tensor<?x576xf32>, tensor<?xi32>, tensor<3xi32>
  }];
  let arguments = (ins NN_Activation:$input, NN_Ids:$rows, NN_Ids:$draw, F64Attr:$rate, I64Attr:$stream);
  let results = (outs NN_Activation:$result);
  let assemblyFormat = [{
    $input `rows` $rows `draw` $draw `rate` $rate `stream` $stream attr-dict `:` type($input) `,` type($rows) `,` type($draw)
  }];
  let extraClassDeclaration = [{
    /// The least word of an element that stays: rate * 2^32.
    uint32_t getLeastWord();
    /// What elements that stay are multiplied by: 1 / (1 - rate).
    double getFactor();
  }];
  let hasVerifier = 1;
}


//===----------------------------------------------------------------------===//
// Mixture of experts
//===----------------------------------------------------------------------===//

def NN_ExpertsOp : NN_TensorOp<"experts", [NN_InferredShapes,
    NN_NoGradient<"its rule adds to the experts that each token chose, and no operation does that yet">]> {
  let summary = "the gated MLPs that a router chooses for each token";
  let description = [{
    With E experts, p[t, :] = softmax(router[t, :]), or with `sigmoid` the logistic function of each router[t, e], and S[t] the `top_k`
    experts of the largest p (the lower number wins a tie):

        y[t] = sum_{e in S[t]} g[t, e] * down_e(act(gate_e x[t]) * up_e x[t])      (Shazeer et al., 2017; Jiang et al., 2024)

    where g = p, divided by its sum over S[t] if `renormalize`d (Mixtral; Qwen3 as configured). Weights of all experts lie one below the
    other: `gate` and `up` are `[E * inner, width]`, `down` is `[E * width, inner]`. `activation` is `silu` or `gelu` (tanh form). One
    expert of `sigmoid` is one that all tokens share, with a gate (Qwen2-MoE). Where x is rounded, to bf16 or to the blocks of products of
    integers, what down_e multiplies is rounded like it.

        %y = nn.experts %x, %router, %gate, %up, %down top_k 2 silu renormalize
               : tensor<?x64xf32>, tensor<?x8xf32>, tensor<1024x64xf32>, tensor<1024x64xf32>, tensor<512x128xf32> -> tensor<?x64xf32>
  }];
  let arguments = (ins NN_Activation:$input, NN_Activation:$router, NN_Weight:$gate, NN_Weight:$up, NN_Weight:$down,
    I64Attr:$top_k, NN_GateActivationAttr:$activation, UnitAttr:$sigmoid, UnitAttr:$renormalize);
  let results = (outs NN_Activation:$result);
  let assemblyFormat = [{
    $input `,` $router `,` $gate `,` $up `,` $down `top_k` $top_k $activation (`sigmoid` $sigmoid^)? (`renormalize` $renormalize^)?
    attr-dict `:` type($input) `,` type($router) `,` type($gate) `,` type($up) `,` type($down) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getExperts() { return getRouter().getType().getDimSize(1); }
  }];
}

//===----------------------------------------------------------------------===//
// Layout and element types
//===----------------------------------------------------------------------===//

def NN_SplitOp : NN_TensorOp<"split", [NN_Gradient]> {
  let summary = "consecutive parts of the width";
  let description = [{
    The results' widths add up to the operand's.

        %q, %k, %v = nn.split %qkv : tensor<?x960xf32> -> tensor<?x576xf32>, tensor<?x192xf32>, tensor<?x192xf32>
  }];
  let arguments = (ins NN_Activation:$input);
  let results = (outs Variadic<NN_Activation>:$results);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($results)";
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def NN_ConcatOp : NN_TensorOp<"concat", [NN_InferredResults, NN_Gradient]> {
  let summary = "tensors one below the other";
  let description = [{
    Concatenates along the first dimension: the outputs of linear layers that are computed as one.

        %w = nn.concat %q, %k : tensor<576x576xf32>, tensor<192x576xf32> -> tensor<768x576xf32>
  }];
  let arguments = (ins Variadic<NN_AnyTensor>:$inputs);
  let results = (outs NN_AnyTensor:$result);
  let assemblyFormat = "$inputs attr-dict `:` type($inputs) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def NN_SelectRowsOp : NN_TensorOp<"select_rows", [NN_InferredResults, NN_Gradient]> {
  let summary = "some rows of an activation";
  let description = [{
        y[i, :] = x[rows[i], :]

    Keeps the rows whose logits are wanted.

        %y = nn.select_rows %x, %rows : tensor<?x576xf32>, tensor<?xi32> -> tensor<?x576xf32>
  }];
  let arguments = (ins NN_Activation:$input, NN_Ids:$rows);
  let results = (outs NN_Activation:$result);
  let assemblyFormat = "$input `,` $rows attr-dict `:` type($input) `,` type($rows) `->` type($result)";
}

def NN_ScatterRowsOp : NN_TensorOp<"scatter_rows", [NN_Gradient]> {
  let summary = "sums of the rows that go to the same place";
  let description = [{
        y[v, :] = sum_{t: rows[t] = v} x[t, :]

    in the order of t: the gradient of gathers. The result's type says how many rows it has.

        %dt = nn.scatter_rows %dy, %tokens : tensor<64x576xf32>, tensor<64xi32> -> tensor<49152x576xf32>
  }];
  let arguments = (ins NN_Activation:$input, NN_Ids:$rows);
  let results = (outs NN_Activation:$result);
  let assemblyFormat = "$input `,` $rows attr-dict `:` type($input) `,` type($rows) `->` type($result)";
  let hasVerifier = 1;
}

def NN_ConvertOp : NN_TensorOp<"convert", [NN_Gradient]> {
  let summary = "the same numbers in another element type";
  let description = [{
    Rounds to nearest even for floating-point types. To a block type it quantizes each block by the format's own rule, from it it
    dequantizes. To an aligned block type it rounds the scales of weights (numbers that come from no parameter have none, and stay).

        %h = nn.convert %x : tensor<?x576xf32> -> tensor<?x576x!nn.block<q16_k>>
        %a = nn.convert %q : tensor<576x576x!nn.block<q4_1>> -> tensor<576x576x!nn.block<q4_1, aligned>>
        %b = nn.convert %w : tensor<576x576xf32> -> tensor<576x576xbf16>
  }];
  let arguments = (ins NN_AnyTensor:$input);
  let results = (outs NN_AnyTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
  let builders = [OpBuilder<(ins "::mlir::Value":$input, "::mlir::Type":$elementType), [{
    build($_builder, $_state, ::mlir::cast<::mlir::RankedTensorType>(input.getType()).clone(elementType), input);
  }]>];
  let extraClassDeclaration = [{
    bool isDifferentiableIn(unsigned index);
  }];
}

//===----------------------------------------------------------------------===//
// Weights as kernels read them: only in initializers of parameters
//===----------------------------------------------------------------------===//

def NN_AlignHeadsOp : NN_Op<"align_heads", [Pure, NN_InferredResults, DeclareOpInterfaceMethods<NN_ReferenceOpInterface>]> {
  let summary = "rows of a weight ordered and padded so that heads fit vectors";
  let description = [{
    The rows of the input are consecutive `segments`, each four numbers: heads, head size, rotary dimensions and style (0 half, 1
    interleaved). Each head becomes three parts, each padded with zero rows to a multiple of `lanes`: the first members
    of its rotating pairs, the second members, the dimensions that do not rotate. Rotation then works on whole vectors, and
    a dot product of two heads that are ordered alike does not change.

        %a = nn.align_heads %w lanes 16 segments [9, 64, 64, 1, 3, 64, 64, 1, 3, 64, 0, 0]
               : tensor<960x576xf32> -> tensor<960x576xf32>
  }];
  let arguments = (ins NN_AnyTensor:$input, I64Attr:$lanes, DenseI64ArrayAttr:$segments);
  let results = (outs NN_AnyTensor:$result);
  let assemblyFormat = "$input `lanes` $lanes `segments` $segments attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Rows that a head of `size` takes with its parts padded.
    static int64_t getAlignedSize(int64_t size, int64_t rotaryDims, int64_t lanes);
    /// For each row of the result its row in the input, or -1 for padding.
    ::llvm::SmallVector<int64_t> getRowOrder();
  }];
}

def NN_PackOp : NN_Op<"pack", [Pure, NN_InferredResults, DeclareOpInterfaceMethods<NN_ReferenceOpInterface>]> {
  let summary = "a weight in panels, as product kernels read it";
  let description = [{
    `[out, in]` becomes `[panels, groups, record bytes]`: a panel is `lanes` consecutive outputs (the last one padded with zeros), a
    group is the inputs that share a scale, or what fills 32 bits: one f32, two bf16. A record holds what a kernel needs of one group for
    all lanes of its panel: codes (4 bits each, or 8 for formats of more), then scales, then minima if the format has them (f16, or f32 where
    a format has scales of two levels). Weights with aligned scales become `[panels, panel bytes]`: scales are integers, and before the
    records of a panel lie the units of each 128 inputs. codegen/common/PanelLayout.h has the order inside a panel.

    With `fragments` a panel is a tile of 16 outputs in the order in which tensor cores of GPUs take their operands: the result is
    `[tiles, tile bytes]` (codegen/common/FragmentLayout.h).

    The packed weight stands for the numbers that it was packed from, as blocks do for theirs: the reference semantics is the identity on
    the `[out, in]` numbers.

        %p = nn.pack %w lanes 16 : tensor<960x576x!nn.block<q4_1>> -> tensor<60x18x320xi8>
        %q = nn.pack %w lanes 16 : tensor<960x576x!nn.block<q4_1, aligned>> -> tensor<60x5888xi8>
        %r = nn.pack %w lanes 16 fragments : tensor<960x576x!nn.block<q4_1>> -> tensor<60x5760xi8>
  }];
  let arguments = (ins NN_Weight:$input, I64Attr:$lanes, UnitAttr:$fragments);
  let results = (outs RankedTensorOf<[I8]>:$result);
  let assemblyFormat = "$input `lanes` $lanes (`fragments` $fragments^)? attr-dict `:` type($input) `->` type($result)";
}

//===----------------------------------------------------------------------===//
// Fusion
//===----------------------------------------------------------------------===//

def NN_FusionOp : NN_Op<"fusion", [Pure, IsolatedFromAbove, SingleBlockImplicitTerminator<"YieldOp">,
    DeclareOpInterfaceMethods<NN_ReferenceOpInterface>, DeclareOpInterfaceMethods<NN_CostOpInterface>]> {
  let summary = "operations that become one kernel";
  let description = [{
    Means exactly what its body means. It says that the code generator makes one kernel of the body: at most one product or
    attention, row-wise operations before it, element-wise and layout operations after it on values that stay in registers.

        %h = nn.fusion(%a = %x, %w0 = %norm, %w1 = %up) : (tensor<?x576xf32>, tensor<576xf32>, tensor<1536x576xf32>) -> tensor<?x1536xf32> {
          %0 = nn.rms_norm %a, %w0 epsilon 1.0e-5 : tensor<?x576xf32>, tensor<576xf32>
          %1 = nn.linear %0, %w1 : tensor<?x576xf32>, tensor<1536x576xf32> -> tensor<?x1536xf32>
          %2 = nn.silu %1 : tensor<?x1536xf32>
          nn.yield %2 : tensor<?x1536xf32>
        }
  }];
  let arguments = (ins Variadic<AnyType>:$inputs);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

#endif // LLMC_DIALECTS_NN_NNOPS_TD
