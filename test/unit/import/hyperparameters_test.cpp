#include "frontend/import/Hyperparameters.h"
#include "gtest/gtest.h"
#include <map>

using namespace llmc::frontend;

namespace {

const std::map<std::string, Field> kFields = {{"heads", int64_t(9)},
                                              {"share", 0.5},
                                              {"whole", 2.0},
                                              {"tied", true},
                                              {"nothing", NullField()},
                                              {"act", std::string("silu")},
                                              {"ends", std::vector<int64_t>{1, 3}},
                                              {"object", ObjectField()}};

Hyperparameters fieldsOf(Format format, const std::string &prefix = "") {
  return Hyperparameters(format, "f", prefix, [prefix](const std::string &key) -> Field {
    if (key.rfind(prefix, 0) != 0)
      return key == "general.name" ? Field(std::string("outside")) : Field(MissingField());
    auto found = kFields.find(key.substr(prefix.size()));
    return found == kFields.end() ? Field(MissingField()) : found->second;
  });
}

TEST(Hyperparameters, HaveANameInEachFormat) {
  Hyperparameters huggingFace = fieldsOf(Format::HuggingFace), gguf = fieldsOf(Format::Gguf, "llama.");
  constexpr Name heads = {"heads", "heads"};
  EXPECT_EQ(huggingFace.size(heads).value, 9);
  EXPECT_EQ(huggingFace.size(heads).meaning, "heads");
  EXPECT_EQ(gguf.size(heads).meaning, "llama.heads");
  EXPECT_EQ(gguf.textOr({"", "general.name"}, ""), "outside");
  EXPECT_EQ(gguf.integerOr({"heads", ""}, 7, 0, 10), 7) << "has no name in GGUF";
  EXPECT_TRUE(huggingFace.ok() && gguf.ok());
}

TEST(Hyperparameters, OfObjectsAreNamedByTheirPath) {
  Hyperparameters fields(Format::HuggingFace, "f", "", [](const std::string &key) -> Field {
    return key == "rope.factor" ? Field(int64_t(8)) : key == "factor" ? Field(int64_t(9)) : MissingField();
  });
  Hyperparameters rope = fields.inside({"rope", ""});
  EXPECT_EQ(rope.number({"factor", ""}), 8);
  rope.number({"theta", ""});
  EXPECT_EQ(rope.status().message(), "f: rope.theta is missing, expected a finite number");
  EXPECT_TRUE(fields.ok());
}

TEST(Hyperparameters, ProductsOfSizesSayWhatTheyMean) {
  Size product = Size{3, "a"} * Size{4, "b"};
  EXPECT_EQ(product.value, 12);
  EXPECT_EQ(product.meaning, "a * b");
}

TEST(Hyperparameters, NullCountsAsMissing) {
  Hyperparameters fields = fieldsOf(Format::HuggingFace);
  EXPECT_FALSE(fields.has({"nothing", ""}));
  EXPECT_TRUE(fields.isNull({"nothing", ""}));
  EXPECT_FALSE(fields.isNull({"absent", ""}));
  EXPECT_EQ(fields.numberOr({"nothing", ""}, 3), 3);
  EXPECT_EQ(fields.sizeOr({"absent", ""}, {5, "five"}).meaning, "five");
  fields.expect({"nothing", ""}, {int64_t(1)});
  fields.refuse({"nothing", ""}, "never");
  EXPECT_TRUE(fields.ok());
}

TEST(Hyperparameters, ConvertOnlyWithoutLoss) {
  Hyperparameters fields = fieldsOf(Format::HuggingFace);
  EXPECT_EQ(fields.number({"heads", ""}), 9.0);
  EXPECT_EQ(fields.integersOr({"heads", ""}, {}), std::vector<int64_t>{9});
  EXPECT_EQ(fields.integersOr({"ends", ""}, {}), (std::vector<int64_t>{1, 3}));
  fields.expect({"whole", ""}, {int64_t(2)});
  EXPECT_TRUE(fields.ok());
  fields.size({"whole", ""});
  EXPECT_EQ(fields.status().message(), "f: whole is 2, expected an integer from 1 to 16777216");
}

TEST(Hyperparameters, KeepTheFirstError) {
  Hyperparameters fields = fieldsOf(Format::HuggingFace);
  EXPECT_EQ(fields.integerOr({"heads", ""}, 1, 10, 20), 1);
  fields.number({"act", ""});
  EXPECT_EQ(fields.status().message(), "f: heads is 9, expected an integer from 10 to 20");
}

TEST(Hyperparameters, RefuseByName) {
  auto message = [](auto use) {
    Hyperparameters fields = fieldsOf(Format::HuggingFace);
    use(fields);
    return std::string(fields.status().message());
  };
  EXPECT_EQ(
      message([](Hyperparameters &f) { f.expect({"act", ""}, {std::string("gelu"), std::string("relu")}); }),
      "f: act is 'silu', which is not supported (supported: 'gelu', 'relu')");
  EXPECT_EQ(message([](Hyperparameters &f) { f.expect({"share", ""}, {1.0}); }),
            "f: share is 0.5, which is not supported (supported: 1)");
  EXPECT_EQ(message([](Hyperparameters &f) { f.refuse({"object", ""}, "too odd"); }),
            "f: object is an object, which is not supported: too odd");
  EXPECT_EQ(message([](Hyperparameters &f) { f.flagOr({"act", ""}, false); }),
            "f: act is 'silu', expected true or false");
  EXPECT_EQ(message([](Hyperparameters &f) { f.textOr({"tied", ""}, ""); }),
            "f: tied is true, expected a string");
  EXPECT_EQ(message([](Hyperparameters &f) { f.textsOr({"ends", ""}, {}); }),
            "f: ends is a list of 2 integers, expected a list of strings");
}

} // namespace
