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
    offset), as GGUF defines them. The last dimension is a multiple of the block's size. An element stands for the number
    that the format's dequantization gives.

        tensor<576x1536x!nn.block<q4_1>>

    `q16_k` and `q8_k` only activations have: 128 codes (fewer at the end of a row, in whole groups of 32) share one f32 scale.
    code = round(x * 32639 / largest magnitude of the block) in 16 bits, halves away from zero, except that codes with a low byte of -128,
    signed, are one larger; in 8 bits 127 takes the place of 32639.

    `aligned` weights have integers for scales and offsets, in units that 128 elements of a row share (dialects/blocks/AlignedScales.h):
    products of them and of activations as above are sums of integers.

        tensor<576x1536x!nn.block<q4_1, aligned>>
  }];
  let parameters = (ins EnumParameter<NN_BlockFormat>:$format, DefaultValuedParameter<"bool", "false">:$aligned);
  let builders = [TypeBuilder<(ins "BlockFormat":$format), [{ return $_get($_ctxt, format, false); }]>];
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    /// Elements that share one block: 32, 256 for the K formats of weights, 128 for those of activations.
    int64_t getBlockSize() const;
    /// What the size of a last dimension is a multiple of: the block's size, or for activations, whose last block may be
    /// shorter, 32.
    int64_t getRowMultiple() const;
    /// Bytes that one block takes: of the formats of files in a file, of others while they are made.
    int64_t getBlockBytes() const;
    /// Whether only activations have this format.
    bool isActivation() const;
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
