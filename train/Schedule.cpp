#include "train/Schedule.h"

#include <algorithm>
#include <cmath>

namespace llmc::train {

double learningRate(const Run &run, uint64_t step) {
  const Schedule &schedule = run.schedule();
  const double peak = run.learning_rate(), warmup = schedule.warmup_steps(),
               last = static_cast<double>(run.steps()), now = static_cast<double>(step);
  if (now < warmup)
    return peak * (now + 1) / warmup;
  // From 0 behind the warm-up to 1 at the last step.
  auto progressFrom = [&](double begin) {
    return last - 1 > begin ? std::clamp((now - begin) / (last - 1 - begin), 0.0, 1.0) : 1.0;
  };
  const double floor = schedule.final_fraction();
  switch (schedule.kind()) {
  case Schedule::LINEAR:
    return peak * (1 - (1 - floor) * progressFrom(warmup));
  case Schedule::INVERSE_SQUARE_ROOT:
    return peak * std::sqrt(std::max(warmup, 1.0) / (now + 1));
  case Schedule::WARMUP_STABLE_DECAY: {
    const double begin = last - schedule.decay_steps();
    return now < begin ? peak : peak * (1 - (1 - floor) * progressFrom(begin));
  }
  case Schedule::CONSTANT:
    return peak;
  default:
    return peak * (floor + (1 - floor) * 0.5 * (1 + std::cos(M_PI * progressFrom(warmup))));
  }
}

} // namespace llmc::train
