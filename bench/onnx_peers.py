#!/usr/bin/env python3
"""What convert_checkpoint writes, in other programs: ONNX in onnxruntime and OpenVINO, safetensors in their own library.

  cmake --build --preset release --target convert_checkpoint eval_superres_net
  python3 bench/onnx_peers.py [--rounds 5] [--ncnn] [--work build/onnx_peers] [--out bench/results]

For IDN and SPAN, x2, x3 and x4, one channel (of IDN the shipped weights) and four (random ones, brought in as safetensors), with
and without the enlargement: onnx.checker with full checks, shape inference, and five images of odd sizes, each pixel held against
eval_superres_net's result of the same samples as a float TIFF (without the enlargement: its result less its bicubic image).
Then times of 512x512 pixels, in turns: a peer's is its run alone, ours is the whole program from start to file. --ncnn also
converts each by pnnx and runs it (installs some GB more, PyTorch among them). The peers are installed into --work/venv. Writes
onnx_peers_DATE.md; ends with 1 if anything differs by more than 2e-5.
"""
import argparse
import datetime
import filecmp
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = ["onnx==1.23.2", "onnxruntime==1.32.0", "openvino==2026.4.1", "safetensors==0.8.0", "numpy==2.4.6", "tifffile==2026.3.3"]
NCNN = ["pnnx==20261020", "ncnn==1.0.20261020"]
SIZES = [(3, 5), (7, 6), (17, 9), (33, 21), (61, 47)]
BOUND = 2e-5
THREADS = 2


def inside_venv(args):
    """Goes on in the Python that has the peers, installed first if they are not."""
    packages = PACKAGES + (NCNN if args.ncnn else [])
    python, done = f"{args.work}/venv/bin/python", f"{args.work}/venv/installed"
    if not os.path.exists(done) or not set(packages) <= set(open(done).read().split()):
        print(f"installing into {args.work}/venv: {' '.join(packages)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", f"{args.work}/venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        with open(done, "w") as f:
            f.write("\n".join(packages))
    os.environ["ONNX_PEERS"] = "inside"
    os.execv(python, [python, *sys.argv])


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"onnx_peers.py: error: {' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-300:]}")


def write_scene(path, image):
    import tifffile
    bands = {"planarconfig": "contig"} if image.shape[2] > 1 else {}
    tifffile.imwrite(path, image if bands else image[:, :, 0], photometric="minisblack", **bands)


def span_shapes(factor, channels, c=48, blocks=6):
    """{name: (deviation, shape)}, for results about as large as the image; inside SPAN counts in 1/256."""
    shapes = {"features.weight": (0.15, (c, channels, 3, 3)), "last.weight": (0.05, (c, c, 3, 3)),
              "join.weight": (0.1, (c, 4 * c, 1, 1)), "upsample.weight": (0.02, (c, channels, 3 * factor, 3 * factor)),
              "upsample.bias": (1, (channels,)), "features.bias": (1, (c,)), "last.bias": (1, (c,)), "join.bias": (1, (c,))}
    for block in range(blocks):
        for conv in (1, 2, 3):
            shapes[f"blocks.{block}.conv{conv}.weight"] = 0.05, (c, c, 3, 3)
            shapes[f"blocks.{block}.conv{conv}.bias"] = 1, (c,)
    return shapes


class Case:
    """A network, as our checkpoint and as ONNX files."""

    def __init__(self, args, network, factor, channels):
        self.args, self.network, self.factor, self.channels = args, network, factor, channels
        self.folder = f"{args.work}/{network}_x{factor}_{channels}"
        self.weights = f"{HERE}/../pretrained"
        os.makedirs(self.folder, exist_ok=True)
        if network == "span" or channels > 1:
            self.make_random_weights()
        self.checkpoint = f"{self.weights}/x{factor}/ckpts/ckpt-00000000.sr"
        for onnx, more in ((self.onnx(False), []), (self.onnx(True), ["--with_bicubic"])):
            run(f"{args.bin}/convert_checkpoint", "--from", self.checkpoint, "--to_onnx", onnx, *more)

    def onnx(self, with_bicubic):
        return f"{self.folder}/{'enlarged' if with_bicubic else 'residual'}.onnx"

    def make_random_weights(self):
        import json
        import numpy as np
        from safetensors import safe_open
        from safetensors.numpy import load_file, save_file
        one, some = f"{self.folder}/one.safetensors", f"{self.folder}/some.safetensors"
        run(f"{self.args.bin}/convert_checkpoint", "--from", f"{self.weights}/x{self.factor}/ckpts/ckpt-00000000.sr",
            "--to_safetensors", one)
        with safe_open(one, "np") as f:
            meta = json.loads(f.metadata()["superres"])
        random = np.random.default_rng(self.factor)
        if self.network == "idn":
            arrays, new = load_file(one), {"features.0.weight": (0.3, (64, self.channels, 3, 3)),
                                           "upsample.bias": (0.1, (self.channels,)),
                                           "upsample.weight": (0.02, (64, self.channels, 17, 17))}
        else:
            arrays, new = {}, span_shapes(self.factor, self.channels)
            meta = {k: v for k, v in meta.items() if k in ("factor", "luma", "mean_values", "origin")}
            meta.update(network="span", channels=48, blocks=6, branches=False)
        for name, (deviation, sides) in new.items():
            arrays[name] = (deviation * random.standard_normal(sides)).astype(np.float32)
        meta["nchan"] = self.channels
        meta["mean_values"] = {k: list(random.random(self.channels)) for k in ("gt", "down", "bic_up")}
        save_file(arrays, some, metadata={"superres": json.dumps(meta)})
        self.weights = f"{self.folder}/weights"
        run(f"{self.args.bin}/convert_checkpoint", "--from", some, "--to", self.weights)

    def ours(self, image):
        """The result and the bicubic image, [h, w, c]."""
        import tifffile
        scene, out = f"{self.folder}/scene.tif", f"{self.folder}/out"
        write_scene(scene, image)
        self.evaluate(scene, out, "--bicubic")
        return tifffile.imread(f"{out}/scene.tif"), tifffile.imread(f"{out}/scene_bic_up.tif")

    def evaluate(self, scene, out, *more):
        run(f"{self.args.bin}/eval_superres_net", "--data_path", scene, "--out_path", out, "--pretrained_path", self.weights,
            "--upsampling_factor", str(self.factor), "--value_range", "0,1", "--compress", "none", "--overwrite", "--device",
            "cpu", "--precision", "fp32", "--threads", str(THREADS), "--quiet",
            "--colour_mode", "per_band" if self.channels == 1 else "joint", *more)


