// Inputs of the graph: those of a model of text.

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "frontend/onnx/GraphReader.h"
#include "runtime/io/Message.h"

namespace llmc::onnx {

namespace {

constexpr const char *kInputNames[] = {"input_ids", "attention_mask", "token_type_ids", "position_ids"};
/// Of the inputs that are keys and values of earlier tokens.
constexpr absl::string_view kCachePrefix = "past_key_values";

/// A cache [batch, heads, tokens, size] of no tokens: the graph is imported as that of a whole sequence, and
/// llmc adds caches of its own.
Value emptyCache(const wire::ValueInfoProto &input) {
  const auto &shape = input.type().tensor_type().shape();
  std::vector<int64_t> sizes;
  for (int i = 0; i < shape.dim_size(); ++i)
    sizes.push_back(i == 0 ? 1 : shape.dim(i).has_dim_value() ? shape.dim(i).dim_value() : 0);
  if (sizes.size() != 4 || sizes[1] < 1 || sizes[2] != 0 || sizes[3] < 1)
    return absl::UnimplementedError(absl::StrCat("input ", io::quote(input.name()), " has shape ",
                                                 describeShape(sizes),
                                                 " (where 0 is any size), expected "
                                                 "[batch, heads, tokens, size] of any number of tokens"));
  return Known{{Array{Array::Kind::Real, std::move(sizes), {}}}};
}

} // namespace

Known GraphReader::positions() const {
  Known counted;
  for (int64_t length : lengths) {
    Array array{Array::Kind::Integer, {1, length}, std::vector<double>(length)};
    absl::c_iota(array.values, 0);
    counted.arrays.push_back(std::move(array));
  }
  return counted;
}

absl::Status GraphReader::readInputs() {
  const Layout layout({{}, {Layout::sequence()}});
  bool hasTokens = false;
  for (const wire::ValueInfoProto &input : model.graph().input()) {
    const std::string &name = input.name();
    if (model.findInitializer(name)) // Initializers may be inputs, too.
      continue;
    if (absl::StartsWith(name, kCachePrefix)) {
      values.insert_or_assign(name, emptyCache(input));
      continue;
    }
    if (!absl::c_linear_search(kInputNames, name)) {
      values.insert_or_assign(name, absl::UnimplementedError(absl::StrCat(
                                        "input ", io::quote(name), " is not supported (supported: ",
                                        absl::StrJoin(kInputNames, ", "), ")")));
      continue;
    }
    const auto &shape = input.type().tensor_type().shape();
    const bool isBatch = shape.dim_size() == 2;
    auto isOpen = [&](int axis) { return !shape.dim(axis).has_dim_value(); };
    if (!isBatch || !(isOpen(0) || shape.dim(0).dim_value() == 1) || !isOpen(1)) {
      const std::string found = absl::StrJoin(shape.dim(), ", ", [](std::string *text, const auto &dim) {
        absl::StrAppend(text, dim.has_dim_value() ? absl::StrCat(dim.dim_value()) : "?");
      });
      return absl::UnimplementedError(absl::StrCat(
          "input ", io::quote(name), " has shape [", found,
          "], expected [batch, sequence] with a sequence of any length and a batch of any size or of 1"));
    }
    if (name == "attention_mask") { // All tokens of the one sequence are there.
      Known mask;
      for (int64_t length : lengths)
        mask.arrays.push_back({Array::Kind::Integer, {1, length}, std::vector<double>(length, 1)});
      values.insert_or_assign(name, std::move(mask));
      continue;
    }
    if (name == "position_ids") {
      values.insert_or_assign(name, positions());
      continue;
    }
    hasTokens |= name == "input_ids";
    values.insert_or_assign(name, Ids{name == "input_ids" ? Input::Tokens : Input::TokenTypes, layout});
  }
  if (!hasTokens)
    return absl::UnimplementedError("has no input 'input_ids': is no model of text");
  return absl::OkStatus();
}

} // namespace llmc::onnx
