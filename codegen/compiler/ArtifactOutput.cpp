//===- ArtifactOutput.cpp - writes an artifact -------------------------------------------------------===//

#include "codegen/compiler/ArtifactOutput.h"

#include "codegen/compiler/GpuImages.h"
#include "codegen/cuda/Passes.h"

#include "absl/strings/str_cat.h"
#include "codegen/common/PanelLayout.h"
#include "codegen/common/ParameterStream.h"
#include "codegen/compiler/EncoderDescription.h"
#include "codegen/compiler/GenerationDefaults.h"
#include "codegen/cpu/KernelWork.h"
#include "codegen/cpu/Pipeline.h"
#include "dialects/cost/ProgramCost.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "runtime/core/ArtifactWriter.h"
#include "runtime/core/CpuFeatures.h"
#include "runtime/core/StepAbi.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

int64_t integerAttribute(Operation *op, StringRef name) {
  auto attribute = op->getAttrOfType<IntegerAttr>(name);
  return attribute ? attribute.getInt() : 0;
}

/// Shape and storage format of a parameter as people know it: of what was packed.
std::pair<RankedTensorType, std::string> describe(nn::ParamOp param) {
  auto type = cast<RankedTensorType>(param.getType());
  if (auto pack = param.isDerived() ? param.getInitialValue().getDefiningOp<nn::PackOp>() : nn::PackOp())
    type = cast<RankedTensorType>(pack.getInput().getType());
  return {type, std::string(blocks::nameOf(storageFormatOf(type.getElementType())))};
}

runtime::Work describe(const KernelWork &work) {
  runtime::Work described;
  described.set_operation(work.operation);
  described.set_kernel(work.kernel);
  described.set_unit(work.unit);
  described.set_note(work.note);
  described.set_of_outputs(work.ofOutputs);
  described.set_flops(work.flops);
  described.set_position_flops(work.positionFlops);
  described.set_is_causal(work.isCausal);
  described.set_window(work.window);
  described.set_parameter_bytes(work.parameterBytes);
  described.set_row_parameter_bytes(work.rowParameterBytes);
  described.set_passes(static_cast<uint32_t>(work.passes));
  described.set_position_bytes(work.positionBytes);
  return described;
}

/// What the regions of `function`, a step, compute. Equal works of all steps are one.
absl::Status describeRegions(Operation &function, runtime::Manifest &manifest, runtime::Step &step,
                             llvm::DenseMap<Attribute, uint32_t> &works) {
  auto regions = function.getAttrOfType<ArrayAttr>(kRegionsAttribute);
  if (!regions)
    return absl::OkStatus();
  for (Attribute region : regions) {
    auto [it, isNew] = works.try_emplace(region, manifest.works_size());
    if (isNew) {
      std::optional<KernelWork> work = KernelWork::fromAttribute(region);
      if (!work)
        return absl::InvalidArgumentError(
            absl::StrCat("step '", step.name(), "': ", kRegionsAttribute.str(),
                         " has an element that no kernel of this compiler makes, expected its llmc.work"));
      *manifest.add_works() = describe(*work);
    }
    step.add_regions(it->second);
  }
  return absl::OkStatus();
}

} // namespace

void ArtifactOutput::describeImported(ModuleOp imported) {
  // Those that the model reads: others are what these are computed from.
  llvm::StringSet<> read;
  for (auto function : imported.getOps<func::FuncOp>())
    function.walk([&](nn::LoadOp load) { read.insert(load.getParam()); });
  int64_t elements = 0;
  for (auto param : imported.getOps<nn::ParamOp>())
    if (read.contains(param.getSymName()))
      elements += cast<RankedTensorType>(param.getType()).getNumElements();
  manifest.set_parameter_count(elements);
  const nn::OpCost cost = nn::costOfProgram(imported, "forward", /*rows=*/1, /*context=*/1);
  manifest.set_flops_per_token(static_cast<uint64_t>(cost.flops));
  manifest.set_bytes_per_token(static_cast<uint64_t>(cost.parameterBytes + cost.activationBytes));
}