def checked(path):
    import onnx
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)


def onnxruntime_session(path):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"input": x})[0]


def openvino_session(path):
    import openvino
    model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY",
                                                        "INFERENCE_PRECISION_HINT": "f32"})
    return lambda x: model(x)[0]


def ncnn_session(path, shape):
    """By pnnx, which wants a size, and takes the batch away; the result serves every size."""
    import ncnn
    import numpy as np
    stem = path.removesuffix(".onnx")
    tools = os.path.dirname(sys.executable)
    run(f"{tools}/pnnx", path, f"inputshape=[{','.join(map(str, shape))}]", "fp16=0")
    net = ncnn.Net()
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage", "use_bf16_packed"):
        setattr(net.opt, option, False)
    if net.load_param(f"{stem}.ncnn.param") or net.load_model(f"{stem}.ncnn.bin"):
        raise RuntimeError("ncnn does not load what pnnx wrote")

    def compute(x):
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(x[0]).clone())
        status, y = extractor.extract("out0")
        if status:
            raise RuntimeError(f"ncnn ends with {status}")
        return np.array(y)[None]
    return compute


def differences(case, ncnn):
    """{(with_bicubic, peer): (the largest difference, of values up to)}"""
    import numpy as np
    worst = {}
    for with_bicubic in (False, True):
        path = case.onnx(with_bicubic)
        checked(path)
        peers = {"onnxruntime": onnxruntime_session(path), "OpenVINO": openvino_session(path)}
        if ncnn:
            peers["ncnn"] = ncnn_session(path, (1, case.channels, *SIZES[-1]))
        for h, w in SIZES:
            image = np.random.default_rng(h * w).random((h, w, case.channels), dtype=np.float32)
            result, bicubic = (a.reshape(h * case.factor, w * case.factor, case.channels) for a in case.ours(image))
            right = (result if with_bicubic else result - bicubic).transpose(2, 0, 1)[None]
            for peer, compute in peers.items():
                y = compute(np.ascontiguousarray(image.transpose(2, 0, 1)[None]))
                if y.shape != right.shape:
                    sys.exit(f"onnx_peers.py: error: {peer} gives {y.shape} for {path}, want {right.shape}")
                before = worst.get((with_bicubic, peer), (0, 0))
                worst[with_bicubic, peer] = max(before[0], float(abs(y - right).max())), max(before[1], float(abs(right).max()))
    return worst


def safetensors_there_and_back(args):
    """Through the safetensors library, and back to the same checkpoint to the byte."""
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file
    ours, theirs = f"{args.work}/ours.safetensors", f"{args.work}/theirs.safetensors"
    source = f"{HERE}/../pretrained/x2/ckpts/ckpt-00000000.sr"
    run(f"{args.bin}/convert_checkpoint", "--from", source, "--to", f"{args.work}/direct", "--to_safetensors", ours)
    arrays = load_file(ours)
    with safe_open(ours, "np") as f:
        save_file(arrays, theirs, metadata=f.metadata())
    run(f"{args.bin}/convert_checkpoint", "--from", theirs, "--to", f"{args.work}/back")
    same = filecmp.cmp(f"{args.work}/direct/x2/ckpts/ckpt-00000000.sr", f"{args.work}/back/x2/ckpts/ckpt-00000000.sr", False)
    shapes = {n: a.shape for n, a in arrays.items()}
    right = shapes["features.0.weight"] == (64, 1, 3, 3) and shapes["upsample.weight"] == (64, 1, 17, 17)
    return len(arrays), sum(a.size for a in arrays.values()), same and right


