"""Llama 3 8B's shape in PyTorch with random weights in bf16, eager and compiled block by block: a prompt, and single tokens replayed as a
CUDA graph. Prints one JSON object a result, as gpu-check bench does for artifacts."""

import json
import time

import torch
import torch.nn.functional as F

WIDTH, LAYERS, HEADS, KV_HEADS, SIZE, INNER, VOCABULARY = 4096, 32, 32, 8, 128, 14336, 128256


def weight(outputs, inputs):
    return torch.randn(outputs, inputs, device="cuda", dtype=torch.bfloat16) * 0.02


class Model:
    def __init__(self):
        self.table, self.head = weight(VOCABULARY, WIDTH), weight(VOCABULARY, WIDTH)
        self.norm = torch.ones(WIDTH, device="cuda", dtype=torch.bfloat16)
        self.layers = [(weight((HEADS + 2 * KV_HEADS) * SIZE, WIDTH), weight(WIDTH, HEADS * SIZE), weight(2 * INNER, WIDTH),
                        weight(WIDTH, INNER)) for _ in range(LAYERS)]

    def run(self, block, tokens, angles, caches=None, position=None, mask=None):
        x = self.table[tokens]
        for index, layer in enumerate(self.layers):
            x = block(x, self.norm, layer, angles, caches[index] if caches else None, position, mask)
        return F.rms_norm(x[-1:], (WIDTH,), self.norm, 1e-5) @ self.head.t()


def rotate(x, angles):
    (cosine, sine), (a, b) = angles, x.chunk(2, -1)
    return torch.cat((a * cosine - b * sine, a * sine + b * cosine), -1)


def layer_block(x, norm, layer, angles, cache, position, mask):
    merged, output, gated, down = layer
    rows = x.shape[0]
    parts = (F.rms_norm(x, (WIDTH,), norm, 1e-5) @ merged.t()).split([HEADS * SIZE, KV_HEADS * SIZE, KV_HEADS * SIZE], -1)
    query, key, value = (part.view(rows, -1, SIZE).transpose(0, 1) for part in parts)
    query, key = rotate(query, angles), rotate(key, angles)
    if cache is not None:
        cache[0].index_copy_(1, position, key)
        cache[1].index_copy_(1, position, value)
        key, value = cache
    mixed = F.scaled_dot_product_attention(query[None], key[None], value[None], attn_mask=mask, is_causal=cache is None, enable_gqa=True)
    x = x + mixed[0].transpose(0, 1).reshape(rows, HEADS * SIZE) @ output.t()
    gate, up = (F.rms_norm(x, (WIDTH,), norm, 1e-5) @ gated.t()).chunk(2, -1)
    return x + (F.silu(gate) * up) @ down.t()


def angles_of(positions):
    frequencies = 500000.0 ** (-torch.arange(0, SIZE, 2, device="cuda").float() / SIZE)
    angles = positions.float()[:, None] * frequencies
    return angles.cos().bfloat16(), angles.sin().bfloat16()


def seconds_of(work, count):
    for _ in range(2):
        work()
    torch.cuda.synchronize()
    start = time.time()
    for _ in range(count):
        work()
    torch.cuda.synchronize()
    return (time.time() - start) / count


def decode_seconds(model, block, depth):
    context = depth + 64
    caches = [tuple(torch.zeros(KV_HEADS, context, SIZE, device="cuda", dtype=torch.bfloat16) for _ in range(2)) for _ in range(LAYERS)]
    position = torch.tensor([depth], device="cuda")
    mask = (torch.arange(context, device="cuda") <= depth)[None, None, None, :]
    token = torch.randint(0, VOCABULARY, (1,), device="cuda")
    angles = angles_of(position)

    def step():
        model.run(block, token, angles, caches, position, mask)

    for _ in range(3):
        step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return seconds_of(graph.replay, 30)


def main():
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    model = Model()
    for kind in ["eager", "torch.compile"]:
        block = layer_block if kind == "eager" else torch.compile(layer_block, dynamic=False)
        tokens = torch.randint(0, VOCABULARY, (4096,), device="cuda")
        angles = angles_of(torch.arange(4096, device="cuda"))
        result = {"peer": f"PyTorch {torch.__version__}, {kind}",
                  "prompt_tokens_per_second": round(4096 / seconds_of(lambda: model.run(block, tokens, angles), 3), 1)}
        for depth in [128, 8000]:
            result[f"decode_{depth}_tokens_per_second"] = round(1 / decode_seconds(model, block, depth), 2)
        print(json.dumps(result), flush=True)


main()
