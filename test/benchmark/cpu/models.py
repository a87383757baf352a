"""Makes the models that are measured, each in the files that the contestants read, in a cache folder. What is there already is kept."""
import json
import os
import shutil
import subprocess
import sys
import time

# Hidden size, inner size, layers, heads, heads of keys and values, as TinyLlama has them, with the vocabulary of the quick-start model.
LLAMA_1B = {
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 22,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 64,
}
DECODERS = ("smollm2-135m", "llama-1.1b")
ENCODERS = ("minilm", "bert-base")
GGUF_TYPES = ("bf16", "q8_0", "q4_0")


class Models:
    """Paths of models, made when they are first asked for; artifacts in a folder of their own, since compilers change."""

    def __init__(self, folder, artifacts, llmc, smollm2, minilm):
        self.folder, self.artifacts, self.llmc, self.compile_seconds = folder, artifacts, llmc, {}
        self.sources = {"smollm2-135m": smollm2, "minilm": minilm}
        os.makedirs(folder, exist_ok=True)

    def made(self, name, make):
        """The path of `name`, which `make` writes to a path that it is given, if it is not there."""
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            print(f"making {name}", file=sys.stderr)
            unfinished = os.path.join(self.folder, "unfinished-" + name)
            shutil.rmtree(unfinished, ignore_errors=True)
            make(unfinished)
            os.replace(unfinished, path)
        return path

    def convert(self, source, dtype, path):
        subprocess.run([self.llmc, "convert", source, "--dtype", dtype, "-o", path, "--quiet"], check=True)

    def directory(self, model):
        """A Hugging Face directory; decoders in bf16, encoders in f32."""
        if model == "smollm2-135m":
            return self.made(model, lambda path: self.convert(self.sources[model], "bf16", path))
        if model == "llama-1.1b":
            return self.made(model, self.make_llama)
        if model == "bert-base":
            return self.made(model, self.make_bert)
        return self.sources[model]

    def gguf(self, model, dtype):
        # The name ends with .gguf while it is made, too: that says which format is meant.
        return self.made(f"{model}-{dtype}.gguf", lambda path: self.convert(self.directory(model), dtype, path))

    def artifact(self, model, dtype, activation_bits=16):
        """An artifact of llmc. `compile_seconds` has how long each took."""
        name = f"{model} {dtype}" + (f", {activation_bits}-bit activations" if activation_bits != 16 else "")
        path = os.path.join(self.artifacts, name + ".llmc")
        source = self.directory(model) if model in ENCODERS else self.gguf(model, dtype)
        command = [self.llmc, "compile", source, "-o", path, "--quiet", "--context", "128" if model in ENCODERS else "8192"]
        command += ["--dtype", dtype] if dtype in ("f32", "bf16") else []
        command += ["--activation-bits", str(activation_bits)] if activation_bits != 16 else []
        if name not in self.compile_seconds:
            start = time.perf_counter()
            subprocess.run(command, check=True)
            self.compile_seconds[name] = time.perf_counter() - start
        return path

    def onnx(self, model):
        return self.made(f"{model}.onnx", lambda path: self.export_onnx(self.directory(model), path))

    def onnx_fused(self, model):
        """What ONNX Runtime's own optimizer makes of it, which fuses attention."""

        def make(path):
            from onnxruntime.transformers import optimizer

            optimizer.optimize_model(self.onnx(model), model_type="bert", use_gpu=False, opt_level=0).save_model_to_file(path)

        return self.made(f"{model}-fused.onnx", make)

    def onnx_int8(self, model):
        def make(path):
            from onnxruntime.quantization import QuantType, quantize_dynamic

            quantize_dynamic(self.onnx_fused(model), path, weight_type=QuantType.QInt8, per_channel=True)

        return self.made(f"{model}-int8.onnx", make)

    def onnx_decoder(self, model, threads):
        """A directory for ONNX Runtime GenAI, with 4-bit weights."""

        def make(path):
            command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", self.directory(model), "-o", path]
            command += ["-p", "int4", "-e", "cpu", "-c", os.path.join(self.folder, "builder")]
            command += ["--extra_options", "int4_accuracy_level=4", "int4_block_size=32"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            config = os.path.join(path, "genai_config.json")
            with open(config, encoding="utf-8") as file:
                settings = json.load(file)
            settings["model"]["decoder"]["session_options"]["intra_op_num_threads"] = threads
            with open(config, "w", encoding="utf-8") as file:
                json.dump(settings, file)

        return self.made(f"{model}-ort{threads}", make)

    def export_onnx(self, directory, path):
        import torch
        import transformers

        class Hidden(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = transformers.AutoModel.from_pretrained(directory, attn_implementation="eager")

            def forward(self, input_ids, attention_mask):
                return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

        sizes = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens", max=512)}
        ids = torch.ones(2, 16, dtype=torch.int64)
        names = {"input_names": ["input_ids", "attention_mask"], "output_names": ["hidden"]}
        names |= {"dynamic_shapes": (sizes, sizes), "dynamo": True, "external_data": False, "opset_version": 18, "verbose": False}
        torch.onnx.export(Hidden().eval(), (ids, ids), path, **names)

    def make_llama(self, path):
        """Random weights: what they are makes no difference to the time."""
        import torch
        import transformers

        small = self.directory("smollm2-135m")
        config = transformers.AutoConfig.from_pretrained(small)
        config.update(LLAMA_1B)
        torch.manual_seed(0)
        transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(path)
        for name in os.listdir(small):
            if name.startswith("tokenizer") or name == "generation_config.json":
                shutil.copy(os.path.join(small, name), path)

    def make_bert(self, path):
        import torch
        import transformers

        minilm = self.directory("minilm")
        torch.manual_seed(0)
        transformers.BertModel(transformers.BertConfig()).save_pretrained(path)
        for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
            shutil.copy(os.path.join(minilm, name), path)