def times(case, rounds):
    """The best of `rounds` turns of each, in seconds, 512x512 pixels, with the enlargement."""
    import numpy as np
    image = np.random.default_rng(5).random((512, 512, 1), dtype=np.float32)
    scene, x = f"{case.folder}/large.tif", image.transpose(2, 0, 1)[None].copy()
    write_scene(scene, image)
    path = case.onnx(True)
    onnxruntime, openvino = onnxruntime_session(path), openvino_session(path)
    turns = {"superres": lambda: case.evaluate(scene, f"{case.folder}/out"), "onnxruntime": lambda: onnxruntime(x),
             "OpenVINO": lambda: openvino(x)}
    best = {}
    for _ in range(rounds + 1):  # the first fills caches
        for name, turn in turns.items():
            begin = time.perf_counter()
            turn()
            best.setdefault(name, []).append(time.perf_counter() - begin)
    return {name: min(seconds[1:]) for name, seconds in best.items()}


def processor():
    lines = [line for line in open("/proc/cpuinfo") if ":" in line]
    facts = {k.strip(): v.strip() for k, v in (line.split(":", 1) for line in lines)}
    return f"{facts.get('model name', 'unknown processor')} (family {facts.get('cpu family')}, model {facts.get('model')})"


def page(args, worst, shipped, seconds, date, load):
    peers = list(dict.fromkeys(p for w in worst.values() for _, p in w))
    arrays, values, same = shipped
    lines = [f"# ONNX and safetensors files in other programs, {date}", "",
             f"Written by `bench/onnx_peers.py`, which tells how. {processor()}, {os.cpu_count()} logical cores that other programs",
             f"used as well (load before and after: {load[0]:.1f}, {load[1]:.1f});",
             f"{', '.join(PACKAGES + (NCNN if args.ncnn else []))}.", "",
             f"`onnx.checker` with full checks and strict shape inference pass for all {2 * len(worst)} graphs. The largest difference from",
             f"eval_superres_net over {len(SIZES)} images of {', '.join(f'{h}x{w}' for h, w in SIZES)} pixels, borders included, and the largest",
             "value:", "",
             "| | output | " + " | ".join(peers) + " | largest value |", "|---|---|" + "---|" * (len(peers) + 1)]
    for (network, factor, channels), w in worst.items():
        for with_bicubic in (False, True):
            lines.append(f"| {network.upper()} x{factor}, {channels} channel{'s' * (channels > 1)} | {'enlarged' if with_bicubic else 'residual'} | "
                         + " | ".join(f"{w[with_bicubic, p][0]:.1e}" for p in peers)
                         + f" | {max(w[with_bicubic, p][1] for p in peers):.2f} |")
    lines += ["", f"safetensors: {arrays} arrays of {values} values, loaded and saved by its library, "
              + ("come back as the same checkpoint to the byte." if same else "DIFFER."), "",
              f"Seconds for 512x512 pixels, one channel, {THREADS} threads, with the enlargement, best of {args.rounds} turns: a peer's run",
              "alone, and our program from start to file.", "",
              "| | superres | onnxruntime | OpenVINO, f32 |", "|---|---|---|---|"]
    for (network, factor), s in seconds.items():
        own = s["superres"]
        lines.append(f"| {network.upper()} x{factor} | {own:.2f} | {s['onnxruntime']:.2f} ({s['onnxruntime'] / own:.1f}) | "
                     f"{s['OpenVINO']:.2f} ({s['OpenVINO'] / own:.1f}) |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ncnn", action="store_true")
    parser.add_argument("--bin", default=f"{HERE}/../build/release/bin")
    parser.add_argument("--work", default=f"{HERE}/../build/onnx_peers")
    parser.add_argument("--out", default=f"{HERE}/results")
    args = parser.parse_args()
    args.work = os.path.abspath(args.work)
    os.makedirs(args.work, exist_ok=True)
    if os.environ.get("ONNX_PEERS") != "inside":
        inside_venv(args)
    before = os.getloadavg()[0]
    cases = {(n, f, c): Case(args, n, f, c) for n in ("idn", "span") for f in (2, 3, 4) for c in (1, 4)}
    worst = {key: differences(case, args.ncnn) for key, case in cases.items()}
    shipped = safetensors_there_and_back(args)
    seconds = {(n, f): times(cases[n, f, 1], args.rounds) for n in ("idn", "span") for f in (2, 3, 4)}
    date = datetime.date.today().isoformat()
    text = page(args, worst, shipped, seconds, date, (before, os.getloadavg()[0]))
    with open(f"{args.out}/onnx_peers_{date}.md", "w") as f:
        f.write(text)
    print(text)
    if not shipped[2] or max(d for w in worst.values() for d, _ in w.values()) > BOUND:
        sys.exit("onnx_peers.py: error: something differs")


main()
