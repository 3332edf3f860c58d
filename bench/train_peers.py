#!/usr/bin/env python3
"""A training step (forward, L1, backward, Adam) of this project and of PyTorch, in turns, on the same work.

  python3 -m venv /tmp/peers && /tmp/peers/bin/pip install torch numpy
  python3 bench/train_peers.py --torch-python /tmp/peers/bin/python [--bench build/release/bin/train_bench]
                               [--batch 16] [--size 24] [--threads 2] [--rounds 3] [--json FILE]

Each contender runs in a process of its own, the contenders one after another in every round, so that what others
do on the machine meets all alike. Ours is checked against double-precision loops by the benchmark itself. Times
are the best of a round's steps by the wall clock and by CPU time per thread; the table shows the median of the
rounds. Memory is the process's largest resident set, and in brackets how much of it PyTorch takes before the network.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

MULTIPLY_ADDS = 551040  # of a forward pass for each low-resolution pixel

TORCH_STEP = r"""
import json, resource, sys, time
import torch
from torch import nn
import torch.nn.functional as F

batch, size, threads, layout, seconds = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], float(sys.argv[5])
bf16 = sys.argv[6] == "bf16"
torch.set_num_threads(threads)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def conv(i, o, groups=1, k=3):
    return nn.Sequential(nn.Conv2d(i, o, k, padding=k // 2, groups=groups), nn.LeakyReLU(0.05, inplace=True))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(conv(64, 48), conv(48, 32, 4), conv(32, 64))
        self.second = nn.Sequential(conv(48, 64), conv(64, 48, 4), conv(48, 80))
        self.compress = conv(80, 64, k=1)

    def forward(self, x):
        t = self.first(x)
        return self.compress(self.second(t[:, 16:]) + torch.cat((x, t[:, :16]), 1))


model = nn.Sequential(conv(1, 64), conv(64, 64), Block(), Block(), Block(), Block(),
                      nn.ConvTranspose2d(64, 1, 17, stride=2, padding=8, output_padding=1))
assert sum(p.numel() for p in model.parameters()) == 552769
memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
model = model.to(memory_format=memory_format)
x = torch.randn(batch, 1, size, size).contiguous(memory_format=memory_format)
y = torch.randn(batch, 1, 2 * size, 2 * size)
adam = torch.optim.Adam(model.parameters(), lr=1e-4)


def step():
    adam.zero_grad(set_to_none=True)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        result = model(x)
    F.l1_loss(result.float(), y).backward()
    adam.step()


for _ in range(3):
    step()
wall, cpu, end = [], [], time.time() + seconds
while time.time() < end or len(wall) < 5:
    w, c = time.perf_counter(), time.process_time()
    step()
    wall.append(time.perf_counter() - w)
    cpu.append((time.process_time() - c) / threads)
print(json.dumps({"wall_s": min(wall), "cpu_s": min(cpu), "steps": len(wall),
                  "libraries_mb": before, "version": torch.__version__}))
"""


def run(command, threads, policy):
    """Standard output of the command, and its largest resident set in MB. Policy "short": threads wait actively for
    microseconds, as this project's programs have them do by themselves."""
    waiting = {"GOMP_SPINCOUNT": "1000"} if policy == "short" else {"OMP_WAIT_POLICY": policy}
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), **waiting)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=env, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"train_peers.py: error: {command[0]} ended with {process.returncode}")
        output.seek(0)
        return output.read().decode(), usage.ru_maxrss * 1024 / 1e6


