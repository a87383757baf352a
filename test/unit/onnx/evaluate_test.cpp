// Operators on arrays, by examples of the ONNX specification and of what exporters write.

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "frontend/onnx/Evaluate.h"

using namespace llmc::onnx;
using ::testing::ElementsAre;
using ::testing::StartsWith;

namespace {

Array integers(std::vector<int64_t> shape, std::vector<double> values) {
  return {Array::Kind::Integer, std::move(shape), std::move(values)};
}
Array vector(std::vector<double> values) {
  const int64_t size = static_cast<int64_t>(values.size());
  return integers({size}, std::move(values));
}
Array reals(std::vector<int64_t> shape, std::vector<double> values) {
  return {Array::Kind::Real, std::move(shape), std::move(values)};
}

/// A node with attributes of integers.
class Example {
public:
  explicit Example(const std::string &op, int outputs = 1) {
    proto.set_op_type(op);
    proto.set_name("n");
    for (int i = 0; i < outputs; ++i)
      proto.add_output("y" + std::to_string(i));
  }
  Example &with(const std::string &name, int64_t value) {
    auto &attribute = *proto.add_attribute();
    attribute.set_name(name);
    attribute.set_i(value);
    return *this;
  }
  Example &with(const std::string &name, std::vector<int64_t> values) {
    auto &attribute = *proto.add_attribute();
    attribute.set_name(name);
    attribute.mutable_ints()->Assign(values.begin(), values.end());
    return *this;
  }
  absl::StatusOr<std::vector<Array>> run(std::vector<Array> operands) {
    std::vector<const Array *> pointers;
    for (const Array &array : operands)
      pointers.push_back(&array);
    return evaluate(Node(proto, 17), pointers);
  }
  Array one(std::vector<Array> operands) {
    auto results = run(std::move(operands));
    EXPECT_TRUE(results.ok()) << results.status().message();
    return results.ok() ? results->front() : Array();
  }
  std::string refusal(std::vector<Array> operands) {
    auto results = run(std::move(operands));
    return results.ok() ? "accepted" : std::string(results.status().message());
  }

private:
  wire::NodeProto proto;
};

void expect(const Array &found, std::vector<int64_t> shape, std::vector<double> values) {
  EXPECT_EQ(found.shape, shape);
  EXPECT_EQ(found.values, values);
}

const Array matrix = integers({2, 3}, {1, 2, 3, 4, 5, 6});

TEST(OnnxEvaluate, ElementsAreBroadcast) {
  expect(Example("Add").one({matrix, vector({10, 20, 30})}), {2, 3}, {11, 22, 33, 14, 25, 36});
  expect(Example("Mul").one({integers({2, 1}, {1, -1}), vector({2, 3})}), {2, 2}, {2, 3, -2, -3});
  expect(Example("Div").one({vector({7, -7}), vector({2, 2})}), {2}, {3, -3});
  expect(Example("Div").one({reals({1}, {7}), reals({1}, {2})}), {1}, {3.5});
  expect(Example("Mod").one({vector({-7, 7}), vector({3, -3})}), {2}, {2, -2});
  expect(Example("LessOrEqual").one({integers({1, 3}, {0, 1, 2}), integers({2, 1}, {0, 1})}), {2, 3},
         {1, 0, 0, 1, 1, 0});
  expect(Example("Where").one({integers({2, 1}, {1, 0}), vector({1, 2}), integers({}, {9})}), {2, 2},
         {1, 2, 9, 9});
  EXPECT_THAT(Example("Add").refusal({matrix, vector({1, 2})}),
              StartsWith("node 'n' (Add): has operands of shapes [2, 3] and [2], which do not fit"));
  EXPECT_THAT(Example("Div").refusal({vector({1}), vector({0})}), StartsWith("node 'n' (Div): divides"));
}

TEST(OnnxEvaluate, Reductions) {
  expect(Example("ReduceSum").one({matrix, vector({1})}), {2, 1}, {6, 15});
  expect(Example("ReduceMax").with("axes", std::vector<int64_t>{0}).with("keepdims", 0).one({matrix}), {3},
         {4, 5, 6});
  expect(Example("ReduceMean").one({reals({2}, {1, 2})}), {1}, {1.5});
  expect(Example("CumSum").one({matrix, integers({}, {1})}), {2, 3}, {1, 3, 6, 4, 9, 15});
}

TEST(OnnxEvaluate, ShapesChange) {
  expect(Example("Reshape").one({matrix, vector({0, -1, 1})}), {2, 3, 1}, matrix.values);
  expect(Example("Unsqueeze").one({vector({1, 2}), vector({0, -1})}), {1, 2, 1}, {1, 2});
  expect(Example("Squeeze").with("axes", std::vector<int64_t>{0}).one({integers({1, 1}, {5})}), {1}, {5});
  expect(Example("Flatten").with("axis", 0).one({matrix}), {1, 6}, matrix.values);
  expect(Example("Transpose").one({matrix}), {3, 2}, {1, 4, 2, 5, 3, 6});
  expect(Example("Expand").one({vector({1, 2}), vector({2, 1})}), {2, 2}, {1, 2, 1, 2});
  expect(Example("Tile").one({vector({1, 2}), vector({2})}), {4}, {1, 2, 1, 2});
  EXPECT_EQ(Example("Reshape").refusal({matrix, vector({4, -1})}),
            "node 'n' (Reshape): makes [4, -1] of [2, 3]");
  EXPECT_THAT(Example("Reshape").refusal({matrix}), StartsWith("node 'n' (Reshape): has no operand 1"));
}

TEST(OnnxEvaluate, PartsAreTaken) {
  expect(Example("Slice").one({vector({0, 1, 2, 3, 4}), vector({1}), vector({9.3e18})}), {4}, {1, 2, 3, 4});
  expect(Example("Slice").one(
             {vector({0, 1, 2, 3, 4}), vector({-2}), vector({-9.3e18}), vector({0}), vector({-2})}),
         {2}, {3, 1});
  expect(Example("Gather").with("axis", 1).one({matrix, integers({}, {-1})}), {2}, {3, 6});
  expect(Example("GatherElements").with("axis", 1).one({matrix, integers({2, 1}, {2, 0})}), {2, 1}, {3, 4});
  expect(Example("GatherND").one({matrix, integers({2, 2}, {0, 0, 1, 2})}), {2}, {1, 6});
  expect(Example("ScatterND").one({vector({0, 0, 0}), integers({1, 1}, {2}), vector({7})}), {3}, {0, 0, 7});
  expect(Example("Concat").with("axis", 1).one({matrix, integers({2, 1}, {8, 9})}), {2, 4},
         {1, 2, 3, 8, 4, 5, 6, 9});
  auto parts = Example("Split", 2).with("axis", 1).run({matrix, vector({1, 2})});
  ASSERT_TRUE(parts.ok());
  expect((*parts)[1], {2, 2}, {2, 3, 5, 6});
  EXPECT_EQ(Example("Gather").refusal({matrix, vector({2})}),
            "node 'n' (Gather): has index 2 into a size of 2");
}

TEST(OnnxEvaluate, ArraysAreMade) {
  expect(Example("Range").one({integers({}, {2}), integers({}, {7}), integers({}, {2})}), {3}, {2, 4, 6});
  expect(Example("ConstantOfShape").one({vector({2, 1})}), {2, 1}, {0, 0});
  expect(Example("Trilu").with("upper", 0).one({integers({2, 2}, {1, 2, 3, 4})}), {2, 2}, {1, 0, 3, 4});
  expect(Example("Cast").with("to", 7).one({reals({2}, {1.7, -1.7})}), {2}, {1, -1});
  EXPECT_THAT(Example("ConstantOfShape").refusal({vector({1 << 20, 1 << 20})}),
              StartsWith("node 'n' (ConstantOfShape): makes an array of shape"));
  EXPECT_THAT(Example("Conv").refusal({matrix}), StartsWith("node 'n' (Conv): is not supported"));
}

TEST(OnnxEvaluate, Products) {
  expect(Example("MatMul").one({matrix, integers({3, 1}, {1, 0, 2})}), {2, 1}, {7, 16});
}

} // namespace
