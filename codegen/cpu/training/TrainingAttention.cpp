//===- TrainingAttention.cpp - attention over whole sequences, and its gradient ----------------------===//
//
// A few queries at a time: their scores are computed, used, and forgotten; the backward part computes them
// again. All products have one form: scalars of one operand, vectors of the rows of the other. Keys and
// values are transposed first where their elements are what is summed over.
//
// Rows are sequences one behind the other, of as many rows as `nn.sequence_rows` says (else one sequence),
// that do not see each other: their segments differ. A bias by distance is laid out by the difference of key
// and query first, so that what a query adds to its logits lies in a row.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cpu/training/AttentionBuffers.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/NotSupported.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

/// Rows that registers hold.
constexpr int64_t kRows = 8;
constexpr int64_t kQueries = AttentionBuffers::queries, kVectors = AttentionBuffers::vectors;
constexpr double kUnseen = -1e30;

/// Attention of one head in one sequence, inside of a kernel.
class HeadEmitter {
public:
  HeadEmitter(TrainingKernel &kernel, const AttentionForm &form, const AttentionSegments &segments)
      : b(kernel.b), form(form) {
    if (segments.ofQueries)
      this->segments = {kernel.import(segments.ofQueries), kernel.import(segments.ofKeys)};
  }

  /// The first rows of the sequence, of queries and of keys.
  Value firstRow, firstKey;
  /// What is added to the logits of the head, by distance (distanceOf()), or null.
  Value bias, biasRow;

  /// Keys that some query of the rows below `end` (in the sequence) sees, in whole vectors.
  Value keysUntil(Value end) {
    Value limit = form.causal ? b.min(end, b.index(form.keySequence)) : b.index(form.keySequence);
    return b.mul(arith::CeilDivUIOp::create(b, limit, b.index(b.lanes)), b.lanes);
  }

  /// sums[i][v] + sum over k of a(k, i) * w(k, v)
  SmallVector<Value> product(Value begin, Value end, int64_t rows, int64_t vectors, SmallVector<Value> sums,
                             function_ref<Value(Value k, int64_t i)> a,
                             function_ref<Value(Value k, int64_t v)> w) {
    return b.loop(begin, end, 1, sums, [&](Value k, ValueRange now) {
      SmallVector<Value> columns, next;
      for (int64_t v = 0; v < vectors; ++v)
        columns.push_back(w(k, v));
      for (int64_t i = 0; i < rows; ++i) {
        Value x = b.broadcast(a(k, i));
        for (int64_t v = 0; v < vectors; ++v)
          next.push_back(b.fma(x, columns[v], now[i * vectors + v]));
      }
      return next;
    });
  }

  SmallVector<Value> zeros(int64_t count) { return SmallVector<Value>(count, b.splat(0)); }

  /// scores[q, j] = rows of `a` times columns of `transposed`, for the queries from `first` on (in the
  /// sequence) and keys 0 to `keys`. Rows beyond the sequence repeat the last.
  void multiplyTransposed(Value a, Value aColumn, Value transposed, Value tColumn, int64_t size, Value first,
                          Value keys, Value scores) {
    b.loop(b.index(0), b.index(kQueries), kRows, [&](Value q) {
      SmallVector<Value> rows;
      for (int64_t i = 0; i < kRows; ++i)
        rows.push_back(rowOf(b.add(b.add(first, q), i)));
      b.loop(b.index(0), keys, kVectors * b.lanes, [&](Value j) {
        SmallVector<Value> sums = product(
            b.index(0), b.index(size), kRows, kVectors, zeros(kRows * kVectors),
            [&](Value e, int64_t i) { return b.load(a, {rows[i], b.add(aColumn, e)}); },
            [&](Value e, int64_t v) {
              return b.loadVector(transposed, {b.add(tColumn, e), b.add(b.add(firstKey, j), v * b.lanes)});
            });
        for (int64_t i = 0; i < kRows; ++i)
          for (int64_t v = 0; v < kVectors; ++v)
            b.storeVector(sums[i * kVectors + v], scores, {b.add(q, i), b.add(j, v * b.lanes)});
      });
    });
  }

