"""Writes the tests of this folder: what each operation computes, by PyTorch in double precision.

    python make_tests.py        (needs torch, transformers for rotary scaling, gguf for block formats)

Each file holds functions @f and @f.expected; the pass nn-check-expected compares them. Sizes are awkward on purpose.
"""

import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from gguf import GGMLQuantizationType, quants
from transformers import LlamaConfig, MixtralConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock
from transformers.models.t5.modeling_t5 import T5Attention

folder = pathlib.Path(__file__).parent
torch.manual_seed(20261124)
torch.set_default_dtype(torch.float64)


def random(*shape, scale=1.0):
    """Normal numbers that f32 holds exactly."""
    return (scale * torch.randn(*shape)).float().double()


def type_of(tensor, element=None):
    integral = tensor.dtype in (torch.int32, torch.int64)
    return f"tensor<{'x'.join(map(str, tensor.shape))}x{element or ('i32' if integral else 'f32')}>"


def literal(tensor):
    def text(value):
        if isinstance(value, list):
            return "[" + ", ".join(map(text, value)) + "]"
        if isinstance(value, int):
            return str(value)
        number = f"{value:.9g}"
        return number if any(c in number for c in ".e") else number + ".0"

    return f"dense<{text(tensor.tolist())}> : {type_of(tensor)}"


class TestFile:
    """The functions of one test file. `tolerance` is relative to the largest magnitude expected."""

    def __init__(self, name, tolerance="2e-6", precision=None):
        options = f"tolerance={tolerance}" + (f" precision={precision}" if precision else "")
        self.path = folder / f"{name}.mlir"
        self.text = (
            f'// RUN: llmc-opt %s --nn-check-expected="{options}" -o /dev/null\n// Written by make_tests.py.\n'
        )

    def case(self, name, body, inputs, expected, module=""):
        """@name evaluates `body`, lines that use the inputs as %name and define the results %0, %1, ..."""
        expected = expected if isinstance(expected, (list, tuple)) else [expected]
        types = ", ".join(map(type_of, expected))
        results = ", ".join(f"%r{i}" for i in range(len(expected)))
        lines = [f"func.func @{name}() -> ({types}) {{"]
        lines += [f"  %{key} = arith.constant {literal(value)}" for key, value in inputs.items()]
        lines += [f"  {line.strip()}" for line in body.strip().splitlines()]
        lines += [f"  return {results} : {types}", "}"]
        lines += [f"func.func @{name}.expected() -> ({types}) {{"]
        lines += [f"  %r{i} = arith.constant {literal(value)}" for i, value in enumerate(expected)]
        lines += [f"  return {results} : {types}", "}"]
        self.text += "\n" + module + "\n".join(lines) + "\n"

    def write(self):
        self.path.write_text(self.text)


def unary(name, assembly, function, scale=2.0):
    file = TestFile(name)
    x = torch.cat([random(3, 7, scale=scale), torch.tensor([[0.0, -0.0, 1.0, -1.0, 30.0, -30.0, 1e-6]]).float().double()])
    for suffix, text, f in zip([""] + [f".{i}" for i in range(9)], assembly, function):
        file.case(name + suffix, f"%r0 = nn.{text.format(x='%x')} : {type_of(x)}", {"x": x}, f(x))
    file.write()


