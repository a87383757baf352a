// Graphs of ONNX: what exporters write of a model computes what transformers does, with the operations that
// the checkpoint itself is imported as.

#include "test/unit/import/ImportTest.h"
#include "test/unit/onnx/OnnxWriter.h"

using namespace llmc;
using namespace llmc::frontend::testing;
using llmc::onnx::testing::OnnxWriter;
using llmc::onnx::testing::smallEncoder;

namespace {

std::string nameOfTest(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// The checkpoint that test/e2e/golden/onnx/NAME-EXPORTER was exported from.
std::string checkpointOf(const std::string &name) {
  const std::string checkpoint = name.substr(0, name.rfind('-'));
  return std::filesystem::exists(goldenFolder + checkpoint) ? checkpoint : "heads/" + checkpoint;
}

class OnnxGolden : public testing::TestWithParam<const char *> {};

TEST_P(OnnxGolden, AgreesWithTransformers) {
  const std::string checkpoint = checkpointOf(GetParam());
  TensorFile golden = goldenOf(checkpoint);
  auto tokens = golden.read<int32_t>("tokens"), types = golden.read<int32_t>("token_types");
  auto mask = golden.read<int32_t>("attention_mask");
  Model model(goldenFolder + "onnx/" + GetParam());
  const auto head = model.info().head;
  auto rows = golden.read<float>(head ? "logits" : "last_hidden_state");
  const bool ofSequence = head && head->task == frontend::HeadTask::SequenceClassification;
  const size_t length = tokens.size() / 2, rowsOfText = ofSequence ? 1 : length;
  const size_t width = rows.size() / 2 / rowsOfText;
  for (size_t sequence : {0, 1}) {
    const size_t start = sequence * length;
    const size_t count = std::accumulate(mask.begin() + start, mask.begin() + start + length, 0);
    auto part = [&](const std::vector<int32_t> &values) {
      return ids({values.begin() + start, values.begin() + start + count});
    };
    const size_t wanted = ofSequence ? 1 : count;
    std::vector<IntegerTensor> inputs = {part(tokens), range(count)};
    if (model.inputs() == (head ? 4 : 3))
      inputs.push_back(part(types));
    if (head)
      inputs.push_back(range(wanted));
    auto expected = llvm::ArrayRef(rows).slice(sequence * rowsOfText * width, wanted * width);
    EXPECT_LT(relativeError<float>(model.run<float>(inputs), expected), 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(
    , OnnxGolden,
    testing::Values("bert-odd-legacy14", "bert-odd-legacy17", "bert-odd-dynamo18", "bert-odd-dynamo20",
                    "bert-odd-runtime14", "distilbert-odd-runtime14", "roberta-odd-legacy14",
                    "roberta-odd-dynamo18", "distilbert-odd-legacy14", "distilbert-odd-dynamo18",
                    "bert-masked-legacy14", "bert-sequence-legacy17", "bert-answer-dynamo18",
                    "roberta-sequence-dynamo20", "roberta-masked-legacy17", "distilbert-tokens-dynamo18",
                    "distilbert-sequence-legacy14", "distilbert-answer-legacy17"),
    [](const auto &info) { return nameOfTest(info.param); });

class OnnxDecoderGolden : public testing::TestWithParam<const char *> {};

TEST_P(OnnxDecoderGolden, AgreesWithTransformers) {
  TensorFile golden = goldenOf(checkpointOf(GetParam()));
  auto tokens = golden.read<int32_t>("tokens");
  Model model(goldenFolder + "onnx/" + GetParam());
  EXPECT_EQ(model.info().kind, frontend::ModelKind::Generate);
  std::vector<float> found = model.run<float>({ids(tokens), range(tokens.size()), range(tokens.size())});
  EXPECT_LT(relativeError<float>(found, golden.read<float>("logits")), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(, OnnxDecoderGolden,
                         testing::Values("gpt2-odd-legacy14", "gpt2-odd-dynamo18", "qwen2-odd-cache17",
                                         "qwen2-window-dynamo18"),
                         [](const auto &info) { return nameOfTest(info.param); });

/// How many operations of each kind each function has.
std::map<std::string, int> operationsOf(Model &model) {
  std::map<std::string, int> counts;
  for (auto function : model.module().getOps<mlir::func::FuncOp>())
    for (mlir::Operation &op : function.front())
      ++counts[(function.getName() + ": " + op.getName().getStringRef()).str()];
  return counts;
}

TEST(OnnxPrograms, AreThoseOfTheCheckpoint) {
  for (const std::string name :
       {"bert-odd-legacy14", "bert-odd-legacy17", "bert-odd-dynamo18", "bert-odd-dynamo20",
        "gpt2-odd-legacy14", "gpt2-odd-dynamo18", "qwen2-window-dynamo18"}) {
    SCOPED_TRACE(name);
    Model checkpoint(goldenFolder + checkpointOf(name)), exported(goldenFolder + "onnx/" + name);
    EXPECT_EQ(operationsOf(exported), operationsOf(checkpoint));
    const frontend::ModelSizes &found = exported.info().sizes, &expected = checkpoint.info().sizes;
    EXPECT_EQ(found.vocabulary, expected.vocabulary);
    EXPECT_EQ(found.contextLength, expected.contextLength);
    EXPECT_EQ(found.hiddenSize, expected.hiddenSize);
    EXPECT_EQ(found.layers, expected.layers);
  }
  EXPECT_EQ(Model(goldenFolder + "onnx/roberta-odd-legacy14").info().sizes.contextLength, 51)
      << "positions begin behind the padding token's";
}

TEST(OnnxPrograms, HeadsAreDescribedByTheirConfig) {
  Model model(goldenFolder + "onnx/distilbert-sequence-legacy14");
  ASSERT_TRUE(model.info().head);
  EXPECT_EQ(model.info().head->labels, (std::vector<std::string>{"a", "b", "c", "d", "e"}));
  EXPECT_EQ(model.info().head->problem, frontend::Head::Problem::MultiLabel);
}

//===----------------------------------------------------------------------===//
// What is refused
//===----------------------------------------------------------------------===//

/// The message with which a graph is refused, without the name of its file.
std::string refusalOfGraph(const OnnxWriter &writer) {
  TemporaryFolder folder;
  std::string message = refusalOf(folder.write("m.onnx", writer.bytes()), folder.path());
  const std::string file = "m.onnx: ";
  return message.starts_with(file) ? message.substr(file.size()) : message;
}

TEST(OnnxRefusals, SmallGraphIsAccepted) {
  OnnxWriter writer = smallEncoder();
  writer.output("embeddings");
  EXPECT_EQ(refusalOfGraph(writer), "accepted");
}

TEST(OnnxRefusals, OperatorsAreNamedWhereTheyAreNeeded) {
  OnnxWriter writer = smallEncoder();
  writer.node("Det", {"embeddings"}, {"y"});
  writer.output("embeddings");
  EXPECT_EQ(refusalOfGraph(writer), "accepted") << "nobody wants it";
  writer.graph.clear_output();
  writer.output("y");
  EXPECT_EQ(refusalOfGraph(writer), "node '/y' (Det): the operator is not supported");
}

TEST(OnnxRefusals, MissingInitializerIsNamed) {
  OnnxWriter writer = smallEncoder();
  writer.node("MatMul", {"embeddings", "w"}, {"y"});
  writer.output("y");
  EXPECT_EQ(refusalOfGraph(writer), "node '/y' (MatMul): has input 'w', which no node before it computes and "
                                    "which is no initializer");
}

TEST(OnnxRefusals, InputsAreThoseOfText) {
  OnnxWriter writer = smallEncoder();
  writer.output("embeddings");
  writer.graph.mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(1)
      ->set_dim_value(128);
  EXPECT_EQ(refusalOfGraph(writer), "input 'input_ids' has shape [?, 128], expected [batch, sequence] with a "
                                    "sequence of any length and a batch of any size or of 1");
  OnnxWriter other = smallEncoder();
  other.input("pixel_values");
  other.node("Add", {"embeddings", "pixel_values"}, {"y"});
  other.output("y");
  EXPECT_EQ(refusalOfGraph(other), "input 'pixel_values' is not supported (supported: input_ids, "
                                   "attention_mask, token_type_ids, position_ids)");
  OnnxWriter none;
  none.output("y");
  EXPECT_EQ(refusalOfGraph(none), "has no input 'input_ids': is no model of text");
}

TEST(OnnxRefusals, WeightsHaveTheRightShapeAndType) {
  OnnxWriter shape = smallEncoder();
  shape.weight("w", {5, 4});
  shape.node("MatMul", {"embeddings", "w"}, {"y"});
  shape.output("y");
  EXPECT_EQ(refusalOfGraph(shape),
            "node '/y' (MatMul): multiplies an activation [1, tokens, 4] by tensor 'w' [5, 4], expected rows "
            "of 5");
  OnnxWriter type = smallEncoder();
  onnx::wire::TensorProto &w = type.weight("w", {4, 4});
  w.set_data_type(11);
  w.mutable_raw_data()->resize(4 * 4 * 8);
  type.node("MatMul", {"embeddings", "w"}, {"y"});
  type.output("y");
  EXPECT_EQ(refusalOfGraph(type),
            "tensor 'w' is a weight with elements of type DOUBLE, which is not supported "
            "(supported: FLOAT, FLOAT16, BFLOAT16)");
}

TEST(OnnxRefusals, HeadsCanNotBeLeftOut) {
  mlir::MLIRContext context;
  const std::string path = goldenFolder + "onnx/bert-masked-legacy14";
  auto imported = frontend::importModel(path, {.tokenizer = false, .head = false}, &context);
  ASSERT_FALSE(imported.ok());
  EXPECT_EQ(imported.status().message(),
            path +
                ": its graph ends with a head, expected one whose outputs are hidden states for --no-head");
}

TEST(OnnxRefusals, ConfigHasToAgreeWithTheGraph) {
  ChangedCheckpoint labels("onnx/bert-sequence-legacy17", {{"id2label", {{"0", "a"}, {"1", "b"}}}});
  EXPECT_EQ(refusalOf(labels.path(), labels.path()),
            "model.onnx: the graph has 3 outputs, expected 2: labels of id2label of config.json");
  ChangedCheckpoint window("onnx/qwen2-window-dynamo18", {{"sliding_window", 4096}});
  EXPECT_EQ(
      refusalOf(window.path(), window.path()),
      "config.json: sliding_window is 4096, expected less than 512: masks of ONNX graphs are compared for "
      "sequences of that length");
}

TEST(OnnxRefusals, MasksAreThoseOfAttention) {
  // Keys are hidden from the last query on: no mask that llmc has.
  auto encoder = [](const std::string &mask) {
    OnnxWriter writer = smallEncoder();
    writer.weight("w", {4, 4});
    writer.integers("last", {-1});
    writer.integers("shape1", {1, 1});
    writer.node("MatMul", {"embeddings", "w"}, {"q"});
    auto &transpose = writer.node("Transpose", {"q"}, {"k"});
    auto &order = *transpose.add_attribute();
    order.set_name("perm");
    for (int axis : {0, 2, 1})
      order.add_ints(axis);
    writer.node("MatMul", {"q", "k"}, {"scores"});
    writer.node("Unsqueeze", {"position_ids", "one"}, {"keys"});
    writer.node("Greater", {"keys", "one"}, {"hidden"});
    writer.weight("numbers", {9});
    writer.integers("large", {-1000000});
    auto &cast = writer.node("Cast", {"large"}, {"lowest"});
    OnnxWriter::attribute(cast, "to", 1);
    auto &zeros = writer.node("Cast", {"zero"}, {"nothing"});
    OnnxWriter::attribute(zeros, "to", 1);
    writer.node("Where", {"hidden", mask, "nothing"}, {"mask"});
    writer.node("Add", {"scores", "mask"}, {"masked"});
    writer.node("Softmax", {"masked"}, {"weights"});
    writer.node("MatMul", {"weights", "q"}, {"y"});
    writer.output("y");
    return writer;
  };
  EXPECT_EQ(refusalOfGraph(encoder("lowest")),
            "node '/y' (MatMul): has a mask that is neither causal nor a window of earlier tokens");
  OnnxWriter bias = encoder("step_size");
  bias.graph.mutable_initializer()->Add()->CopyFrom(bias.graph.initializer(0));
  bias.graph.mutable_initializer()->rbegin()->set_name("step_size");
  bias.graph.mutable_initializer()->rbegin()->clear_dims();
  bias.graph.mutable_initializer()->rbegin()->set_raw_data(std::string("\0\0\200\77", 4)); // 1
  EXPECT_EQ(refusalOfGraph(bias),
            "node '/masked' (Add): adds 1 to scores of attention (supported: 0, and -10000 "
            "or less to hide a key)");
}

TEST(OnnxRefusals, WhatHasNoPlaceInAProgramIsNamed) {
  OnnxWriter vector = smallEncoder();
  vector.weight("w", {4});
  vector.node("Mul", {"embeddings", "w"}, {"y"});
  vector.output("y");
  EXPECT_THAT(refusalOfGraph(vector),
              testing::StartsWith("node '/y' (Mul): computes with a constant vector"));
  OnnxWriter tokens = smallEncoder();
  tokens.integers("axis", {1});
  auto &mean = tokens.node("ReduceMean", {"embeddings"}, {"y"});
  auto &axes = *mean.add_attribute();
  axes.set_name("axes");
  axes.add_ints(1);
  tokens.output("y");
  EXPECT_EQ(refusalOfGraph(tokens),
            "node '/y' (ReduceMean): takes the mean over axis 1 of an activation [1, tokens, 4] (supported: "
            "over the width, which stays as 1)");
  OnnxWriter output = smallEncoder();
  output.output("shape");
  EXPECT_EQ(refusalOfGraph(output), "has output 'shape', which is an array [2], expected an activation");
}

} // namespace
