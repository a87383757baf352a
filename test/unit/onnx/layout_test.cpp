// Layouts: what reshapes, transposes and repeats show of the rows of an activation.

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "frontend/onnx/Layout.h"

using namespace llmc::onnx;
using ::testing::ElementsAre;

namespace {

const std::vector<int64_t> lengths = {3, 5, 7};

/// `layout` reshaped to a shape in which -1 stands for the number of tokens.
std::optional<Layout> reshaped(const Layout &layout, std::vector<int64_t> shape, int64_t factor = 1) {
  std::vector<std::vector<int64_t>> shapes;
  for (int64_t length : lengths) {
    shapes.push_back(shape);
    for (int64_t &size : shapes.back())
      size = size == -1 ? factor * length : size;
  }
  return layout.reshape(shapes, lengths);
}

const Layout rows({{}, {Layout::sequence()}, {Layout::width(36)}}); // [1, tokens, 36]

TEST(OnnxLayout, HeadsAndBack) {
  std::optional<Layout> heads = reshaped(rows, {1, -1, 3, 12});
  ASSERT_TRUE(heads);
  EXPECT_EQ(*heads, Layout({{}, {Layout::sequence()}, {Layout::width(3, 12)}, {Layout::width(12)}}));
  const Layout outer = heads->transpose(std::vector<int64_t>{0, 2, 1, 3});
  EXPECT_THAT(outer.shapeAt(5), ElementsAre(1, 3, 5, 12));
  EXPECT_FALSE(outer.endsWithWidth(36));
  EXPECT_FALSE(reshaped(outer, {1, -1, 36})) << "elements of different tokens lie beside each other";
  std::optional<Layout> back = reshaped(outer.transpose(std::vector<int64_t>{0, 2, 1, 3}), {-1, 36});
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->endsWithWidth(36));
  EXPECT_EQ(back->trimmed(), rows.trimmed());
}

TEST(OnnxLayout, AxesAreJoinedAndCutInOrder) {
  EXPECT_TRUE(reshaped(rows, {-1}, 36)) << "tokens and width as one axis";
  std::optional<Layout> joined = reshaped(rows, {-1}, 36);
  EXPECT_EQ(*reshaped(*joined, {1, -1, 36}), rows);
  EXPECT_FALSE(reshaped(rows, {36, -1})) << "would change the order";
  EXPECT_FALSE(reshaped(rows, {1, -1, 35}));
  EXPECT_FALSE(reshaped(rows, {1, 3, 36})) << "fits one of the lengths only";
}

TEST(OnnxLayout, RepeatedHeadsKeepTheirPlace) {
  const Layout heads({{}, {Layout::width(2, 6)}, {}, {Layout::sequence()}, {Layout::width(6)}});
  std::vector<std::vector<int64_t>> shapes;
  for (int64_t length : lengths)
    shapes.push_back({1, 2, 4, length, 6});
  std::optional<Layout> repeated = heads.expand(shapes, lengths);
  ASSERT_TRUE(repeated);
  std::optional<Layout> merged = reshaped(*repeated, {1, 8, -1, 6});
  ASSERT_TRUE(merged);
  EXPECT_EQ(merged->axes()[1], (Layout::Axis{Layout::width(2, 6), Layout::width(4, 0)}));
}

TEST(OnnxLayout, RowsAreNotRepeated) {
  std::vector<std::vector<int64_t>> shapes;
  for (int64_t length : lengths)
    shapes.push_back({length, length, 36});
  EXPECT_FALSE(rows.expand(shapes, lengths));
}

} // namespace
