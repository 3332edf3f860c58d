#!/usr/bin/env bash
# Guess: the state_dict of a reparameterized network holds weights that are what the network computes. Where SPAN's 3x3 convolutions
#   have both branches and the one convolution that they are (eval_conv), a reader may take the latter, which is simpler.
# Behaviour: eval_conv is made of the branches in each forward pass in eval mode, and only there. A file that was saved after steps
#   of an optimizer, before the next such pass, has eval_conv of older branches beside the new ones; nothing tells. The network
#   that loads it makes eval_conv anew and gives the branches' result; who reads eval_conv gets another picture.
# Seen 2026-11-30, spandrel 0.4.2, torch 2.15.0, Python 3.11, Linux x86-64; largest difference of one 3x3 convolution's result, by
# what is saved, from what the network that loads the file computes:
#   saved after a pass in eval mode           branches 6.1e-07, eval_conv 6.1e-07; results reach 1.6
#   saved after ten steps of training         branches 8.5e-07, eval_conv 1.8e+00; results reach 2.2
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{ python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: \
  torch==2.15.0 spandrel==0.4.2 safetensors==0.8.0 numpy==2.4.6; } >&2 || exit 2

venv/bin/python - <<'PYTHON'
import sys

import torch
from safetensors.torch import load_file, save_file
from spandrel.architectures.SPAN.__arch.span import SPAN
from torch.nn.functional import conv2d

torch.manual_seed(1)
PREFIX = "block_1.c1_r."


def network():
    return SPAN(num_in_ch=3, num_out_ch=3, feature_channels=16, upscale=2)


def merged(w):
    """The 3x3 convolution that the branches are: 1x1, 3x3 and 1x1 one after the other, and a 1x1 beside them."""
    expand, middle, reduce, beside = (w[PREFIX + k + ".weight"].double() for k in ("conv.0", "conv.1", "conv.2", "sk"))
    weight = torch.einsum("om,mnhw,ni->oihw", reduce[..., 0, 0], middle, expand[..., 0, 0])
    weight[..., 1:2, 1:2] += beside
    bias = middle.sum((2, 3)) @ w[PREFIX + "conv.0.bias"].double() + w[PREFIX + "conv.1.bias"].double()
    bias = reduce[..., 0, 0] @ bias + w[PREFIX + "conv.2.bias"].double() + w[PREFIX + "sk.bias"].double()
    return weight, bias


def judge(name, model):
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, "saved.safetensors")
    saved = load_file("saved.safetensors")
    loaded = network()
    loaded.load_state_dict(saved)
    loaded.eval()
    x = torch.rand(1, 16, 24, 24)
    with torch.no_grad():
        loaded(torch.rand(1, 3, 24, 24))
        truth = loaded.block_1.c1_r(x).double()
        by_branches = conv2d(x.double(), *merged(saved), padding=1)
        stored = saved[PREFIX + "eval_conv.weight"].double(), saved[PREFIX + "eval_conv.bias"].double()
        by_stored = conv2d(x.double(), *stored, padding=1)
    off = [(y - truth).abs().max().item() for y in (by_branches, by_stored)]
    print(f"{name:<41} branches {off[0]:.1e}, eval_conv {off[1]:.1e}; results reach {truth.abs().max().item():.1f}")
    return off


model = network().eval()
with torch.no_grad():
    model(torch.rand(1, 3, 24, 24))
before = judge("saved after a pass in eval mode", model)
model.train()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(10):
    optimizer.zero_grad()
    (model(torch.rand(1, 3, 24, 24)) - 0.5).abs().mean().backward()
    optimizer.step()
after = judge("saved after ten steps of training", model)
sys.exit(0 if max(before) < 1e-5 and after[0] < 1e-5 and after[1] > 1e-3 else 1)
PYTHON