absl::Status ArtifactOutput::plan(ModuleOp program) {
  // Steps are functions of the dialects func or llvm.
  llvm::DenseMap<Attribute, uint32_t> works;
  for (Operation &function : *program.getBody()) {
    auto name = function.getAttrOfType<StringAttr>(kStepAttribute);
    if (!name)
      continue;
    runtime::Step *step = manifest.add_steps();
    step->set_name(name.getValue().str());
    step->set_symbol(stepSymbol(name.getValue()));
    step->set_max_rows(integerAttribute(&function, kMaxRowsAttribute));
    step->set_reads_source(function.hasAttr(kReadsSourceAttribute));
    if (absl::Status status = describeRegions(function, manifest, *step, works); !status.ok())
      return status;
    manifest.set_arena_bytes(
        std::max<uint64_t>(manifest.arena_bytes(), integerAttribute(&function, kArenaBytesAttribute)));
    manifest.set_output_width(integerAttribute(&function, kOutputWidthAttribute));
  }
  if (manifest.steps().empty())
    return absl::InvalidArgumentError(
        "the program has no steps: expected functions with the attribute llmc.step");
  manifest.set_cache_bytes(integerAttribute(program, kCacheBytesAttribute));
  if (auto runs = program->getAttrOfType<DenseI64ArrayAttr>(kCacheRunsAttribute))
    for (int64_t i = 0; i < runs.size(); i += 3) {
      runtime::CachePart *part = manifest.add_cache_parts();
      part->set_offset(runs[i]);
      part->set_runs(runs[i + 1]);
      part->set_run_bytes(runs[i + 2]);
    }
  if (model.info.startToken) {
    manifest.mutable_encoder()->set_start_token(*model.info.startToken);
    manifest.mutable_encoder()->set_cache_bytes(integerAttribute(program, kSourceCacheBytesAttribute));
  }
  describeModel();
  return absl::OkStatus();
}

void ArtifactOutput::describeKernels(ModuleOp program, const std::vector<KernelImage> &images) {
  codegen::describeKernels(manifest, program, images);
}

void ArtifactOutput::describeModel() {
  const frontend::ModelInfo &info = model.info;
  manifest.set_abi_version(kLlmcStepAbiVersion);
  manifest.set_producer("llmc 0.1.0");
  manifest.set_model_name(info.name);
  manifest.set_architecture(info.family);
  manifest.set_source(source);
  manifest.set_licence(info.licence);
  manifest.set_vocabulary_size(info.sizes.vocabulary);
  manifest.set_context_length(sizes.context);
  manifest.set_tokenizer(info.tokenizer);
  manifest.mutable_adapters()->Assign(info.adapters.begin(), info.adapters.end());
  runtime::Target *described = manifest.mutable_target();
  described->set_triple(target.triple);
  described->set_cpu(target.cpu);
  llvm::StringRef architecture = llvm::StringRef(target.triple).split('-').first;
  for (absl::string_view feature :
       runtime::checkableFeatures(absl::string_view(architecture.data(), architecture.size())))
    if (llvm::is_contained(target.features, std::string(feature)))
      described->add_required_features(std::string(feature));
  if (info.kind == frontend::ModelKind::Generate) {
    manifest.set_kind(runtime::GENERATE);
    *manifest.mutable_generation_defaults() = generationDefaults(info);
    return;
  }
  if (info.head) {
    manifest.set_kind(runtime::PREDICT);
    *manifest.mutable_head() = describeHead(*info.head);
    return;
  }
  manifest.set_kind(runtime::EMBED);
  if (info.pooling)
    *manifest.mutable_pooling() = describePooling(*info.pooling);
}

absl::Status ArtifactOutput::write(ModuleOp program, const std::string &sharedObject, const std::string &path,
                                   bool leaveOutWeights, const ProgressCallback &progress) {
  absl::StatusOr<runtime::ArtifactWriter> writer = runtime::ArtifactWriter::begin(path);
  if (!writer.ok())
    return writer.status();
  auto bytesOf = [](const std::string &text) {
    return absl::Span<const uint8_t>(reinterpret_cast<const uint8_t *>(text.data()), text.size());
  };
  if (absl::Status status = writer->writeCode(bytesOf(sharedObject)); !status.ok())
    return status;

  if (leaveOutWeights) {
    if (absl::Status status = writer->leaveOutWeights(integerAttribute(program, kWeightsBytesAttribute));
        !status.ok())
      return status;
    return writer->finish(std::move(manifest));
  }

  SmallVector<nn::ParamOp> params;
  for (auto param : program.getOps<nn::ParamOp>())
    if (param->hasAttr(kOffsetAttribute))
      params.push_back(param);
  llvm::sort(params, [](nn::ParamOp a, nn::ParamOp b) {
    return integerAttribute(a, kOffsetAttribute) < integerAttribute(b, kOffsetAttribute);
  });
  ParameterStream stream(program, *model.source);
  const double total = std::max<int64_t>(integerAttribute(program, kWeightsBytesAttribute), 1);
  double done = 0;
  for (nn::ParamOp param : params) {
    auto [type, format] = describe(param);
    StringRef name = param.getSymName();
    name.consume_back(".kernel");
    absl::StatusOr<uint64_t> offset = writer->beginParameter(
        absl::string_view(name.data(), name.size()), {type.getShape().data(), type.getShape().size()}, format,
        integerAttribute(param, kOffsetAttribute));
    if (!offset.ok())
      return offset.status();
    absl::Status status = stream.stream(param, [&](absl::Span<const uint8_t> bytes) {
      done += bytes.size();
      progress("packing weights", done / total);
      return writer->appendParameterBytes(bytes);
    });
    if (!status.ok())
      return status;
  }
  return writer->finish(std::move(manifest));
}

} // namespace llmc::codegen
