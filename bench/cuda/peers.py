#!/usr/bin/env python3
"""The network x2 and its training step in PyTorch on a GPU: what this project's figures are compared with.

  peers.py [--ours cuda_network.json] [--json FILE] [--seconds 90] [--commit TEXT]

--ours is what cuda_network_bench wrote; its figures then stand in the same tables. Times are medians by the device's clock,
many calls in a row. A variant that fails or for which no time is left is named with the reason. "sub-pixel" computes the
upsampler as the 9x9 convolution to four phases that it equals; "graph" replays a CUDA graph. Weights are random.
Every row is written as soon as it is measured: what was measured before a cut is there.
"""
import argparse
import json
import os
import statistics
import sys
import time

BATCH, PATCH, TILE = 64, 29, 1024

# name: type, sub-pixel, how (words). Each type's likeliest best and plain PyTorch first, since the time may end.
FORWARD = {
    "fp16 channels_last sub-pixel graph": ("fp16", True, "graph"),
    "tf32 channels_last sub-pixel graph": ("tf32", True, "graph"),
    "fp32 channels_last sub-pixel graph": ("fp32", True, "graph"),
    "fp16 channels_last sub-pixel compile graph": ("fp16", True, "compile graph"),
    "fp32": ("fp32", False, "contiguous"),
    "tf32 channels_last": ("tf32", False, "eager"),
    "fp16 channels_last": ("fp16", False, "eager"),
    "bf16 channels_last": ("bf16", False, "eager"),
    "bf16 channels_last sub-pixel compile": ("bf16", True, "compile"),
    "fp16 channels_last sub-pixel compile": ("fp16", True, "compile"),
}
# By itself at the end: nothing bounds how long it takes.
AUTOTUNED = {"fp16 channels_last sub-pixel max-autotune": ("fp16", True, "max-autotune")}
TRAINING = {
    "bf16 autocast channels_last sub-pixel graph": ("bf16", True, "graph"),
    "tf32 channels_last sub-pixel graph": ("tf32", True, "graph"),
    "fp32 sub-pixel graph": ("fp32", True, "graph"),
    "bf16 autocast channels_last sub-pixel compile graph": ("bf16", True, "compile graph"),
    "tf32 channels_last sub-pixel compile graph": ("tf32", True, "compile graph"),
    "tf32 channels_last": ("tf32", False, "eager"),
    "bf16 autocast channels_last": ("bf16", False, "eager"),
    "fp32 sub-pixel compile graph": ("fp32", True, "compile graph"),
    "bf16 autocast channels_last sub-pixel compile": ("bf16", True, "compile"),
    "tf32 channels_last compile": ("tf32", False, "compile"),
}

def build(torch, sub_pixel):
    nn = torch.nn

    def conv(i, o, groups=1, k=3):
        return nn.Sequential(nn.Conv2d(i, o, k, padding=k // 2, groups=groups), nn.LeakyReLU(0.05))

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(conv(64, 48), conv(48, 32, 4), conv(32, 64))
            self.second = nn.Sequential(conv(48, 64), conv(64, 48, 4), conv(48, 80))
            self.compress = conv(80, 64, k=1)

        def forward(self, x):
            t = self.first(x)
            return self.compress(self.second(t[:, 16:]) + torch.cat((x, t[:, :16]), 1))

    up = nn.ConvTranspose2d(64, 1, 17, stride=2, padding=8, output_padding=1)
    if sub_pixel:
        up = nn.Sequential(nn.Conv2d(64, 4, 9, padding=4), nn.PixelShuffle(2))
    model = nn.Sequential(conv(1, 64), conv(64, 64), Block(), Block(), Block(), Block(), up)
    assert sub_pixel or sum(p.numel() for p in model.parameters()) == 552769
    return model


def recorded(torch, work):
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(5):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def milliseconds(torch, work, seconds=0.6):
    """Median over repetitions of several calls in a row, and how many repetitions."""
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    calls = 10
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    times, stop = [], time.perf_counter() + seconds
    while len(times) < 5 or (time.perf_counter() < stop and len(times) < 200):
        begin.record()
        for _ in range(calls):
            work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / calls)
        if times[-1] > 30:
            calls = 1
    return statistics.median(times), len(times)


def compiled(torch, model, how):
    """For the one shape that follows: PyTorch makes code for any shape once it has seen a second one."""
    if "compile" in how:
        return torch.compile(model, dynamic=False)
    if how == "max-autotune":
        return torch.compile(model, dynamic=False, mode="max-autotune")
    return model


def set_tf32(torch, on):
    torch.backends.cuda.matmul.allow_tf32 = on
    torch.backends.cudnn.allow_tf32 = on


def forward(torch, kind, sub_pixel, how):
    set_tf32(torch, kind != "fp32")
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(kind, torch.float32)
    layout = torch.contiguous_format if how == "contiguous" else torch.channels_last
    model = build(torch, sub_pixel).cuda().to(dtype).to(memory_format=layout).eval()
    x = torch.randn(1, 1, TILE, TILE, device="cuda", dtype=dtype).contiguous(memory_format=layout)
    f = compiled(torch, model, how)
    with torch.no_grad():
        work = recorded(torch, lambda: f(x)) if "graph" in how else lambda: f(x)
        ms, n = milliseconds(torch, work)
    return {"ms_per_megapixel": ms * 2**20 / TILE**2, "repetitions": n}


def training(torch, kind, sub_pixel, how):
    set_tf32(torch, kind != "fp32")
    model = build(torch, sub_pixel).cuda().to(memory_format=torch.channels_last)
    x = torch.randn(BATCH, 1, PATCH, PATCH, device="cuda").contiguous(memory_format=torch.channels_last)
    y = torch.randn(BATCH, 1, 2 * PATCH, 2 * PATCH, device="cuda")
    adam = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True, capturable="graph" in how)
    f = compiled(torch, model, how)

    def step():
        adam.zero_grad(set_to_none=True)
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=kind == "bf16", cache_enabled="graph" not in how):
            loss = torch.nn.functional.l1_loss(f(x).float(), y)
        loss.backward()
        adam.step()

    ms, n = milliseconds(torch, recorded(torch, step) if "graph" in how else step)
    return {"ms": ms, "repetitions": n}