  /// The row of the matrix of row `i` of the sequence, or of its last.
  Value rowOf(Value i) { return b.add(firstRow, b.min(i, b.index(form.sequence - 1))); }

  /// Which of the keys from `j` on are seen by query `i` (both in the sequence).
  Value seen(Value i, Value j, Value segment) {
    auto type = VectorType::get({b.lanes}, b.getIndexType());
    Value keys =
        arith::AddIOp::create(b, vector::BroadcastOp::create(b, type, j), vector::StepOp::create(b, type));
    Value query = vector::BroadcastOp::create(b, type, i);
    using Predicate = arith::CmpIPredicate;
    Value last =
        form.causal ? query : vector::BroadcastOp::create(b, type, b.index(form.keySequence - 1)).getResult();
    Value condition = arith::CmpIOp::create(b, Predicate::sle, keys, last);
    if (form.window) {
      Value oldest =
          arith::SubIOp::create(b, query, vector::BroadcastOp::create(b, type, b.index(*form.window)));
      condition = arith::AndIOp::create(b, condition, arith::CmpIOp::create(b, Predicate::sgt, keys, oldest));
    }
    if (segment) {
      Value others = b.loadVector(segments.ofKeys, {b.add(firstKey, j)});
      condition =
          arith::AndIOp::create(b, condition, arith::CmpIOp::create(b, Predicate::eq, others, segment));
    }
    return condition;
  }

  /// Where in a row of a bias those of query `i` and the keys from `j` on begin.
  Value distanceOf(Value i, Value j) { return arith::SubIOp::create(b, b.add(j, form.sequence - 1), i); }

  /// Of query `i` and the keys from `j` on.
  Value logit(Value product, Value i, Value j) {
    Value scaled = b.mulf(product, b.splat(form.softcap ? form.scale / *form.softcap : form.scale));
    if (form.softcap)
      scaled = b.mulf(b.splat(*form.softcap), math::TanhOp::create(b, scaled));
    return bias ? b.addf(scaled, b.loadVector(bias, {biasRow, distanceOf(i, j)})) : scaled;
  }
  /// The derivative of a logit by its product.
  Value slope(Value product) {
    if (!form.softcap)
      return b.splat(form.scale);
    Value t = math::TanhOp::create(b, b.mulf(product, b.splat(form.scale / *form.softcap)));
    return b.mulf(b.splat(form.scale), b.subf(b.splat(1), b.mulf(t, t)));
  }