def ours(args, policy, bf16=""):
    simd = bf16 or args.simd
    name = f"train_step{'_bf16' if bf16 else ''}/x2/{args.batch}_of_{args.size}x{args.size}/{simd}/{args.threads}_threads"
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        # Repetitions of about one step each, of which the best counts, as for the peer.
        _, memory = run([args.bench, f"--benchmark_filter=^{name}/", "--benchmark_min_time=0.01",
                         f"--benchmark_repetitions={args.steps}", f"--benchmark_out={out.name}",
                         "--benchmark_out_format=json"], args.threads, policy)
        runs = [b for b in json.load(open(out.name))["benchmarks"] if b["run_type"] == "iteration"]
    if not runs:
        sys.exit(f"train_peers.py: error: {args.bench} has no benchmark {name}")
    for r in runs:
        if r.get("error_occurred"):
            sys.exit(f"train_peers.py: error: {name}: {r['error_message']}")
    return {"wall_s": min(r["real_time"] for r in runs) / 1e3,
            "cpu_s": min(r["cpu_time"] for r in runs) / 1e3 / args.threads,
            "peak_gflops": max(r["peak_gflops"] for r in runs), "memory_mb": memory}


def torch(args, layout, policy, precision="fp32"):
    text, memory = run([args.torch_python, "-c", TORCH_STEP, str(args.batch), str(args.size), str(args.threads),
                        layout, str(args.seconds), precision], args.threads, policy)
    return dict(json.loads(text.splitlines()[-1]), memory_mb=memory)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", required=True, help="a Python that has torch")
    parser.add_argument("--bench", default="build/release/bin/train_bench")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=24)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--simd", default="avx512" if "avx512f" in open("/proc/cpuinfo").read() else "avx2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20, help="ours, a round")
    parser.add_argument("--seconds", type=float, default=8, help="PyTorch's, a round")
    parser.add_argument("--json", help="append the results of all rounds here, one line")
    args = parser.parse_args()

    contenders = {f"ours, {policy}": lambda p=policy: ours(args, p) for policy in ("short", "active")}
    for layout in ("channels_last", "contiguous"):
        for policy in ("passive", "active"):
            contenders[f"PyTorch, {layout}, {policy}"] = lambda a=layout, p=policy: torch(args, a, p)
    flags = open("/proc/cpuinfo").read()
    way = "amx" if "amx_bf16" in flags else "avx512_bf16" if "avx512_bf16" in flags else ""
    if way:
        for policy in ("short", "active"):
            contenders[f"ours, bf16, {policy}"] = lambda p=policy: ours(args, p, way)
        for policy in ("passive", "active"):
            contenders[f"PyTorch, channels_last, bf16, {policy}"] = \
                lambda p=policy: torch(args, "channels_last", p, "bf16")
    results = {name: [] for name in contenders}
    for _ in range(args.rounds):
        for name, contender in contenders.items():
            results[name].append(contender())
            print(f"{name}: {results[name][-1]}", file=sys.stderr)

    def median(name, key):
        return statistics.median(r[key] for r in results[name])

    peak = max(r["peak_gflops"] for name in results for r in results[name] if "peak_gflops" in r)
    version = next(r["version"] for r in results["PyTorch, contiguous, passive"])
    operations = 6 * MULTIPLY_ADDS * args.batch * args.size ** 2
    best = min(median(n, "cpu_s") for n in results if n.startswith("ours"))
    print(f"{args.batch} x {args.size}x{args.size}, x2, {args.threads} threads, PyTorch {version}; "
          f"peak {peak:.0f} GFLOP/s, a step counted as {operations * 1e-9:.1f} GFLOP\n")
    print("| | s, wall | s, CPU per thread | x peak, CPU | time / ours, CPU | memory, MB |\n|---|---|---|---|---|---|")
    for name in results:
        cpu = median(name, "cpu_s")
        libraries = f" ({median(name, 'libraries_mb'):.0f})" if name.startswith("PyTorch") else ""
        print(f"| {name} | {median(name, 'wall_s'):.3f} | {cpu:.3f} | {operations * 1e-9 / cpu / peak:.2f} "
              f"| {cpu / best:.2f} | {median(name, 'memory_mb'):.0f}{libraries} |")
    if args.json:
        with open(args.json, "a") as f:
            f.write(json.dumps({"arguments": vars(args), "results": results}) + "\n")


main()