def measured(torch, what, name, variant, end):
    row = {"name": name}
    if time.perf_counter() > end:
        row["error"] = "no time was left"
        return row
    print(f"{what.__name__}: {name}", file=sys.stderr, flush=True)
    try:
        torch.compiler.reset()  # beyond a number of compiled shapes, nothing is compiled any more
        row.update(what(torch, *variant))
    except Exception as e:  # whatever PyTorch cannot do here is a row of the table
        row["error"] = (str(e).strip() or type(e).__name__).splitlines()[0][:120]
    torch.cuda.empty_cache()
    return row


def ours(path):
    """Rows of cuda_network_bench: x2 only, the tile of the same size."""
    if not path:
        return [], []
    with open(path) as f:
        result = json.load(f)
    tiles = [{"name": f"ours {r['precision']}", "ms_per_megapixel": r["ms_per_megapixel"]}
             for r in result["network"] if r["factor"] == 2 and r["side"] == TILE]
    steps = [{"name": f"ours {r['precision']}", "ms": r["ms"]} for r in result["training"] if r["factor"] == 2]
    return tiles, steps


def save(result, path):
    if not path:
        return
    with open(path + ".part", "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    os.replace(path + ".part", path)


def print_row(r, key, best):
    if key in r:
        print(f"| {r['name']} | {r[key]:.2f} | {f'{r[key] / best:.2f}' if best else ''} |", flush=True)
    else:
        print(f"| {r['name']} | | {r['error']} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", help="what cuda_network_bench wrote")
    parser.add_argument("--json", help="write the figures here")
    parser.add_argument("--seconds", type=float, default=90, help="begin no variant after so long")
    parser.add_argument("--commit", default="")
    args = parser.parse_args()
    try:
        import torch
    except ImportError:
        sys.exit("peers.py: error: this Python has no torch")
    if not torch.cuda.is_available():
        sys.exit("peers.py: error: torch finds no GPU")
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.benchmark_limit = 0  # all algorithms, not the first ten
    start = time.perf_counter()
    tiles, steps = ours(args.ours)
    result = {"commit": args.commit, "torch": torch.__version__, "cudnn": torch.backends.cudnn.version(),
              "device": torch.cuda.get_device_name(), "network": [], "training": []}
    print(f"PyTorch {result['torch']}, cuDNN {result['cudnn']}, {result['device']}")

    def measure(part, title, key, mine, what, variants, seconds):
        best = min((r[key] for r in mine), default=None)
        print(f"\n| {title} | ms | / our best |\n|---|---|---|")
        for row in mine:
            print_row(row, key, best)
        for name, variant in variants.items():
            row = measured(torch, what, name, variant, start + seconds)
            print_row(row, key, best)
            result[part].append(row)
            save(result, args.json)

    network = f"network x2, {TILE}x{TILE}, a low-resolution megapixel"
    # Training gets what the tiles leave, half the time at least.
    measure("network", network, "ms_per_megapixel", tiles, forward, FORWARD, args.seconds / 2)
    measure("training", f"training step x2, {BATCH} x {PATCH}x{PATCH}", "ms", steps, training, TRAINING, args.seconds)
    measure("network", network, "ms_per_megapixel", tiles, forward, AUTOTUNED, args.seconds)


if __name__ == "__main__":
    main()