  /// Turns products of the query `i` of the sequence in row `q` of `scores` into exp(logit - largest), zero
  /// for keys that it does not see, and returns one by their sum, or 0 if it sees none.
  Value softmax(Value scores, Value q, Value i, Value keys, Value target) {
    Value segment;
    if (segments.ofQueries)
      segment = b.broadcast(b.load(segments.ofQueries, {rowOf(i)}));
    SmallVector<Value> largest =
        b.loop(b.index(0), keys, b.lanes, ValueRange{b.splat(kUnseen)},
               [&](Value j, ValueRange now) -> SmallVector<Value> {
                 Value s = logit(b.loadVector(scores, {q, j}), i, j);
                 s = arith::SelectOp::create(b, seen(i, j, segment), s, b.splat(kUnseen));
                 return {b.maxf(now[0], s)};
               });
    Value maximum = b.broadcast(b.maximum(largest[0]));
    SmallVector<Value> total = b.loop(b.index(0), keys, b.lanes, ValueRange{b.splat(0)},
                                      [&](Value j, ValueRange now) -> SmallVector<Value> {
                                        Value s = logit(b.loadVector(scores, {q, j}), i, j);
                                        Value p = math::ExpOp::create(b, b.subf(s, maximum));
                                        p = arith::SelectOp::create(b, seen(i, j, segment), p, b.splat(0));
                                        b.storeVector(p, target, {q, j});
                                        return {b.addf(now[0], p)};
                                      });
    Value sum = b.sum(total[0]);
    Value seesAny = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, sum, b.f32(0));
    return arith::SelectOp::create(b, seesAny, b.divf(b.f32(1), sum), b.f32(0));
  }

  /// target[row(i), column ...] = factor(i) * sum_j weights[q, j] * matrix[j, mColumn ...] of `size`
  /// elements, for the queries from `first` on.
  void multiplyRows(Value weights, Value matrix, Value mColumn, int64_t size, Value first, Value keys,
                    Value target, Value tColumn, function_ref<Value(Value q)> factor) {
    Value end = b.min(keys, b.index(form.keySequence));
    b.loop(b.index(0), b.index(kQueries), kRows, [&](Value q) {
      for (int64_t e = 0; e < size; e += kVectors * b.lanes) {
        const int64_t vectors = std::min(kVectors, (size - e + b.lanes - 1) / b.lanes);
        SmallVector<Value> sums = product(
            b.index(0), end, kRows, vectors, zeros(kRows * vectors),
            [&](Value j, int64_t i) { return b.load(weights, {b.add(q, i), j}); },
            [&](Value j, int64_t v) {
              return loadPart(matrix, b.add(firstKey, j), b.add(mColumn, e + v * b.lanes),
                              size - e - v * b.lanes);
            });
        for (int64_t i = 0; i < kRows; ++i) {
          Value query = b.add(b.add(first, q), i);
          b.ifThen(b.less(query, b.index(form.sequence)), [&] {
            Value scale = factor ? b.broadcast(factor(b.add(q, i))) : Value();
            for (int64_t v = 0; v < vectors; ++v) {
              Value y = sums[i * vectors + v];
              storePart(scale ? b.mulf(y, scale) : y, target, b.add(firstRow, query),
                        b.add(tColumn, e + v * b.lanes), size - e - v * b.lanes);
            }
          });
        }
      }
    });
  }

  /// target[j, tColumn ...] += sum_q weights[q, j] * matrix[row(first + q), mColumn ...] for all keys; rows
  /// of `weights` beyond the sequence are zero.
  void multiplyColumns(Value weights, Value matrix, Value mColumn, int64_t size, Value first, Value keys,
                       Value target, Value tColumn) {
    Value end = b.min(keys, b.index(form.keySequence));
    b.loop(b.index(0), end, kRows, [&](Value j) {
      for (int64_t e = 0; e < size; e += kVectors * b.lanes) {
        const int64_t vectors = std::min(kVectors, (size - e + b.lanes - 1) / b.lanes);
        auto column = [&](int64_t v) { return b.add(tColumn, e + v * b.lanes); };
        auto left = [&](int64_t v) { return size - e - v * b.lanes; };
        SmallVector<Value> sums = product(
            b.index(0), b.index(kQueries), kRows, vectors, zeros(kRows * vectors),
            [&](Value q, int64_t i) { return b.load(weights, {q, b.add(j, i)}); },
            [&](Value q, int64_t v) {
              return loadPart(matrix, rowOf(b.add(first, q)), b.add(mColumn, e + v * b.lanes), left(v));
            });
        for (int64_t i = 0; i < kRows; ++i) {
          Value key = b.add(j, i);
          b.ifThen(b.less(key, end), [&] {
            Value row = b.add(firstKey, key);
            for (int64_t v = 0; v < vectors; ++v)
              storePart(b.addf(sums[i * vectors + v], loadPart(target, row, column(v), left(v))), target, row,
                        column(v), left(v));
          });
        }
      }
    });
  }

  /// A vector of which `left` elements belong to the head; zeros beyond.
  Value loadPart(Value matrix, Value row, Value column, int64_t left) {
    if (left >= b.lanes)
      return b.loadVector(matrix, {row, column});
    return vector::MaskedLoadOp::create(b, b.f32Vector, matrix, ValueRange{row, column}, b.firstLanes(left),
                                        b.splat(0));
  }
  void storePart(Value value, Value matrix, Value row, Value column, int64_t left) {
    if (left >= b.lanes)
      b.storeVector(value, matrix, {row, column});
    else
      vector::MaskedStoreOp::create(b, matrix, ValueRange{row, column}, b.firstLanes(left), value);
  }

  KernelBuilder &b;
  const AttentionForm &form;
  AttentionSegments segments;
};

} // namespace

