//===- PercentFormat.h - "%s" % value and "{}".format(value) --------------===//

#ifndef LLMC_TEXT_JINJA_PERCENT_FORMAT_H
#define LLMC_TEXT_JINJA_PERCENT_FORMAT_H

#include "runtime/text/jinja/Evaluator.h"

namespace llmc::text::jinja {

/// Python's `format % values`: conversions s, r, d, i, x, f, g and %, with flags, width and precision. A
/// tuple holds the values of several conversions.
Value percentFormat(Evaluator &evaluator, absl::string_view format, const Value &values);

/// Python's `format.format(arguments)`: fields by position or name, with a specification of fill, alignment,
/// width, precision and type.
Value braceFormat(Evaluator &evaluator, absl::string_view format, const Arguments &arguments);

} // namespace llmc::text::jinja

#endif
