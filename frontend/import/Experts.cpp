//===- Experts.cpp - feed-forward networks of which a router chooses some ----------------------------===//

#include "frontend/import/Experts.h"
#include "absl/strings/str_cat.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

constexpr Name kPerToken = {"num_experts_per_tok", "expert_used_count"};
constexpr Name kRenormalize = {"norm_topk_prob", ""};
constexpr Name kSharedInner = {"shared_expert_intermediate_size", "expert_shared_feed_forward_length"};
constexpr Name kDenseLayers = {"mlp_only_layers", ""};
constexpr Name kSparseStep = {"decoder_sparse_step", ""};

/// Which layers have experts: all but those that are named, and of these every `step`th.
std::vector<bool> readLayers(Hyperparameters &fields, const Size &layers) {
  const int64_t step = fields.integerOr(kSparseStep, 1, 1, 1 << 24);
  std::vector<bool> sparse;
  for (int64_t layer = 0; layer < layers.value; ++layer)
    sparse.push_back((layer + 1) % step == 0);
  for (int64_t layer : fields.integersOr(kDenseLayers, {})) {
    if (layer < 0 || layer >= layers.value) {
      fields.fail(kDenseLayers,
                  absl::StrCat("has ", layer, ", expected numbers of the ", layers.value, " layers"));
      break;
    }
    sparse[layer] = false;
  }
  return sparse;
}

} // namespace

Experts llmc::frontend::readExperts(Hyperparameters &fields, const ExpertsReading &reading,
                                    const Size &layers) {
  // transformers has called it both.
  constexpr Name oldCount = {"num_experts", "expert_count"}, newCount = {"num_local_experts", "expert_count"};
  Experts experts;
  experts.names = reading.names;
  experts.count = fields.size(fields.has(oldCount) ? oldCount : newCount);
  experts.inner = fields.size(reading.inner);
  experts.perToken = fields.size(kPerToken).value;
  if (experts.perToken > experts.count.value)
    fields.fail(kPerToken, absl::StrCat("is ", experts.perToken, ", expected at most ", experts.count.meaning,
                                        " (", experts.count.value, ")"));
  experts.renormalize = reading.renormalize;
  if (reading.mayKeepWeights)
    experts.renormalize = fields.flagOr(kRenormalize, reading.renormalize);
  if (reading.shared)
    experts.sharedInner = fields.size(kSharedInner);
  if (reading.denseLayers)
    experts.layers = readLayers(fields, layers);
  return experts;
}

void llmc::frontend::describeExperts(const Experts &experts, const ExpertsReading &reading,
                                     Description &description) {
  description.add({"num_experts", "expert_count"}, experts.count.value);
  description.add({"num_local_experts", ""}, experts.count.value);
  description.add(kPerToken, experts.perToken);
  description.add(reading.inner, experts.inner.value);
  if (reading.mayKeepWeights) {
    description.add(kRenormalize, experts.renormalize);
    if (experts.renormalize != reading.renormalize)
      description.refuse(Format::Gguf,
                         absl::StrCat("its norm_topk_prob is ", experts.renormalize ? "true" : "false"));
  }
  if (experts.sharedInner)
    description.add(kSharedInner, experts.sharedInner->value);
  if (llvm::is_contained(experts.layers, false))
    description.refuse(Format::Gguf, "not all of its layers have experts");
}

Value llmc::frontend::buildExperts(GraphBuilder &graph, const Experts &experts, const Size &hidden, Value x) {
  const Experts::Names &names = experts.names;
  Value router = graph.linear(x, {names.router, "ffn_gate_inp"}, experts.count, hidden);
  auto weights = [&](const char *part, const char *gguf, const Size &out, const Size &in) {
    return graph.expertWeights({names.experts, gguf}, part, experts.count, out, in);
  };
  Value gate = weights(names.gate, "ffn_gate_exps", experts.inner, hidden);
  Value up = weights(names.up, "ffn_up_exps", experts.inner, hidden);
  Value down = weights(names.down, "ffn_down_exps", hidden, experts.inner);
  Value chosen =
      graph.experts(x, router, {gate, up, down}, experts.perToken, RouterScore::Softmax, experts.renormalize);
  if (!experts.sharedInner)
    return chosen;
  // One expert that every token has, weighted by the logistic function of its gate.
  const Size one = {1, "1"};
  auto shared = [&](const char *part, const char *gguf, const Size &out, const Size &in) {
    const std::string name = absl::StrCat(names.shared, part);
    return graph.weight({name.c_str(), gguf}, out, in);
  };
  Value sharedRouter = graph.linear(x, {names.sharedGate, "ffn_gate_inp_shexp"}, one, hidden);
  Value sharedGate = shared(names.gate, "ffn_gate_shexp", *experts.sharedInner, hidden);
  Value sharedUp = shared(names.up, "ffn_up_shexp", *experts.sharedInner, hidden);
  Value sharedDown = shared(names.down, "ffn_down_shexp", hidden, *experts.sharedInner);
  return graph.add(chosen, graph.experts(x, sharedRouter, {sharedGate, sharedUp, sharedDown}, 1,
                                         RouterScore::Logistic, /*renormalize=*/false));
}