LogicalResult CpuTrainingLowering::lowerAttention(nn::AttentionOp op, const Destination &destination) {
  FailureOr<AttentionForm> form = attentionFormOf(op);
  if (failed(form))
    return failure();
  if (destination.update == Update::Accumulate)
    return emitNotSupported(op) << "is a gradient itself, which training does not support";
  Location loc = op.getLoc();
  AttentionBuffers around(*this, loc, *form);
  Value keys = around.transpose(buffers.lookup(op.getKey()));
  const AttentionSegments segments = around.segmentsOf(op.getSegments(), op.getKeySegments());
  Value bias = op.getBias() ? around.layOutBias(buffers.lookup(op.getBias())) : Value();
  const int64_t chunks = around.sequences * form->heads;
  Value scores = around.allocateScores(chunks);
  TrainingKernel k = kernel("attention", loc);
  KernelBuilder &b = k.b;
  Value q = k.import(buffers.lookup(op.getQuery())), kt = k.import(keys),
        v = k.import(buffers.lookup(op.getValue()));
  Value y = k.import(destination.buffer);
  HeadEmitter head(k, *form, segments);
  Value weights = around.scoresOf(k, scores);
  Value number = b.rem(k.chunk, form->heads), kvHead = b.div(number, form->group);
  head.firstRow = b.mul(b.div(k.chunk, form->heads), form->sequence);
  head.firstKey = b.mul(b.div(k.chunk, form->heads), form->keySequence);
  if (bias)
    head.bias = k.import(bias), head.biasRow = number;
  Value inverse = b.scratch(bufferType({kQueries}, b.getF32Type()));
  b.loop(b.index(0), b.index(form->sequence), kQueries, [&](Value first) {
    Value end = head.keysUntil(b.add(first, kQueries));
    head.multiplyTransposed(q, b.mul(number, form->size), kt, b.mul(kvHead, form->size), form->size, first,
                            end, weights);
    b.loop(b.index(0), b.index(kQueries), 1, [&](Value i) {
      Value query = b.min(b.add(first, i), b.index(form->sequence - 1));
      b.store(head.softmax(weights, i, query, end, weights), inverse, {i});
    });
    head.multiplyRows(weights, v, b.mul(kvHead, form->valueSize), form->valueSize, first, end, y,
                      b.mul(number, form->valueSize), [&](Value i) { return b.load(inverse, {i}); });
  });
  k.run(chunks);
  return success();
}

