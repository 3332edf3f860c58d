#!/usr/bin/env bash
# Guess: pnnx, ncnn's converter, either turns a transposed convolution of ONNX into ncnn's Deconvolution or fails.
# Behaviour: if its padding at the beginning differs from that at the end, which onnx.checker and onnxruntime take, pnnx says
#   "todo ConvTranspose" among its other lines, ends with status 0 and writes files in which the layer keeps ONNX's name. ncnn
#   has no such layer: the network cannot be loaded. With equal padding and the surplus line cut off by Slice it can.
# Seen 2026-11-29, pnnx 20261020, ncnn 1.0.20261020, onnx 1.23.2, Python 3.11, Linux x86-64:
#   pads [1, 1, 2, 2]: status 0, says ['todo ConvTranspose'], layers ['Input', 'MemoryData', 'ConvTranspose'], load_param -1
#   pads [1, 1, 1, 1], then Slice: status 0, says [], layers ['Input', 'Deconvolution', 'Crop'], load_param 0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{ python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: \
  numpy==2.4.6 onnx==1.23.2 pnnx==20261020 ncnn==1.0.20261020; } >&2 || exit 2

venv/bin/python - <<'PYTHON'
import subprocess
import sys

import ncnn
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

KERNEL, STRIDE = 5, 2


def write(path, pads, cut):
    """To twice the size: (in - 1) * 2 + 5 - 3, padded by 1 and 2; or padded by 1 and 1, and a line cut off."""
    weight = numpy_helper.from_array(np.ones((3, 1, KERNEL, KERNEL), "float32"), "w")
    nodes = [helper.make_node("ConvTranspose", ["x", "w"], ["whole" if cut else "y"], kernel_shape=[KERNEL] * 2,
                              strides=[STRIDE] * 2, pads=pads)]
    constants = [weight]
    if cut:
        for name, values in ("begin", [0, 0]), ("end", [-1, -1]), ("axes", [2, 3]):
            constants.append(numpy_helper.from_array(np.array(values, "int64"), name))
        nodes.append(helper.make_node("Slice", ["whole", "begin", "end", "axes"], ["y"]))
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 16, 16])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def converted(name, pads, cut):
    write(name + ".onnx", pads, cut)
    run = subprocess.run(["venv/bin/pnnx", name + ".onnx", "inputshape=[1,3,8,8]"], capture_output=True, text=True)
    said = [line for line in (run.stdout + run.stderr).splitlines() if "todo" in line or "not supported" in line]
    layers = [line.split()[0] for line in open(name + ".ncnn.param").read().splitlines()[2:]]
    loaded = ncnn.Net().load_param(name + ".ncnn.param")
    print(f"pads {pads}{', then Slice' if cut else ''}: status {run.returncode}, says {said}, layers {layers}, load_param {loaded}")
    return run.returncode, layers, loaded


status, layers, loaded = converted("unequal", [1, 1, 2, 2], False)
as_stated = status == 0 and "ConvTranspose" in layers and loaded != 0
status, layers, loaded = converted("equal", [1, 1, 1, 1], True)
as_stated &= status == 0 and "Deconvolution" in layers and loaded == 0
sys.exit(0 if as_stated else 1)
PYTHON
