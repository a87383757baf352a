//===- AttentionForm.cpp - sizes of attention over whole sequences -------------------------------------===//

#include "codegen/training/AttentionForm.h"

#include "passes/NotSupported.h"

using namespace mlir;

namespace llmc::codegen {

template <typename Op> static FailureOr<AttentionForm> formOf(Op op) {
  auto query = cast<RankedTensorType>(op.getQuery().getType()),
       value = cast<RankedTensorType>(op.getValue().getType());
  AttentionForm form;
  form.rows = query.getDimSize(0);
  form.heads = op.getHeads();
  form.kvHeads = op.getKvHeads();
  form.group = form.heads / form.kvHeads;
  form.size = query.getDimSize(1) / form.heads;
  form.valueSize = value.getDimSize(1) / form.kvHeads;
  form.scale = op.getScale().convertToDouble();
  form.causal = op.getCausal();
  if (op.getWindow())
    form.window = *op.getWindow();
  if (op.getSoftcap())
    form.softcap = op.getSoftcap()->convertToDouble();
  if (op.getAlibi())
    return emitNotSupported(op) << "has alibi slopes, which training does not support";
  if (op.getBias() && !op.getByDistance())
    return emitNotSupported(op) << "has a bias that is not by distance, which training does not support";
  if (op.getBias())
    form.reach = cast<RankedTensorType>(op.getBias().getType()).getDimSize(1) / 2;
  auto sequence = op->template getAttrOfType<IntegerAttr>(nn::kSequenceRowsAttribute);
  form.sequence = sequence ? sequence.getInt() : form.rows;
  if (form.sequence <= 0 || form.rows % form.sequence != 0)
    return emitNotSupported(op) << "has " << form.rows << " rows, which are no whole sequences of "
                                << form.sequence;
  form.keyRows = cast<RankedTensorType>(op.getKey().getType()).getDimSize(0);
  if (form.keyRows % form.sequences() != 0)
    return emitNotSupported(op) << "has " << form.keyRows << " keys, which are no " << form.sequences()
                                << " sequences of one length";
  form.keySequence = form.keyRows / form.sequences();
  return form;
}

FailureOr<AttentionForm> attentionFormOf(nn::AttentionOp op) { return formOf(op); }
FailureOr<AttentionForm> attentionFormOf(nn::AttentionGradientOp op) { return formOf(op); }

} // namespace llmc::codegen
