#include "runtime/core/Pooling.h"

#include <algorithm>
#include <cmath>

namespace llmc::runtime {

static void normalize(absl::Span<float> embedding) {
  double squares = 0;
  for (float element : embedding)
    squares += static_cast<double>(element) * element;
  // The smallest norm by which PyTorch's normalize() divides.
  const double norm = std::max(std::sqrt(squares), 1e-12);
  for (float &element : embedding)
    element = static_cast<float>(element / norm);
}

void pool(const Pooling &pooling, absl::Span<const float> states, absl::Span<float> embedding) {
  const size_t width = embedding.size(), rows = states.size() / width;
  const bool isWeighted = pooling.method() == Pooling::WEIGHTED_MEAN;
  for (size_t column = 0; column < width; ++column) {
    double sum = 0, weights = 0;
    float largest = states[column];
    for (size_t row = 0; row < rows; ++row) {
      const double weight = isWeighted ? static_cast<double>(row + 1) : 1;
      sum += weight * states[row * width + column];
      weights += weight;
      largest = std::max(largest, states[row * width + column]);
    }
    if (isWeighted || pooling.method() == Pooling::MEAN)
      embedding[column] = static_cast<float>(sum / weights);
    else if (pooling.method() == Pooling::LAST)
      embedding[column] = states[(rows - 1) * width + column];
    else
      embedding[column] = pooling.method() == Pooling::MAX ? largest : states[column];
  }
  if (pooling.normalize())
    normalize(embedding);
}

} // namespace llmc::runtime