// With P the weights, dP = dy v^T and dl = P (dP - sum P dP) slope: dv += P^T dy, dq = dl k, dk += dl^T q.
LogicalResult CpuTrainingLowering::lowerAttentionGradient(nn::AttentionGradientOp op,
                                                          ArrayRef<Destination> destinations) {
  FailureOr<AttentionForm> form = attentionFormOf(op);
  if (failed(form))
    return failure();
  Location loc = op.getLoc();
  AttentionBuffers around(*this, loc, *form);
  Value key = buffers.lookup(op.getKey()), value = buffers.lookup(op.getValue());
  Value keys = around.transpose(key), values = around.transpose(value);
  const AttentionSegments segments = around.segmentsOf(op.getSegments(), op.getKeySegments());
  Value bias = op.getBias() ? around.layOutBias(buffers.lookup(op.getBias())) : Value();
  const int64_t chunks = around.sequences * form->kvHeads;
  Value scores = around.allocateScores(chunks), weightBuffer = around.allocateScores(chunks),
        gradientBuffer = around.allocateScores(chunks);
  for (const Destination &destination : destinations)
    if (destination.update == Update::Accumulate)
      return emitNotSupported(op)
             << "gives gradients of parameters themselves, which training does not support";
  for (const Destination &destination : destinations.slice(1, 2)) // of keys and values
    lowerFill(loc, 0, destination);
  const bool learnsBias = bias && !op.getBiasGradient().use_empty();
  Value biasParts = learnsBias ? around.allocateBiasGradient() : Value();
  TrainingKernel kernel = this->kernel("attention_gradient", loc);
  KernelBuilder &b = kernel.b;
  Value q = kernel.import(buffers.lookup(op.getQuery())), k = kernel.import(key);
  Value kt = kernel.import(keys), vt = kernel.import(values);
  Value dy = kernel.import(buffers.lookup(op.getGradient()));
  Value dq = kernel.import(destinations[0].buffer), dk = kernel.import(destinations[1].buffer),
        dv = kernel.import(destinations[2].buffer);
  HeadEmitter head(kernel, *form, segments);
  Value products = around.scoresOf(kernel, scores), weights = around.scoresOf(kernel, weightBuffer),
        gradients = around.scoresOf(kernel, gradientBuffer);
  Value kvHead = b.rem(kernel.chunk, form->kvHeads);
  Value sequence = b.div(kernel.chunk, form->kvHeads);
  head.firstRow = b.mul(sequence, form->sequence);
  head.firstKey = b.mul(sequence, form->keySequence);
  if (bias)
    head.bias = kernel.import(bias);
  Value ofBias = learnsBias ? kernel.import(biasParts) : Value();
  Value keyColumn = b.mul(kvHead, form->size), valueColumn = b.mul(kvHead, form->valueSize);
  b.loop(b.index(0), b.index(form->group), 1, [&](Value inGroup) {
    Value number = b.add(b.mul(kvHead, form->group), inGroup);
    Value queryColumn = b.mul(number, form->size), outputColumn = b.mul(number, form->valueSize);
    Value biasPart = b.add(b.mul(sequence, form->heads), number);
    head.biasRow = number;
    b.loop(b.index(0), b.index(form->sequence), kQueries, [&](Value first) {
      Value end = head.keysUntil(b.add(first, kQueries));
      head.multiplyTransposed(q, queryColumn, kt, keyColumn, form->size, first, end, products);
      head.multiplyTransposed(dy, outputColumn, vt, valueColumn, form->valueSize, first, end, gradients);
      b.loop(b.index(0), b.index(kQueries), 1, [&](Value i) {
        Value query = b.add(first, i);
        Value inside = b.less(query, b.index(form->sequence));
        Value last = b.min(query, b.index(form->sequence - 1));
        Value inverse = head.softmax(products, i, last, end, weights);
        // Rows beyond the sequence give nothing.
        Value factor = b.broadcast(arith::SelectOp::create(b, inside, inverse, b.f32(0)));
        SmallVector<Value> mean = b.loop(b.index(0), end, b.lanes, ValueRange{b.splat(0)},
                                         [&](Value j, ValueRange now) -> SmallVector<Value> {
                                           Value p = b.mulf(b.loadVector(weights, {i, j}), factor);
                                           b.storeVector(p, weights, {i, j});
                                           return {b.fma(p, b.loadVector(gradients, {i, j}), now[0])};
                                         });
        Value sum = b.broadcast(b.sum(mean[0]));
        b.loop(b.index(0), end, b.lanes, [&](Value j) {
          Value dl = b.mulf(b.loadVector(weights, {i, j}), b.subf(b.loadVector(gradients, {i, j}), sum));
          if (learnsBias) {
            Value place = head.distanceOf(last, j);
            b.storeVector(b.addf(b.loadVector(ofBias, {biasPart, place}), dl), ofBias, {biasPart, place});
          }
          b.storeVector(b.mulf(dl, head.slope(b.loadVector(products, {i, j}))), gradients, {i, j});
        });
      });
      head.multiplyRows(gradients, k, keyColumn, form->size, first, end, dq, queryColumn, nullptr);
      head.multiplyColumns(gradients, q, queryColumn, form->size, first, end, dk, keyColumn);
      head.multiplyColumns(weights, dy, outputColumn, form->valueSize, first, end, dv, valueColumn);
    });
  });
  kernel.run(chunks);
  if (learnsBias)
    around.sumBiasGradient(biasParts, destinations[3].buffer);
  return success();
}

} // namespace llmc::codegen
