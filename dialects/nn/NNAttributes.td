//===- NNAttributes.td - attributes and enumerations of nn ---------------------------*- tablegen -*-===//

#ifndef LLMC_DIALECTS_NN_NNATTRIBUTES_TD
#define LLMC_DIALECTS_NN_NNATTRIBUTES_TD

include "dialects/nn/NNDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

class NN_Enum<string name, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::llmc::nn";
  let genSpecializedAttr = 0;
}

// GGUF's formats, and two of activations that no file has: q16_k and q8_k, 128 signed codes of 16 or 8 bits and an f32 scale.
def NN_BlockFormat : NN_Enum<"BlockFormat", "block-quantized storage format", [
  I32EnumAttrCase<"Q8_0", 0, "q8_0">, I32EnumAttrCase<"Q4_0", 1, "q4_0">, I32EnumAttrCase<"Q4_1", 2, "q4_1">,
  I32EnumAttrCase<"Q5_0", 3, "q5_0">, I32EnumAttrCase<"Q5_1", 4, "q5_1">, I32EnumAttrCase<"Q2_K", 5, "q2_k">,
  I32EnumAttrCase<"Q3_K", 6, "q3_k">, I32EnumAttrCase<"Q4_K", 7, "q4_k">, I32EnumAttrCase<"Q5_K", 8, "q5_k">,
  I32EnumAttrCase<"Q6_K", 9, "q6_k">, I32EnumAttrCase<"IQ4_NL", 10, "iq4_nl">, I32EnumAttrCase<"IQ4_XS", 11, "iq4_xs">,
  I32EnumAttrCase<"MXFP4", 12, "mxfp4">, I32EnumAttrCase<"Q16_K", 13, "q16_k">, I32EnumAttrCase<"Q8_K", 14, "q8_k">]>;

def NN_RopeStyle : NN_Enum<"RopeStyle", "which dimensions of a head rotate together", [
  I32EnumAttrCase<"Half", 0, "half">, I32EnumAttrCase<"Interleaved", 1, "interleaved">]>;
def NN_RopeStyleAttr : EnumAttr<NN_Dialect, NN_RopeStyle, "rope_style"> { let assemblyFormat = "`` $value"; }

def NN_GeluKind : NN_Enum<"GeluKind", "how the Gaussian distribution function is computed", [
  I32EnumAttrCase<"Exact", 0, "exact">, I32EnumAttrCase<"Tanh", 1, "tanh">, I32EnumAttrCase<"Sigmoid", 2, "sigmoid">]>;
def NN_GeluKindAttr : EnumAttr<NN_Dialect, NN_GeluKind, "gelu_kind"> { let assemblyFormat = "`` $value"; }

def NN_GateActivation : NN_Enum<"GateActivation", "activation of the gate of an MLP", [
  I32EnumAttrCase<"Silu", 0, "silu">, I32EnumAttrCase<"Gelu", 1, "gelu">]>;
def NN_GateActivationAttr : EnumAttr<NN_Dialect, NN_GateActivation, "gate_activation"> {
  let assemblyFormat = "$value";
}

def NN_RopeScalingKind : NN_Enum<"RopeScalingKind", "how rotary frequencies are stretched beyond the trained context", [
  I32EnumAttrCase<"Linear", 0, "linear">, I32EnumAttrCase<"Llama3", 1, "llama3">, I32EnumAttrCase<"Yarn", 2, "yarn">,
  I32EnumAttrCase<"Factors", 3, "factors">]>;

def NN_RopeScalingAttr : AttrDef<NN_Dialect, "RopeScaling"> {
  let mnemonic = "rope_scaling";
  let summary = "stretches rotary frequencies";
  let description = [{
    With f[i] = theta^(-2i/dims) the frequency of pair i, and the trained context length L:

    - `linear`: f[i] / factor.
    - `llama3`: wavelengths 2*pi/f[i] above L/low_freq are divided by factor, those below L/high_freq stay, and those
      between are interpolated smoothly (Llama 3.1).
    - `yarn`: interpolation by a ramp between the dimensions that turn `high_freq` (beta_fast) and `low_freq`
      (beta_slow) times in L positions; queries and keys are scaled by `attention_factor` (Peng et al., 2023).
    - `factors`: f[i] / factors[i], one number a pair (Phi-3 long rope, and GGUF's `rope_freqs`).

    Numbers that are not given are 1.

        #nn.rope_scaling<llama3, factor = 8.0, low_freq = 1.0, high_freq = 4.0, trained_context = 8192>
  }];
  let parameters = (ins
    EnumParameter<NN_RopeScalingKind>:$kind,
    OptionalParameter<"::mlir::FloatAttr">:$factor,
    OptionalParameter<"::mlir::FloatAttr">:$low_freq,
    OptionalParameter<"::mlir::FloatAttr">:$high_freq,
    OptionalParameter<"::mlir::IntegerAttr">:$trained_context,
    OptionalParameter<"::mlir::FloatAttr">:$attention_factor,
    OptionalParameter<"::mlir::DenseF64ArrayAttr">:$factors);
  let assemblyFormat = "`<` $kind (`,` struct($factor, $low_freq, $high_freq, $trained_context, $attention_factor, $factors)^)? `>`";
}

#endif // LLMC_DIALECTS_NN_NNATTRIBUTES_TD