def write_products():
    file = TestFile("linear")
    for name, rows, inputs, outputs in (("small", 1, 1, 1), ("odd", 3, 7, 5), ("lanes", 2, 33, 17), ("wide", 5, 19, 35)):
        x, w, b = random(rows, inputs), random(outputs, inputs), random(outputs)
        y = F.linear(x, w)
        file.case(name, f"%r0 = nn.linear %x, %w : {type_of(x)}, {type_of(w)} -> {type_of(y)}", {"x": x, "w": w}, y)
        file.case(name + ".bias",
                  f"%r0 = nn.linear %x, %w bias %b : {type_of(x)}, {type_of(w)}, {type_of(b)} -> {type_of(y)}",
                  {"x": x, "w": w, "b": b}, y + b)
    file.write()

    file = TestFile("linear-bf16", tolerance="0", precision="f32")
    x, w = random(3, 7).bfloat16().double(), random(5, 7).bfloat16().double()
    y = F.linear(x, w).bfloat16().double()
    file.case("bf16", f"""
        %xb = nn.convert %x : {type_of(x)} -> {type_of(x, 'bf16')}
        %wb = nn.convert %w : {type_of(w)} -> {type_of(w, 'bf16')}
        %y = nn.linear %xb, %wb : {type_of(x, 'bf16')}, {type_of(w, 'bf16')} -> {type_of(y, 'bf16')}
        %r0 = nn.convert %y : {type_of(y, 'bf16')} -> {type_of(y)}""", {"x": x, "w": w}, y)
    file.write()

    file = TestFile("embedding", tolerance="0")
    table, ids = random(11, 5), torch.tensor([10, 0, 3, 3]).int()
    file.case("embedding", f"%r0 = nn.embedding %ids, %table : {type_of(ids)}, {type_of(table)} -> tensor<4x5xf32>",
              {"ids": ids, "table": table}, F.embedding(ids, table))
    file.write()


def write_normalization():
    file = TestFile("rms_norm")
    for name, group, epsilon in (("whole", 21, 1e-5), ("groups", 7, 1e-6), ("large_epsilon", 3, 0.5)):
        x, w = random(3, 21), random(group)
        y = F.rms_norm(x.reshape(3, -1, group), (group,), w, epsilon).reshape(3, 21)
        file.case(name, f"%r0 = nn.rms_norm %x, %w epsilon {epsilon:e} : {type_of(x)}, {type_of(w)}", {"x": x, "w": w}, y)
    file.write()

    file = TestFile("layer_norm")
    x, w, b = random(4, 13) + 3, random(13), random(13)
    file.case("weight", f"%r0 = nn.layer_norm %x, %w epsilon 1.0e-5 : {type_of(x)}, {type_of(w)}", {"x": x, "w": w},
              F.layer_norm(x, (13,), w, None, 1e-5))
    file.case("bias", f"%r0 = nn.layer_norm %x, %w bias %b epsilon 1.0e-1 : {type_of(x)}, {type_of(w)}, {type_of(b)}",
              {"x": x, "w": w, "b": b}, F.layer_norm(x, (13,), w, b, 0.1))
    file.write()


def write_elementwise():
    unary("silu", ["silu {x}"], [F.silu])
    unary("gelu", ["gelu exact {x}", "gelu tanh {x}", "gelu sigmoid {x}"],
          [F.gelu, lambda x: F.gelu(x, approximate="tanh"), lambda x: x * torch.sigmoid(1.702 * x)])
    unary("relu", ["relu {x}"], [F.relu])
    unary("scale", ["scale {x} by -2.5"], [lambda x: -2.5 * x])
    unary("softcap", ["softcap {x} to 3.0"], [lambda x: 3 * torch.tanh(x / 3)])

    file = TestFile("upstream")
    a, b = random(3, 5), random(3, 5)
    for op, function in (("addf", torch.add), ("subf", torch.sub), ("mulf", torch.mul), ("divf", torch.div),
                         ("maximumf", torch.maximum), ("minimumf", torch.minimum), ("maxnumf", torch.fmax),
                         ("minnumf", torch.fmin)):
        file.case(op, f"%r0 = arith.{op} %a, %b : {type_of(a)}", {"a": a, "b": b}, function(a, b))
    file.case("negf", f"%r0 = arith.negf %a : {type_of(a)}", {"a": a}, -a)
    for op, function in (("absf", torch.abs), ("erf", torch.erf), ("exp", torch.exp), ("tanh", torch.tanh),
                         ("atan", torch.atan), ("erfc", torch.erfc), ("expm1", torch.expm1), ("floor", torch.floor)):
        file.case(op, f"%r0 = math.{op} %a : {type_of(a)}", {"a": a}, function(a))
    for op, function in (("copysign", torch.copysign), ("atan2", torch.atan2)):
        file.case(op, f"%r0 = math.{op} %a, %b : {type_of(a)}", {"a": a, "b": b}, function(a, b))
    file.case("fma", f"%r0 = math.fma %a, %b, %a : {type_of(a)}", {"a": a, "b": b}, a * b + a)
    for op, function in (("sqrt", torch.sqrt), ("rsqrt", torch.rsqrt), ("log", torch.log), ("log1p", torch.log1p),
                         ("log2", torch.log2), ("cbrt", lambda x: x.pow(1 / 3))):
        file.case(op, f"%c = math.absf %a : {type_of(a)}\n%r0 = math.{op} %c : {type_of(a)}", {"a": a}, function(a.abs()))
    for op, function in (("acos", torch.acos), ("asin", torch.asin)):
        file.case(op, f"%c = math.erf %a : {type_of(a)}\n%r0 = math.{op} %c : {type_of(a)}", {"a": a},
                  function(torch.erf(a)))
    file.write()


