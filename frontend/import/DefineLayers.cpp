//===- DefineLayers.cpp - parts of models as parts of model definitions, and back ---------------------===//

#include "frontend/import/DefineLayers.h"

using namespace llmc;
using namespace llmc::frontend;

namespace {

struct MlpKind {
  spec::Mlp::Kind kind;
  Activation activation;
  bool gated;
};
constexpr MlpKind kMlps[] = {{spec::Mlp::GATED_SILU, Activation::Silu, true},
                             {spec::Mlp::GATED_GELU_TANH, Activation::GeluTanh, true},
                             {spec::Mlp::GELU_TANH, Activation::GeluTanh, false},
                             {spec::Mlp::GELU, Activation::Gelu, false},
                             {spec::Mlp::RELU, Activation::Relu, false},
                             {spec::Mlp::SILU, Activation::Silu, false}};

const MlpKind &kindOf(spec::Mlp::Kind kind) {
  for (const MlpKind &mlp : kMlps)
    if (mlp.kind == kind)
      return mlp;
  llvm_unreachable("not a kind of a complete definition");
}

} // namespace

Size llmc::frontend::sizeOf(uint32_t value, const char *field) { return {value, field}; }

spec::Mlp::Kind llmc::frontend::defineMlp(Activation activation, bool gated) {
  for (const MlpKind &mlp : kMlps)
    if (mlp.activation == activation && mlp.gated == gated)
      return mlp.kind;
  return spec::Mlp::KIND_UNSPECIFIED;
}
Activation llmc::frontend::activationOf(spec::Mlp::Kind kind) { return kindOf(kind).activation; }
bool llmc::frontend::isGated(spec::Mlp::Kind kind) { return kindOf(kind).gated; }

void llmc::frontend::defineAttention(const AttentionShape &shape, int64_t headDim, spec::Attention &defined) {
  defined.set_heads(shape.heads);
  defined.set_kv_heads(shape.kvHeads);
  defined.set_head_size(headDim);
  defined.set_scale(shape.scale);
  if (shape.window)
    defined.set_window(*shape.window);
  if (shape.softcap)
    defined.set_softcap(*shape.softcap);
}

AttentionShape llmc::frontend::attentionOf(const spec::Attention &defined, bool causal) {
  AttentionShape shape = {defined.heads(), defined.kv_heads(), defined.scale(), causal, /*window=*/{}};
  if (defined.window() != 0)
    shape.window = defined.window();
  if (defined.softcap() != 0)
    shape.softcap = defined.softcap();
  return shape;
}
