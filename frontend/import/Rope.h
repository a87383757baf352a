//===- Rope.h - how a model's rotary embedding is described -------------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_ROPE_H
#define LLMC_FRONTEND_IMPORT_ROPE_H

#include "dialects/nn/NN.h"
#include "frontend/import/Checkpoint.h"

namespace llmc::frontend {

/// A rotary position embedding (nn.rope).
struct Rope {
  int64_t dims; ///< rotated dimensions of each head
  double theta;
  nn::RopeStyle style;
  nn::RopeScalingAttr scaling; ///< null: none
  /// Positions up to which the frequencies hold; nothing: as many as the model has.
  std::optional<int64_t> context = {};
};

/// Makes attributes of scalings; nn.rope says what the numbers mean.
class ScalingBuilder {
public:
  explicit ScalingBuilder(mlir::MLIRContext *context) : builder(context) {}

  nn::RopeScalingAttr linear(double factor);
  nn::RopeScalingAttr llama3(double factor, double lowFreq, double highFreq, int64_t context);
  nn::RopeScalingAttr yarn(double factor, double betaSlow, double betaFast, int64_t context,
                           double attentionFactor);
  nn::RopeScalingAttr factors(llvm::ArrayRef<double> factors, double attentionFactor = 1);

private:
  nn::RopeScalingAttr get(nn::RopeScalingKind kind, double factor, std::optional<double> lowFreq = {},
                          std::optional<double> highFreq = {}, std::optional<int64_t> context = {},
                          std::optional<double> attentionFactor = {});

  mlir::Builder builder;
};

/// Whether `partial_rotary_factor` of config.json may leave a part of each head as it is. (GGUF files have
/// `rope.dimension_count` in all families.)
enum class RotaryPart { Whole, MayBePart };

/// How a family's files describe a rotation.
struct RopeReading {
  nn::RopeStyle ggufStyle = nn::RopeStyle::Half; ///< of files in GGUF
  RotaryPart part = RotaryPart::Whole;
  /// The base of frequencies, which Hugging Face files may have among the parameters of the rotation too.
  Name theta = {"rope_theta", "rope.freq_base"};
  double missingTheta = 10000;
  /// Where kinds of layers rotate each in their own way: the kind as `layer_types` calls it. Its parameters
  /// are an object of that name inside of `rope_parameters`.
  const char *layerKind = "";
};

/// What yarn multiplies queries and keys by, for `factor` (Peng et al., 2023, section 3.4).
double yarnMagnitude(double factor, double strength = 1);

/// The tensors of GGUF files with the factors of short and long texts (longrope).
inline constexpr const char *kShortFactorsTensor = "rope_factors_short.weight";
inline constexpr const char *kLongFactorsTensor = "rope_factors_long.weight";

/// The tensor by whose elements GGUF files divide frequencies.
inline constexpr const char *kRopeFactorsTensor = "rope_freqs.weight";

/// Reads the rotary embedding of a decoder with heads of `headDim`. Files of Hugging Face rotate dimension i
/// with i + dims/2. A kind of scaling that nn.rope does not have is refused by name.
Rope readRope(const Checkpoint &checkpoint, Hyperparameters &fields, const Size &headDim,
              const RopeReading &reading, mlir::MLIRContext *context);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_ROPE_H