def rotate(x, cos, sin, heads, style):
    """x [rows, width], cos and sin [rows, pairs]."""
    rows, width = x.shape
    pairs = cos.shape[1]
    x = x.reshape(rows, heads, width // heads)
    rotated, rest = x[..., : 2 * pairs], x[..., 2 * pairs :]
    if style == "half":
        full = [torch.cat([t, t], -1) for t in (cos, sin)]
        rotated = apply_rotary_pos_emb(rotated, rotated, *full, unsqueeze_dim=1)[0]
    else:  # as in the first Llama: complex numbers
        numbers = torch.view_as_complex(rotated.reshape(rows, heads, pairs, 2).contiguous())
        rotated = torch.view_as_real(numbers * torch.complex(cos, sin)[:, None]).reshape(rows, heads, 2 * pairs)
    return torch.cat([rotated, rest], -1).reshape(rows, width)


def write_rotary():
    rope, table, turn = TestFile("rope"), TestFile("rope_table"), TestFile("rotate")
    # The reference gives the frequencies of llama3 and yarn in f32, and angles are a thousand times as large.
    scaled = TestFile("rope-scaling", tolerance="1e-4"), TestFile("rope_table-scaling", tolerance="1e-4")
    positions = torch.tensor([0, 1, 7, 1000]).int()

    def config(dims, theta, **scaling):
        torch.set_default_dtype(torch.float32)  # the reference computes in f32 whatever the default
        made = LlamaConfig(head_dim=dims, rope_theta=theta, hidden_size=dims, num_attention_heads=1,
                           max_position_embeddings=64 * 8, rope_scaling=dict(scaling))
        frequencies, factor = ROPE_INIT_FUNCTIONS[scaling["rope_type"]](made, device="cpu")
        torch.set_default_dtype(torch.float64)
        return frequencies.double(), factor

    plain = 10000.0 ** (-torch.arange(0, 6, 2) / 6)
    cases = [
        ("half", 3, 18, 6, 1e4, "half", "", plain, 1.0),
        ("interleaved", 3, 18, 6, 1e4, "interleaved", "", plain, 1.0),
        ("partial", 2, 20, 6, 1e4, "half", "", plain, 1.0),
        ("partial_interleaved", 2, 20, 6, 1e4, "interleaved", "", plain, 1.0),
        ("linear", 1, 6, 6, 1e4, "half", "scaling <linear, factor = 4.0 : f64>", plain / 4, 1.0),
        ("factors", 1, 6, 6, 1e4, "half", "scaling <factors, factors = [1.0, 2.0, 8.0]>",
         plain / torch.tensor([1.0, 2.0, 8.0]), 1.0),
    ]
    frequencies, _ = config(16, 5e5, rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                            original_max_position_embeddings=64)
    cases.append(("llama3", 1, 16, 16, 5e5, "half", "scaling <llama3, factor = 8.0 : f64, low_freq = 1.0 : f64, "
                  "high_freq = 4.0 : f64, trained_context = 64 : i64>", frequencies, 1.0))
    frequencies, factor = config(16, 1e4, rope_type="yarn", factor=8.0, beta_fast=32.0, beta_slow=1.0,
                                 original_max_position_embeddings=64)
    cases.append(("yarn", 2, 32, 16, 1e4, "half", f"scaling <yarn, factor = 8.0 : f64, low_freq = 1.0 : f64, "
                  f"high_freq = 32.0 : f64, trained_context = 64 : i64, attention_factor = {factor:.17g} : f64>",
                  frequencies, factor))
    for name, heads, width, dims, theta, style, scaling, frequencies, factor in cases:
        x = random(4, width)
        angles = positions[:, None] * frequencies
        cos, sin = factor * angles.cos(), factor * angles.sin()
        whole = torch.cat([cos, sin], -1)
        y = rotate(x, cos, sin, heads, style)
        of_rope, of_table = scaled if name in ("llama3", "yarn") else (rope, table)
        of_rope.case(name, f"%r0 = nn.rope %x at %p heads {heads} dims {dims} theta {theta:e} {style} {scaling} : "
                  f"{type_of(x)}, {type_of(positions)}", {"x": x, "p": positions}, y)
        of_table.case(name, f"%r0 = nn.rope_table %p dims {dims} theta {theta:e} {scaling} : {type_of(positions)} -> "
                   f"{type_of(whole)}", {"p": positions}, whole)
        whole = whole.float().double()
        y = rotate(x, whole[:, : dims // 2], whole[:, dims // 2 :], heads, style)
        turn.case(name, f"%r0 = nn.rotate %x by %t heads {heads} {style} : {type_of(x)}, {type_of(whole)}",
                  {"x": x, "t": whole}, y)
    for file in (rope, table, turn, *scaled):
        file.write()


def attend(q, k, v, heads, kv_heads, scale, seen, softcap=None, alibi=None, bias=None, qpos=None, kpos=None):
    """seen [queries, keys]; bias [heads, queries, keys]."""
    split = lambda x, n: x.reshape(x.shape[0], n, -1).transpose(0, 1)
    q, k, v = split(q, heads), split(k, kv_heads), split(v, kv_heads)
    k, v = (x.repeat_interleave(heads // kv_heads, 0) for x in (k, v))
    scores = scale * q @ k.transpose(1, 2)
    if softcap:
        scores = softcap * torch.tanh(scores / softcap)
    qpos = torch.arange(q.shape[1]) if qpos is None else qpos
    kpos = torch.arange(k.shape[1]) if kpos is None else kpos
    if alibi is not None:
        scores = scores + torch.tensor(alibi)[:, None, None] * (kpos[None, None, :] - qpos[None, :, None])
    if bias is not None:
        scores = scores + bias
    scores = scores.masked_fill(~seen, -torch.inf)
    return (torch.softmax(scores, -1) @ v).transpose(0, 1).reshape(q.shape[1], -1)


def write_attention():
    file = TestFile("attention")
    rows, dim = 5, 3
    i, j = torch.arange(rows)[:, None], torch.arange(rows)[None, :]
    everything = torch.ones(rows, rows, dtype=torch.bool)
    segments = torch.tensor([0, 0, 1, 1, 1]).int()
    same = segments[:, None] == segments[None, :]
    bias = random(4, rows, rows)
    slopes = [0.5, 0.25, 0.125, 0.0625]
    cases = [
        ("full", 2, 2, "", everything, {}), ("causal", 2, 2, " causal", j <= i, {}),
        ("grouped", 4, 2, " causal", j <= i, {}), ("multi_query", 3, 1, " causal", j <= i, {}),
        ("window", 2, 1, " causal window 2", (j <= i) & (i - j < 2), {}),
        ("one_sided_window", 2, 1, " window 2", i - j < 2, {}),
        ("softcap", 2, 2, " causal softcap 0.5", j <= i, {"softcap": 0.5}),
        ("alibi", 4, 2, f" causal alibi {slopes}", j <= i, {"alibi": slopes}),
        ("bias", 4, 2, "", everything, {"bias": bias}), ("segments", 2, 2, " causal", same & (j <= i), {}),
        ("packed", 2, 2, "", same, {}),
    ]
    for name, heads, kv_heads, flags, seen, more in cases:
        q, k, v = random(rows, heads * dim), random(rows, kv_heads * dim), random(rows, kv_heads * dim)
        y = attend(q, k, v, heads, kv_heads, 0.6, seen, **more)
        inputs, operands = {"q": q, "k": k, "v": v}, "%q, %k, %v"
        if name in ("segments", "packed"):
            inputs["s"] = segments
            operands += f" segments %s : {type_of(segments)}"
        if "bias" in more:
            inputs["b"] = bias.reshape(-1, rows)
            operands += f" bias %b : {type_of(inputs['b'])}"
        file.case(name, f"%r0 = nn.attention {operands} heads {heads} kv_heads {kv_heads} scale 0.6{flags} : "
                  f"{type_of(q)}, {type_of(k)}, {type_of(v)} -> {type_of(y)}", inputs, y)
    # Cross attention with values of another size than keys.
    q, k, v = random(2, 6), random(7, 6), random(7, 10)
    y = attend(q, k, v, 2, 2, 0.4, torch.ones(2, 7, dtype=torch.bool))
    file.case("cross", f"%r0 = nn.attention %q, %k, %v heads 2 kv_heads 2 scale 0.4 : {type_of(q)}, {type_of(k)}, "
              f"{type_of(v)} -> {type_of(y)}", {"q": q, "k": k, "v": v}, y)
    file.write()

    file = TestFile("cached_attention")
    slopes = [0.5, 0.25, 0.125, 0.0625]
    cases = [
        ("causal", 4, 2, " causal", lambda p, j: j <= p, {}), ("all", 2, 2, "", lambda p, j: j > -1, {}),
        ("window", 2, 1, " causal window 3", lambda p, j: (j <= p) & (p - j < 3), {}),
        ("softcap", 2, 2, " causal softcap 0.5", lambda p, j: j <= p, {"softcap": 0.5}),
        ("alibi", 4, 1, f" causal alibi {slopes}", lambda p, j: j <= p, {"alibi": slopes}),
    ]
    for name, heads, kv_heads, flags, seen, more in cases:
        # Three positions, then two more; the queries are in another order than the keys.
        k, v, q = random(5, kv_heads * dim), random(5, kv_heads * dim), random(3, heads * dim)
        p0, p1, qp = torch.tensor([0, 1, 2]).int(), torch.tensor([4, 3]).int(), torch.tensor([4, 0, 3]).int()
        kp = torch.cat([p0, p1])
        y = attend(q, k, v, heads, kv_heads, 0.6, seen(qp[:, None].long(), kp[None, :].long()), qpos=qp, kpos=kp, **more)
        cache = f"!nn.kv_cache<{kv_heads}x{dim}xf32>"
        kv3, kv2 = f"tensor<3x{kv_heads * dim}xf32>", f"tensor<2x{kv_heads * dim}xf32>"
        file.case(name, f"""
            %c0 = nn.empty_cache : {cache}
            %c1 = nn.cache_append %c0, %k0, %v0 at %p0 : {cache}, {kv3}, {kv3}, tensor<3xi32>
            %c2 = nn.cache_append %c1, %k1, %v1 at %p1 : {cache}, {kv2}, {kv2}, tensor<2xi32>
            %r0 = nn.cached_attention %q, %c2 at %qp heads {heads} kv_heads {kv_heads} scale 0.6{flags} : {type_of(q)}, {cache}, tensor<3xi32> -> {type_of(y)}
            """, {"k0": k[:3], "v0": v[:3], "k1": k[3:], "v1": v[3:], "p0": p0, "p1": p1, "q": q, "qp": qp}, y)
    file.write()

    # A second append at a position replaces the first, and the cache rounds to its type.
    file = TestFile("cache_append")
    k, v, q, p = random(2, 3), random(2, 3), random(1, 3), torch.tensor([0]).int()
    for element, rounded in (("f32", lambda x: x), ("bf16", lambda x: x.bfloat16().double()), ("f16", lambda x: x.half().double())):
        y = attend(q, rounded(k[1:]), rounded(v[1:]), 1, 1, 1.0, torch.ones(1, 1, dtype=torch.bool))
        cache = f"!nn.kv_cache<1x3x{element}>"
        file.case(f"replace_{element}", f"""
            %c0 = nn.empty_cache : {cache}
            %c1 = nn.cache_append %c0, %k0, %v0 at %p : {cache}, tensor<1x3xf32>, tensor<1x3xf32>, tensor<1xi32>
            %c2 = nn.cache_append %c1, %k1, %v1 at %p : {cache}, tensor<1x3xf32>, tensor<1x3xf32>, tensor<1xi32>
            %r0 = nn.cached_attention %q, %c2 at %p heads 1 kv_heads 1 scale 1.0 causal : {type_of(q)}, {cache}, tensor<1xi32> -> {type_of(y)}
            """, {"k0": k[:1], "v0": v[:1], "k1": k[1:], "v1": v[1:], "p": p, "q": q}, y)
    file.write()


def write_empty_cache():
    # No key is seen, so nothing is what attention gives.
    file = TestFile("empty_cache", tolerance="0")
    q, p = random(3, 6), torch.tensor([0, 1, 4]).int()
    cache = "!nn.kv_cache<1x3xf32>"
    file.case("empty", f"""
        %c = nn.empty_cache : {cache}
        %r0 = nn.cached_attention %q, %c at %p heads 2 kv_heads 1 scale 1.0 : {type_of(q)}, {cache}, tensor<3xi32> -> {type_of(q)}
        """, {"q": q, "p": p}, torch.zeros(3, 6))
    file.write()


def write_layout():
    file = TestFile("split", tolerance="0")
    x = random(3, 9)
    file.case("split", f"%r0, %r1, %r2 = nn.split %x : {type_of(x)} -> tensor<3x5xf32>, tensor<3x1xf32>, tensor<3x3xf32>",
              {"x": x}, list(x.split([5, 1, 3], 1)))
    file.write()

    file = TestFile("concat", tolerance="0")
    a, b, u, v = random(2, 3), random(1, 3), random(2), random(3)
    file.case("matrices", f"%r0 = nn.concat %a, %b, %a : {type_of(a)}, {type_of(b)}, {type_of(a)} -> tensor<5x3xf32>",
              {"a": a, "b": b}, torch.cat([a, b, a]))
    file.case("vectors", f"%r0 = nn.concat %u, %v : {type_of(u)}, {type_of(v)} -> tensor<5xf32>", {"u": u, "v": v},
              torch.cat([u, v]))
    i, j = torch.tensor([1, -2]).int(), torch.tensor([3]).int()
    file.case("integers", "%r0 = nn.concat %i, %j : tensor<2xi32>, tensor<1xi32> -> tensor<3xi32>", {"i": i, "j": j},
              torch.cat([i, j]))
    file.write()

    # A head of six, whose first four dimensions rotate interleaved, and two heads of three.
    file = TestFile("align_heads", tolerance="0")
    w = random(12, 3)
    order = [0, 2, -1, 1, 3, -1, 4, 5, -1, 6, 7, 8, 9, 10, 11]
    padded = torch.cat([w, torch.zeros(1, 3)])[order]
    file.case("align", "%r0 = nn.align_heads %w lanes 3 segments [1, 6, 4, 1, 2, 3, 0, 0] : tensor<12x3xf32> -> "
              "tensor<15x3xf32>", {"w": w}, padded)
    file.write()

    file = TestFile("select_rows", tolerance="0")
    x, rows = random(5, 3), torch.tensor([4, 1, 1]).int()
    file.case("select", f"%r0 = nn.select_rows %x, %rows : {type_of(x)}, {type_of(rows)} -> tensor<3x3xf32>",
              {"x": x, "rows": rows}, x[rows.long()])
    file.write()


def write_convert():
    file = TestFile("convert", tolerance="0")

    def through(name, element, x, y):
        file.case(name, f"%c = nn.convert %x : {type_of(x)} -> {type_of(x, element)}\n"
                  f"%r0 = nn.convert %c : {type_of(x, element)} -> {type_of(x)}", {"x": x}, y)

    ties = torch.tensor([[1.00390625, 1.01171875, -1.00390625, 1.00048828125, 1.00146484375, 0.0, 65504.0, 6e-8, 3e-8]])
    x = torch.cat([random(2, 9), ties]).float().double()
    through("bf16", "bf16", x, x.bfloat16().double())
    through("f16", "f16", x, x.half().double())
    through("f64", "f64", x, x)
    x = random(2, 96)
    x[0, 32:64] = 0  # a block of zeros
    for name in ("Q8_0", "Q4_0", "Q4_1"):
        kind = GGMLQuantizationType[name]
        y = quants.dequantize(quants.quantize(np.ascontiguousarray(x.numpy().astype(np.float32)), kind), kind)
        through(name.lower(), f"!nn.block<{name.lower()}>", x, torch.from_numpy(y).double())
    file.write()


def write_structure():
    file = TestFile("fusion")
    x, n, w = random(3, 7), random(7), random(5, 7)
    y = F.silu(F.linear(F.rms_norm(x, (7,), n, 1e-5), w))
    file.case("fusion", f"""
        %r0 = nn.fusion(%a = %x, %b = %n, %c = %w) : ({type_of(x)}, {type_of(n)}, {type_of(w)}) -> {type_of(y)} {{
          %0 = nn.rms_norm %a, %b epsilon 1.0e-5 : {type_of(x)}, {type_of(n)}
          %1 = nn.linear %0, %c : {type_of(x)}, {type_of(w)} -> {type_of(y)}
          %2 = nn.silu %1 : {type_of(y)}
          nn.yield %2 : {type_of(y)}
        }}""", {"x": x, "n": n, "w": w}, y)
    file.write()

    file = TestFile("load", tolerance="0")
    a, b = random(2, 3), random(1, 3)
    file.case("derived", "%r0 = nn.load @joined : tensor<3x3xf32>", {}, torch.cat([a, b]), module=f"""\
nn.param @a : {type_of(a)} = {{
  %0 = arith.constant {literal(a)}
  nn.yield %0 : {type_of(a)}
}}
nn.param @b : {type_of(b)} = {{
  %0 = arith.constant {literal(b)}
  nn.yield %0 : {type_of(b)}
}}
nn.param @joined : tensor<3x3xf32> = {{
  %0 = nn.load @a : {type_of(a)}
  %1 = nn.load @b : {type_of(b)}
  %2 = nn.concat %0, %1 : {type_of(a)}, {type_of(b)} -> tensor<3x3xf32>
  nn.yield %2 : tensor<3x3xf32>
}}
""")
    file.write()

    file = TestFile("call", tolerance="0")
    x = random(2, 3)
    file.case("call", f"""
        %0, %1 = func.call @twice(%x, %x) : ({type_of(x)}, {type_of(x)}) -> ({type_of(x)}, {type_of(x)})
        %r0, %r1 = func.call @twice(%0, %1) : ({type_of(x)}, {type_of(x)}) -> ({type_of(x)}, {type_of(x)})""",
              {"x": x}, [4 * x, 0.25 * x], module=f"""\
func.func private @twice(%a: {type_of(x)}, %b: {type_of(x)}) -> ({type_of(x)}, {type_of(x)}) {{
  %0 = nn.scale %a by 2.0 : {type_of(x)}
  %1 = nn.scale %b by 0.5 : {type_of(x)}
  return %0, %1 : {type_of(x)}, {type_of(x)}
}}
""")
    file.write()


def write_experts():
    file = TestFile("experts")
    for name, experts, top_k, width, inner in (("mixtral", 4, 2, 6, 5), ("one", 3, 1, 3, 7)):
        config = MixtralConfig(num_local_experts=experts, num_experts_per_tok=top_k, hidden_size=width,
                               intermediate_size=inner, hidden_act="silu", router_jitter_noise=0.0)
        block = MixtralSparseMoeBlock(config).eval()
        with torch.no_grad():
            for parameter in block.parameters():
                parameter.copy_(random(*parameter.shape))
        x = random(5, width)
        with torch.no_grad():
            output = block(x[None])
            y = (output[0] if isinstance(output, tuple) else output).reshape(5, width)
            router = block.gate(x).reshape(5, experts).float().double()
        weights = [torch.cat([getattr(expert, part).weight.detach() for expert in block.experts]) for part in ("w1", "w3", "w2")]
        inputs = dict(zip(("x", "r", "g", "u", "d"), (x, router, *weights)))
        types = ", ".join(map(type_of, inputs.values()))
        file.case(name, f"%r0 = nn.experts %x, %r, %g, %u, %d top_k {top_k} silu renormalize : {types}", inputs, y)
    file.write()

    file = TestFile("relative_position_bias", tolerance="0")
    for name, bidirectional, buckets, heads, largest in (("encoder", True, 32, 2, 128), ("decoder", False, 8, 3, 20)):
        queries = torch.tensor([0, 3, 200], dtype=torch.int32)
        keys = torch.tensor([0, 1, 2, 5, 9, 17, 40, 100, 199, 200, 333], dtype=torch.int32)
        table = random(buckets, heads)
        bucket = T5Attention._relative_position_bucket(keys[None, :] - queries[:, None], bidirectional, buckets, largest)
        y = table[bucket].permute(2, 0, 1).reshape(heads * len(queries), len(keys))
        kind = " bidirectional" if bidirectional else ""
        file.case(name, f"%r0 = nn.relative_position_bias %q, %k, %t max_distance {largest}{kind}"
                        f" : {type_of(queries)}, {type_of(keys)}, {type_of(table)} -> {type_of(y)}",
                  {"q": queries, "k": keys, "t": table}, y)
    file.write()


def write_bias_of_distances():
    torch.manual_seed(20261128)
    # Seven distances: those of keys that lie further off than three are that of three.
    file = TestFile("cached_attention-bias")
    heads, kv_heads, dim, reach = 4, 2, 3, 3
    for name, flags, seen in (("causal", " causal", lambda p, j: j <= p), ("all", "", lambda p, j: j > -1)):
        kp, qp = torch.tensor([0, 1, 2, 3, 4, 5, 6]).int(), torch.tensor([6, 0, 3]).int()
        k, v, q = random(7, kv_heads * dim), random(7, kv_heads * dim), random(3, heads * dim)
        table = random(heads, 2 * reach + 1)
        bias = table[:, (kp[None, :] - qp[:, None]).clamp(-reach, reach).long() + reach]
        y = attend(q, k, v, heads, kv_heads, 0.6, seen(qp[:, None].long(), kp[None, :].long()), bias=bias, qpos=qp, kpos=kp)
        cache = f"!nn.kv_cache<{kv_heads}x{dim}xf32>"
        file.case(name, f"""
            %c0 = nn.empty_cache : {cache}
            %c1 = nn.cache_append %c0, %k, %v at %kp : {cache}, {type_of(k)}, {type_of(v)}, {type_of(kp)}
            %r0 = nn.cached_attention %q, %c1 at %qp bias %b : {type_of(table)} heads {heads} kv_heads {kv_heads} scale 0.6{flags} : {type_of(q)}, {cache}, {type_of(qp)} -> {type_of(y)}
            """, {"k": k, "v": v, "kp": kp, "q": q, "qp": qp, "b": table}, y)
    file.write()


def write_attention_to_sources():
    torch.manual_seed(20261129)
    file = TestFile("attention-sources")
    heads, kv_heads, dim, reach = 4, 2, 3, 2
    i, j = torch.arange(4)[:, None], torch.arange(7)[None, :]
    segments, others = torch.tensor([0, 0, 3, 5]).int(), torch.tensor([0, 0, 0, 1, 3, 3, 5]).int()
    for name in ("key_segments", "by_distance"):
        q, k, v = random(4, heads * dim), random(7, kv_heads * dim), random(7, kv_heads * dim)
        table, bias, seen = random(heads, 2 * reach + 1), None, segments[:, None] == others[None, :]
        if name == "by_distance":
            bias, seen = table[:, (j - i).clamp(-reach, reach) + reach], torch.ones(4, 7, dtype=torch.bool)
            inputs, operands = {"b": table}, f"bias %b : {type_of(table)} by_distance"
        else:
            inputs, operands = {"s": segments, "t": others}, "segments %s : tensor<4xi32> key_segments %t : tensor<7xi32>"
        y = attend(q, k, v, heads, kv_heads, 0.6, seen, bias=bias)
        file.case(name, f"%r0 = nn.attention %q, %k, %v {operands} heads {heads} kv_heads {kv_heads} scale 0.6 : "
                  f"{type_of(q)}, {type_of(k)}, {type_of(v)} -> {type_of(y)}", {"q": q, "k": k, "v": v} | inputs, y)
    file.write()


write_products()
write_normalization()
write_elementwise()
write_rotary()
write_attention()
write_layout()
write_convert()
write_structure()
write_experts()
write_empty_cache()
write_bias_of_distances()
write_attention_to_sources()
