# The lit tests of llmc: .mlir files for the compiler, .test files for the programs. They lie in folders named like the
# sources that they test. FileCheck, not and split-file come with LLVM; %data is test/data, %models the folder of real
# models (tests of these have `REQUIRES: smollm2` or `REQUIRES: minilm`, and are unsupported where they are missing);
# `REQUIRES: mounts` is for tests that mount file systems in a namespace of their own.
import hashlib
import os
import shutil
import subprocess
import tempfile

import lit.formats
import lit.TestRunner


def without_spaces(path):
    """A name of the folder `path` that can stand unquoted in a RUN line: itself, or a link to it."""
    if not any(character.isspace() for character in path):
        return path
    link = os.path.join(tempfile.gettempdir(), "llmc-lit-" + hashlib.sha256(path.encode()).hexdigest()[:12])
    try:
        os.symlink(path, link)
    except FileExistsError:
        pass  # made before, or just now by another run of lit
    return link



config.name = "llmc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
source_dir = without_spaces(config.source_dir)
build_dir = without_spaces(config.build_dir)
config.test_source_root = os.path.join(config.source_dir, "test")
config.test_exec_root = os.path.join(config.build_dir, "test")
if source_dir != config.source_dir:
    # lit follows links in the roots, so %s, %t and their like are rewritten.
    default_substitutions = lit.TestRunner.getDefaultSubstitutions

    def substitutions_without_spaces(*arguments, **named):
        return [
            (name, value.replace(config.build_dir, build_dir).replace(config.source_dir, source_dir))
            for name, value in default_substitutions(*arguments, **named)
        ]

    lit.TestRunner.getDefaultSubstitutions = substitutions_without_spaces
config.excludes = ["unit", "fuzz", "e2e", "benchmark", "data", "plugin", "Inputs"]

config.environment["PATH"] = os.pathsep.join(
    [os.path.join(build_dir, "bin"), config.llvm_tools_dir, config.environment["PATH"]]
)
for name in ("HOME", "LLMC_MODELS", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

cache = os.environ.get("LLMC_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "llmc"
)
models = without_spaces(os.environ.get("LLMC_MODELS") or os.path.join(cache, "models"))
config.substitutions += [
    ("%source", source_dir),
    ("%build", build_dir),
    ("%data", os.path.join(source_dir, "test", "data")),
    ("%models", models),
    ("%python", "/usr/bin/python3"),
    ("%smollm2", os.path.join(models, "SmolLM2-135M-Instruct.Q4_1.gguf")),
    ("%minilm", os.path.join(models, "all-MiniLM-L6-v2")),
]
for feature, file in (
    ("smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),
    ("minilm", os.path.join("all-MiniLM-L6-v2", "model.safetensors")),
):
    if os.path.exists(os.path.join(models, file)):
        config.available_features.add(feature)
if shutil.which("unshare"):
    # Whether a test can have mounts of its own.
    mount = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", tempfile.gettempdir()]
    if subprocess.run(mount, capture_output=True).returncode == 0:
        config.available_features.add("mounts")
if config.sanitize:
    config.available_features.add("sanitizers")
