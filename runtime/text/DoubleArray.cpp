//===- DoubleArray.cpp - a trie of byte strings in one array --------------===//

#include "runtime/text/DoubleArray.h"

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

namespace llmc::text {

absl::StatusOr<DoubleArray> DoubleArray::create(std::vector<uint32_t> units) {
  // The children of a node lie in one block of 256 units, so whole blocks bound every step.
  units.resize((units.size() + 255) / 256 * 256, double_array::kIsValue);
  if (units.size() > size_t{1} << 29)
    return absl::InvalidArgumentError(
        absl::StrFormat("double array: has %d units, at most 2^29 fit its offsets", units.size()));
  if (!units.empty() && (units[0] & double_array::kIsValue))
    return absl::InvalidArgumentError("double array: the first unit is a value");
  for (uint32_t i = 0; i < units.size(); ++i)
    if (!(units[i] & double_array::kIsValue) && (i ^ double_array::offset(units[i])) >= units.size())
      return absl::InvalidArgumentError(
          absl::StrFormat("double array: unit %d leads to unit %d, but there are %d", i,
                          i ^ double_array::offset(units[i]), units.size()));
  DoubleArray array;
  array.units = std::move(units);
  return array;
}

} // namespace llmc::text
