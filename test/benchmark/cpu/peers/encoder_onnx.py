#!/usr/bin/env python3
"""What runs an encoder from an ONNX file: encoder_onnx.py MODEL.onnx THREADS onnxruntime|openvino|iree [TYPE]"""
import importlib.metadata
import sys
import time

import numpy

from serve import Refused, serve, tokens_of

VOCABULARY = 30522


class Encoder:
    """`run` takes ids, [texts, tokens], and computes hidden states."""

    def embed(self, tokens, texts):
        ids = numpy.array([tokens_of(tokens, VOCABULARY)] * texts, dtype=numpy.int64)
        self.run(ids)
        start = time.perf_counter()
        self.run(ids)
        return time.perf_counter() - start


class OnnxRuntime(Encoder):
    def __init__(self, path, threads):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.settings = f"ONNX Runtime {onnxruntime.__version__}, all graph optimizations"

    def run(self, ids):
        self.session.run(None, {"input_ids": ids, "attention_mask": numpy.ones_like(ids)})


class OpenVino(Encoder):
    def __init__(self, path, threads, dtype):
        import openvino

        properties = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": dtype, "PERFORMANCE_HINT": "LATENCY"}
        self.request = openvino.Core().compile_model(path, "CPU", properties).create_infer_request()
        used = self.request.get_compiled_model().get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self.settings = f"OpenVINO {openvino.__version__.split('-')[0]}, precision {used}"

    def run(self, ids):
        self.request.infer({"input_ids": ids, "attention_mask": numpy.ones_like(ids)})


class Iree(Encoder):
    """One module for each shape, compiled for this processor when it is first asked for."""

    def __init__(self, path, threads):
        import iree.runtime

        self.path, self.modules = path, {}
        iree.runtime.flags.parse_flags(f"--task_topology_max_group_count={threads}")
        self.settings = f"IREE {importlib.metadata.version('iree-base-runtime')}, llvm-cpu for this processor, data tiling"

    def module(self, shape):
        import iree.compiler
        import iree.compiler.tools.import_onnx.__main__ as import_onnx
        import iree.runtime
        import onnx
        from onnx.tools import update_model_dims

        model = onnx.load(self.path)
        for value in model.graph.input:
            for dimension, size in zip(value.type.tensor_type.shape.dim, shape):
                dimension.dim_value = size
        fixed = f"{self.path}.{shape[0]}x{shape[1]}.onnx"
        onnx.save(model, fixed)
        arguments = import_onnx.parse_arguments([fixed, "-o", fixed + ".mlir", "--opset-version", "17"])
        import_onnx.main(arguments)
        binary = iree.compiler.tools.compile_file(
            fixed + ".mlir", input_type="onnx", target_backends=["llvm-cpu"], extra_args=["--iree-llvmcpu-target-cpu=host", "--iree-opt-data-tiling"]
        )
        config = iree.runtime.Config("local-task")
        loaded = iree.runtime.load_vm_module(iree.runtime.VmModule.copy_buffer(config.vm_instance, binary), config)
        names = [name for name in loaded.vm_module.function_names if not name.startswith("__") and not name.endswith("$async")]
        return getattr(loaded, names[0])

    def run(self, ids):
        if ids.shape not in self.modules:
            self.modules[ids.shape] = self.module(ids.shape)
        numpy.asarray(self.modules[ids.shape](ids, numpy.ones_like(ids)).to_host())


if __name__ == "__main__":
    PATH, THREADS = sys.argv[1], int(sys.argv[2])
    PEERS = {"onnxruntime": lambda: OnnxRuntime(PATH, THREADS), "openvino": lambda: OpenVino(PATH, THREADS, sys.argv[4]), "iree": lambda: Iree(PATH, THREADS)}
    serve(PEERS[sys.argv[3]]())
