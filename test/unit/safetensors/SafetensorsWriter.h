#ifndef LLMC_TEST_UNIT_SAFETENSORS_SAFETENSORSWRITER_H
#define LLMC_TEST_UNIT_SAFETENSORS_SAFETENSORSWRITER_H

#include <cstdint>
#include <string>

namespace llmc::safetensors::testing {

/// A safetensors file with this header and data; nothing is checked, since tests write wrong files on
/// purpose.
inline std::string fileOf(const std::string &header, const std::string &data) {
  uint64_t length = header.size();
  return std::string(reinterpret_cast<const char *>(&length), sizeof(length)) + header + data;
}

/// A header entry: `"name":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`.
inline std::string entryOf(const std::string &name, const std::string &dtype, const std::string &shape,
                           const std::string &offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets +
         "}";
}

} // namespace llmc::safetensors::testing

#endif // LLMC_TEST_UNIT_SAFETENSORS_SAFETENSORSWRITER_H
