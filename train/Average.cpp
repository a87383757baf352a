#include "train/Average.h"

#include "train/Hyperparameters.h"

#include "absl/functional/function_ref.h"

#include <algorithm>

namespace llmc::train {

static void forEachAverage(Program &program,
                           absl::FunctionRef<void(float *parameter, float *average, int64_t elements)> take) {
  const std::vector<TensorView> parameters = program.tensors("parameters", Part::Trained),
                                averages = program.tensors(kAverageSection, Part::Trained);
  for (size_t i = 0; i < parameters.size(); ++i)
    take(parameters[i].data, averages[i].data, elementsOf(parameters[i]));
}

absl::Status beginAverages(Program &program) {
  forEachAverage(program, [](float *parameter, float *average, int64_t elements) {
    std::copy_n(parameter, elements, average);
  });
  return program.commit(kAverageSection);
}

absl::Status swapAverages(Program &program) {
  for (const char *section : {"parameters", kAverageSection})
    if (absl::Status status = program.fetch(section); !status.ok())
      return status;
  forEachAverage(program, [](float *parameter, float *average, int64_t elements) {
    std::swap_ranges(parameter, parameter + elements, average);
  });
  for (const char *section : {"parameters", kAverageSection})
    if (absl::Status status = program.commit(section); !status.ok())
      return status;
  return absl::OkStatus();
}

} // namespace llmc::train
