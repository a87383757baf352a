//===- NNTypes.td - types of nn -------------------------------------------------------*- tablegen -*-===//

#ifndef LLMC_DIALECTS_NN_NNTYPES_TD
#define LLMC_DIALECTS_NN_NNTYPES_TD

include "dialects/nn/NNAttributes.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/CommonTypeConstraints.td"

def NN_BlockType : TypeDef<NN_Dialect, "Block"> {
  let mnemonic = "block";
  let summary = "element of a block-quantized tensor";
  let description = [{
    The element type of a tensor whose last dimension is stored in blocks with a scale each (and, for some formats, an
    offset), as GGUF defines them, or `q16_0`, which only activations have: code = round(x * 32512 / largest magnitude of the block),
    halves away from zero. The last dimension is a multiple of the block's size. An element stands for the number
    that the format's dequantization gives.

        tensor<576x1536x!nn.block<q4_1>>
  }];
  let parameters = (ins EnumParameter<NN_BlockFormat>:$format);
  let assemblyFormat = "`<` $format `>`";
  let extraClassDeclaration = [{
    /// Elements that share one block: 32, or 256 for the K formats.
    int64_t getBlockSize() const;
    /// Bytes that one block takes in a file.
    int64_t getBlockBytes() const;
  }];
}

def NN_KvCacheType : TypeDef<NN_Dialect, "KvCache"> {
  let mnemonic = "kv_cache";
  let summary = "keys and values of one layer for the tokens so far";
  let description = [{
    A growing store of one key and one value per head and position. How it lies in memory (contiguous, paged, transposed,
    quantized) is the code generator's choice; the element type is the precision in which it is kept.

        !nn.kv_cache<3x64xf32>      3 heads of 64
  }];
  let parameters = (ins "int64_t":$heads, "int64_t":$headDim, "::mlir::Type":$elementType);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

// Floating point or block-quantized elements.
def NN_Float : AnyTypeOf<[F16, BF16, F32, F64]>;
def NN_Element : AnyTypeOf<[NN_Float, NN_BlockType], "floating-point or block-quantized element">;
def NN_Activation : TensorRankOf<[NN_Element], [2]>;
def NN_Weight : TensorRankOf<[NN_Element], [2]>;
def NN_Vector : TensorRankOf<[NN_Float], [1]>;
def NN_Ids : TensorRankOf<[I32], [1]>;
// Packed weights are bytes.
def NN_ParamType : RankedTensorOf<[NN_Element, I8, I32]>;
def NN_AnyTensor : RankedTensorOf<[NN_Element, I32]>;

#endif // LLMC_DIALECTS_NN_NNTYPES_TD
