"""One turn of a peer of cpu_peers.py, which calls it with the Python that has the peers: cpu_peer.py JSON.

The network is written down once, in network(); each peer has a class that builds it from the same random weights. The
upsampler is a transposed convolution ("transposed") or the 9x9 convolution to four phases that it equals ("subpixel").
Prints one line of JSON: the best and the median of the times, and the largest difference from the same in double.
"""
import json
import os
import statistics
import sys
import tempfile
import time

import numpy as np

LEAK = 0.05


def network(b, x):
    """b.conv(x, name, inputs, outputs, kernel, groups) ends in a leaky ReLU."""
    x = b.conv(x, "first", 1, 64, 3)
    x = b.conv(x, "second", 64, 64, 3)
    for i in range(4):
        y = b.conv(x, f"{i}.1", 64, 48, 3)
        y = b.conv(y, f"{i}.2", 48, 32, 3, 4)
        skipped, y = b.split(b.conv(y, f"{i}.3", 32, 64, 3), 16, 48)
        y = b.conv(y, f"{i}.4", 48, 64, 3)
        y = b.conv(y, f"{i}.5", 64, 48, 3, 4)
        y = b.add(b.conv(y, f"{i}.6", 48, 80, 3), b.join(x, skipped))
        x = b.conv(y, f"{i}.7", 80, 64, 1)
    return b.upsample(x)


