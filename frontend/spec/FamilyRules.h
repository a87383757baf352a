//===- FamilyRules.h - the blocks of each family -----------------------------------------------------===//
#ifndef LLMC_FRONTEND_SPEC_FAMILYRULES_H
#define LLMC_FRONTEND_SPEC_FAMILYRULES_H

#include "frontend/spec/model.pb.h"

#include <initializer_list>

namespace llmc::spec {

/// What a model of a family is as a whole.
enum class Shape { Decoder, Encoder, EncoderDecoder };

/// Whether models of a family have something.
enum class Has { Never, Maybe, Always };

/// Which layers may have a window.
enum class Window { Never, AllLayers, SomeLayers };

/// The blocks that a family has names for in its checkpoints.
struct FamilyRules {
  ModelDefinition::Family family;
  Shape shape;
  Norm::Kind norm;
  Norm::Placement placement;
  Positions::Kind positions;
  std::initializer_list<Mlp::Kind> mlps;
  // Vectors that are added: to queries, keys and values; to outputs of attention; in the MLP.
  Has bias, outputBias, mlpBias;
  Window window = Window::Never;
  Has headNorm = Has::Never, experts = Has::Never, sharedExpert = Has::Never;
  Has scaledEmbeddings = Has::Never;
  /// Of attention, and of logits.
  Has softcap = Has::Never, logitSoftcap = Has::Never;
  /// Attention may be scaled otherwise than by the size of a head.
  Has ownScale = Has::Never;
  Has partialRotation = Has::Never, windowRotation = Has::Never;
  double epsilon = 1e-5;
  Has ownEpsilon = Has::Maybe;
  /// Of the embedding of segments (0: never any), and of the table of positions (0: always its first row).
  uint32_t segments = 0, firstPosition = 0;
};

/// The rules of a family; null for a number that is none.
const FamilyRules *rulesOf(ModelDefinition::Family family);

} // namespace llmc::spec

#endif // LLMC_FRONTEND_SPEC_FAMILYRULES_H
