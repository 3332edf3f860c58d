#!/usr/bin/env bash
# Guess: a processor with AVX512_BF16 multiplies bfloat16 at twice the rate of float32 (vdpbf16ps does two multiply-adds for each of
#   vfmadd's), as Zen 4 does, and a library that takes the instruction is at least as fast as in float32.
# Behaviour: on Intel's from Sapphire Rapids on vdpbf16ps does half as many operations a second as vfmadd. PyTorch's oneDNN takes it
#   (avx512_core_bf16) wherever there is no AMX, as on virtual machines that do not show it, or where AMX is switched off as
#   below: a product of matrices in bfloat16 then takes twice as long as in float32, half the bytes notwithstanding.
# Seen 2026-12-01, PyTorch 2.15.0, one thread, Xeon of family 6, model 207 (Emerald Rapids) that shows avx512_bf16 and no amx_bf16:
#   1024 x 1024 x 1024: float32 139 GFLOP/s, bfloat16 75, 0.54 times as fast
set -euo pipefail

if ! grep -q GenuineIntel /proc/cpuinfo || ! grep -q avx512_bf16 /proc/cpuinfo; then
  echo "this wants an Intel processor with avx512_bf16"
  exit 2
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install --quiet torch==2.15.0 numpy==2.4.6 >&2 || exit 2

cat >"$folder/multiply.py" <<'PYTHON'
import sys
import time

import torch

torch.set_num_threads(1)
SIDE = 1024


def gflops(dtype):
    a, b = (torch.randn(SIDE, SIDE).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - start)
    return 2 * SIDE**3 / min(seconds) / 1e9


full, half = gflops(torch.float32), gflops(torch.bfloat16)
print(f"PyTorch {torch.__version__}: float32 {full:.0f} GFLOP/s, bfloat16 {half:.0f}, {half / full:.2f} times as fast")
sys.exit(half / full > 0.8)
PYTHON
ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 "$folder/venv/bin/python" "$folder/multiply.py" || { echo "this has changed"; exit 1; }
