//===- Activation.cpp - the activations of feed-forward networks -------------------------------------===//

#include "frontend/import/Activation.h"
#include "llvm/Support/ErrorHandling.h"

using namespace llmc::frontend;

Activation llmc::frontend::readActivation(Hyperparameters &fields, Name name, Activation missing) {
  const std::string gelu = "gelu", geluNew = "gelu_new", geluTanh = "gelu_pytorch_tanh", relu = "relu",
                    silu = "silu", swish = "swish";
  fields.expect(name, {gelu, geluNew, geluTanh, relu, silu, swish});
  if (!fields.ok() || !fields.has(name))
    return missing;
  const std::string found = fields.textOr(name, gelu);
  if (found == relu)
    return Activation::Relu;
  if (found == silu || found == swish)
    return Activation::Silu;
  return found == gelu ? Activation::Gelu : Activation::GeluTanh;
}

std::string llmc::frontend::nameOf(Activation activation) {
  switch (activation) {
  case Activation::Gelu:
    return "gelu";
  case Activation::GeluTanh:
    return "gelu_pytorch_tanh";
  case Activation::Relu:
    return "relu";
  case Activation::Silu:
    return "silu";
  }
  llvm_unreachable("not an activation");
}