class Shapes:
    """The weights' shapes, by walking the network."""

    def __init__(self):
        self.of = {}
        network(self, None)
        self.of["up"] = (64, 1, 17, 17)

    def conv(self, x, name, i, o, k, groups=1):
        self.of[name] = (o, i // groups, k, k)

    def split(self, x, *sizes):
        return None, None

    def add(self, a, b):
        pass

    join = add

    def upsample(self, x):
        pass


def make_weights():
    random, weights = np.random.default_rng(1), {}
    for name, shape in Shapes().of.items():
        terms = 64 * 81 if name == "up" else shape[1] * shape[2] * shape[3]
        weights[name] = (random.standard_normal(shape) * (2 / terms) ** 0.5).astype(np.float32)
        weights[name + ".bias"] = (random.standard_normal(1 if name == "up" else shape[0]) * 0.01).astype(np.float32)
    # Of the result's rows 2 i + a, tap 8 + a - 2 d of the 17 meets the input's row i + d, d = -4 .. 4; columns alike.
    phases = np.zeros((4, 64, 9, 9), np.float32)
    for a in range(2):
        for b in range(2):
            for t in range(9):
                for u in range(9):
                    row, column = 8 + a - 2 * (t - 4), 8 + b - 2 * (u - 4)
                    if row <= 16 and column <= 16:
                        phases[2 * a + b, :, t, u] = weights["up"][:, 0, row, column]
    weights["phases"], weights["phases.bias"] = phases, np.repeat(weights["up.bias"], 4)
    return weights


def torch_network(form, weights):
    import torch
    import torch.nn.functional as F

    class Torch(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.of = torch.nn.ParameterDict({n.replace(".", "_"): torch.nn.Parameter(torch.from_numpy(w), False)
                                              for n, w in weights.items()})

        def pair(self, name):
            name = name.replace(".", "_")
            return self.of[name], self.of[name + "_bias"]

        def conv(self, x, name, i, o, k, groups=1):
            return F.leaky_relu(F.conv2d(x, *self.pair(name), padding=k // 2, groups=groups), LEAK, inplace=True)

        def split(self, x, *sizes):
            return torch.split(x, sizes, 1)

        def join(self, a, b):
            return torch.cat((a, b), 1)

        def add(self, a, b):
            return a + b

        def upsample(self, x):
            if form == "transposed":
                return F.conv_transpose2d(x, *self.pair("up"), stride=2, padding=8, output_padding=1)
            return F.pixel_shuffle(F.conv2d(x, *self.pair("phases"), padding=4), 2)

        def forward(self, x):
            return network(self, x)

    return Torch().eval()


class Onnx:
    """The network as a model, its bytes in `model`."""

    def __init__(self, form, weights, size):
        import onnx
        from onnx import TensorProto, helper, numpy_helper
        self.helper, self.form, self.nodes = helper, form, []
        y = network(self, "x")
        used = {name for node in self.nodes for name in node.input}
        graph = helper.make_graph(
            self.nodes, "idn", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, size, size])],
            [helper.make_tensor_value_info(y, TensorProto.FLOAT, [1, 1, 2 * size, 2 * size])],
            [numpy_helper.from_array(w, n) for n, w in weights.items() if n in used]
            + [numpy_helper.from_array(np.array([16, 48]), "sizes")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(model)
        self.model = model.SerializeToString()

    def node(self, kind, inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}.{i}" for i in range(outputs)]
        self.nodes.append(self.helper.make_node(kind, inputs, names, **attributes))
        return names if outputs > 1 else names[0]

    def convolution(self, kind, x, name, **attributes):
        return self.node(kind, [x, name, name + ".bias"], **attributes)

    def conv(self, x, name, i, o, k, groups=1):
        y = self.convolution("Conv", x, name, pads=[k // 2] * 4, group=groups, kernel_shape=[k, k])
        return self.node("LeakyRelu", [y], alpha=LEAK)

    def split(self, x, *sizes):
        return self.node("Split", [x, "sizes"], outputs=2, axis=1)

    def join(self, a, b):
        return self.node("Concat", [a, b], axis=1)

    def add(self, a, b):
        return self.node("Add", [a, b])

    def upsample(self, x):
        if self.form == "transposed":
            return self.convolution("ConvTranspose", x, "up", strides=[2, 2], pads=[8] * 4, output_padding=[1, 1])
        y = self.convolution("Conv", x, "phases", pads=[4] * 4, kernel_shape=[9, 9])
        return self.node("DepthToSpace", [y], blocksize=2, mode="CRD")


class Ncnn:
    """The network as the text and the bytes that ncnn loads; a value that is read twice has to be split."""

    def __init__(self, form, weights):
        self.form, self.weights, self.layers, self.binary, self.blobs = form, weights, [], b"", 1
        self.layers.append("Input input 0 1 x")
        self.result = network(self, "x")
        self.text = f"7767517\n{len(self.layers)} {self.blobs}\n" + "\n".join(self.layers) + "\n"

    def layer(self, kind, inputs, parameters, outputs=1):
        names = [f"v{len(self.layers)}_{i}" for i in range(outputs)]
        self.layers.append(" ".join([kind, f"l{len(self.layers)}", str(len(inputs)), str(outputs), *inputs, *names, parameters]))
        self.blobs += outputs
        return names if outputs > 1 else names[0]

    def convolution(self, kind, x, weight, bias, k, pad, parameters):
        # Weights as they are (a tag of 0), then the biases.
        self.binary += bytes(4) + weight.tobytes() + bias.tobytes()
        outputs = len(bias)
        return self.layer(kind, [x], f"0={outputs} 1={k} 4={pad} 5=1 6={weight.size} {parameters}")

    def conv(self, x, name, i, o, k, groups=1):
        if isinstance(x, list):  # of a split value, the one that is left
            x = x.pop()
        kind = "Convolution" if groups == 1 else "ConvolutionDepthWise"
        y = self.convolution(kind, x, self.weights[name], self.weights[name + ".bias"], k, k // 2,
                             f"9=2 -23310=1,{LEAK}" + (f" 7={groups}" if groups > 1 else ""))
        # A block's input is read by its first convolution and by join().
        return self.layer("Split", [y], "", 2) if name == "second" or name in ("0.7", "1.7", "2.7") else y

    def split(self, x, *sizes):
        return self.layer("Slice", [x], "-23300=2,16,-233 1=0", 2)

    def join(self, a, b):
        return self.layer("Concat", [a.pop(), b], "0=0")

    def add(self, a, b):
        return self.layer("BinaryOp", [a, b], "0=0")

    def upsample(self, x):
        w = self.weights
        if self.form == "transposed":
            return self.convolution("Deconvolution", x, w["up"], w["up.bias"], 17, 8, "3=2 18=1")
        return self.layer("PixelShuffle", [self.convolution("Convolution", x, w["phases"], w["phases.bias"], 9, 4, "")], "0=2")


def pytorch(turn, x, weights):
    import torch
    torch.set_num_threads(turn["threads"])
    layout = torch.contiguous_format if "contiguous" in turn["how"] else torch.channels_last
    dtype = torch.bfloat16 if turn["precision"] == "bf16" else torch.float32
    model = torch_network(turn["form"], weights)
    for parameter in model.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.to(dtype).contiguous(memory_format=layout)
        else:
            parameter.data = parameter.data.to(dtype)
    image = torch.from_numpy(x).to(dtype).contiguous(memory_format=layout)
    if "compiled" in turn["how"]:
        import torch._inductor.config
        torch._inductor.config.freezing = True  # weights become constants in the layout that oneDNN likes best
        model = torch.compile(model, dynamic=False)

    def run():
        with torch.no_grad():
            return model(image)
    return run, lambda y: y.float().numpy(), torch.__version__


def onnxruntime(turn, x, weights):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = turn["threads"], 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if turn["waiting"] == "active" else "0")
    session = onnxruntime.InferenceSession(Onnx(turn["form"], weights, turn["size"]).model, options,
                                           providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": x})[0], lambda y: y, onnxruntime.__version__


def openvino(turn, x, weights):
    import openvino
    core = openvino.Core()
    model = core.compile_model(core.read_model(Onnx(turn["form"], weights, turn["size"]).model), "CPU", {
        "INFERENCE_NUM_THREADS": turn["threads"], "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[turn["precision"]]})
    request = model.create_infer_request()
    return lambda: request.infer({0: x})[0], lambda y: y, openvino.__version__.split("-")[0]


def ncnn(turn, x, weights):
    import ncnn
    net, model = ncnn.Net(), Ncnn(turn["form"], weights)
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
        setattr(net.opt, option, False)
    net.opt.use_bf16_storage = net.opt.use_bf16_packed = turn["precision"] == "bf16"
    net.opt.num_threads = turn["threads"]
    if "F(4x4)" in turn["how"]:
        net.opt.use_winograd63_convolution = False
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("param", model.text.encode()), ("bin", model.binary)):
            with open(f"{folder}/idn.{name}", "wb") as f:
                f.write(content)
        if net.load_param(f"{folder}/idn.param") or net.load_model(f"{folder}/idn.bin"):
            raise RuntimeError("ncnn does not load the network")
    image = ncnn.Mat(x[0]).clone()

    def run():
        extractor = net.create_extractor()
        extractor.input("x", image)
        status, y = extractor.extract(model.result)
        if status:
            raise RuntimeError(f"ncnn ends with {status}")
        return y
    return run, lambda y: np.array(y), ncnn.__version__


PEERS = {"PyTorch": pytorch, "onnxruntime": onnxruntime, "OpenVINO": openvino, "ncnn": ncnn}


def expected(turn, x, weights):
    """The result in double, computed once for a size."""
    path = f"{turn['work']}/expected_{turn['size']}.npy"
    if not os.path.exists(path):
        import torch
        with torch.no_grad():
            np.save(path, torch_network("transposed", weights).double()(torch.from_numpy(x).double()).float().numpy())
    return np.load(path)


def main():
    turn = json.loads(sys.argv[1])
    weights, size = make_weights(), turn["size"]
    x = (np.random.default_rng(2).random((1, 1, size, size)) - 0.5).astype(np.float32)
    right = expected(turn, x, weights)
    run, array, version = PEERS[turn["peer"]](turn, x, weights)
    error = float(np.abs(array(run()).reshape(right.shape) - right).max() / np.abs(right).max())
    wall, cpu, end = [], [], time.perf_counter() + turn["seconds"]
    while len(wall) < turn["runs"] or time.perf_counter() < end:
        w, c = time.perf_counter(), time.process_time()
        run()
        wall.append(time.perf_counter() - w)
        cpu.append((time.process_time() - c) / turn["threads"])
    print(json.dumps({"wall_s": min(wall), "cpu_s": min(cpu), "median_wall_s": statistics.median(wall), "runs": len(wall),
                      "difference": error, "version": version}))


main()
