#include "frontend/json/Parse.h"

#include <algorithm>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "runtime/io/MappedFile.h"
#include "runtime/io/Message.h"

namespace llmc::json {

using Json = nlohmann::json;

namespace {

/// Receives the parser's events, builds the value, and stops at what is not allowed.
class Builder : public nlohmann::json_sax<Json> {
public:
  Json root;
  /// Why building stopped; without a place.
  std::string problem;
  /// Where the parser stopped, in bytes from 1; 0 if the problem is not the parser's.
  size_t problemPosition = 0;

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t &) override { return add(value); }
  bool string(string_t &value) override { return add(std::move(value)); }
  bool binary(binary_t &) override { return false; } // not in text

  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t &name) override {
    if (path.back()->contains(name)) {
      problem = absl::StrCat("key ", io::quote(name), " appears twice in the same object");
      return false;
    }
    nextKey = std::move(name);
    return true;
  }

  bool parse_error(size_t position, const std::string &lastToken,
                   const nlohmann::detail::exception &) override {
    problemPosition = position;
    problem = absl::StrCat("is not valid JSON near ", io::quote(lastToken));
    return false;
  }

private:
  /// The containers that are open, outermost first. They do not move while they are open: only the last one
  /// grows.
  std::vector<Json *> path;
  std::string nextKey;

  Json *place(Json value) {
    if (path.empty()) {
      root = std::move(value);
      return &root;
    }
    if (path.back()->is_array())
      return &path.back()->emplace_back(std::move(value));
    return &((*path.back())[nextKey] = std::move(value));
  }
  bool add(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json container) {
    if (path.size() == maxDepth) {
      problem = absl::StrCat("arrays and objects are nested more than ", maxDepth, " deep");
      return false;
    }
    path.push_back(place(std::move(container)));
    return true;
  }
  bool close() {
    path.pop_back();
    return true;
  }
};

/// Iterates over text and knows where the parser is.
class Position {
public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char *;
  using reference = const char &;

  Position(const char *at, const char **furthest) : at(at), furthest(furthest) {}
  reference operator*() const { return *at; }
  Position &operator++() {
    *furthest = std::max(*furthest, ++at);
    return *this;
  }
  bool operator==(const Position &other) const { return at == other.at; }

private:
  const char *at;
  const char **furthest;
};

} // namespace

absl::StatusOr<Json> parse(absl::string_view text) {
  Builder builder;
  const char *furthest = text.data();
  bool parsed = Json::sax_parse(Position(text.data(), &furthest),
                                Position(text.data() + text.size(), &furthest), &builder);
  if (parsed)
    return std::move(builder.root);
  absl::string_view before = text.substr(0, furthest - text.data());
  if (furthest == text.data() + text.size() && builder.problemPosition > text.size())
    builder.problem = "ends in the middle of a value";
  size_t line = 1 + std::count(before.begin(), before.end(), '\n');
  size_t lineStart = before.rfind('\n') == absl::string_view::npos ? 0 : before.rfind('\n') + 1;
  return absl::InvalidArgumentError(
      absl::StrCat("line ", line, ", column ", before.size() - lineStart, ": ", builder.problem));
}

absl::StatusOr<Json> parseFile(absl::string_view path) {
  absl::StatusOr<io::MappedFile> file = io::MappedFile::open(path);
  if (!file.ok())
    return file.status();
  absl::StatusOr<Json> value =
      parse(absl::string_view(reinterpret_cast<const char *>(file->bytes().data()), file->size()));
  if (!value.ok())
    return io::withContext(path, value.status());
  return value;
}

std::string describe(const Json &value) {
  switch (value.type()) {
  case Json::value_t::null:
    return "null";
  case Json::value_t::boolean:
    return value.get<bool>() ? "true" : "false";
  case Json::value_t::string:
    return absl::StrCat("string ", io::quote(value.get_ref<const std::string &>()));
  case Json::value_t::array:
    return absl::StrCat("array of ", value.size(), value.size() == 1 ? " value" : " values");
  case Json::value_t::object:
    return absl::StrCat("object with ", value.size(), value.size() == 1 ? " field" : " fields");
  default:
    return absl::StrCat("number ", value.dump());
  }
}

} // namespace llmc::json
