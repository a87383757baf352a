//===- Activation.h - the activations of feed-forward networks ---------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_ACTIVATION_H
#define LLMC_FRONTEND_IMPORT_ACTIVATION_H

#include "frontend/import/Hyperparameters.h"

namespace llmc::frontend {

/// An activation: GELU in its exact and in its tanh form, ReLU, SiLU.
enum class Activation { Gelu, GeluTanh, Relu, Silu };

/// Reads an activation by the name that transformers has for it; one that is not listed here is refused.
Activation readActivation(Hyperparameters &fields, Name name, Activation missing);

/// A name by which readActivation() knows it.
std::string nameOf(Activation activation);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_ACTIVATION_H
