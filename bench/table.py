"""Joins the outputs of the benchmarks into one JSON file and writes the table that people read.

table.py COMMIT JSON_OUT TABLE_OUT BENCHMARK_OUTPUT...
"""
import json
import sys

THREADS = [1, 2]


def cpu_name():
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown processor"


def medians(benchmarks):
    """{work: {(set, threads): entry}} in the order of the runs; wrong results end the program."""
    works = {}
    for entry in benchmarks:
        if entry.get("error_occurred"):
            sys.exit(f"table.py: error: {entry['name']}: {entry['error_message']}")
        if entry.get("aggregate_name") != "median":
            continue
        name, simd, threads = entry["run_name"].split("/process_time")[0].rsplit("/", 2)
        works.setdefault(name, {})[simd, int(threads.split("_")[0])] = entry
    return works


def table(works, prefix, cell):
    sets = dict.fromkeys(s for entries in works.values() for s, _ in entries)  # in the order of the runs
    columns = [(s, t) for s in sets for t in THREADS
               if any((s, t) in e for n, e in works.items() if n.startswith(prefix))]
    lines = ["| | " + " | ".join(f"{s}, {t} thread{'s' * (t > 1)}" for s, t in columns) + " |",
             "|---" * (1 + len(columns)) + "|"]
    for name, entries in works.items():
        if name.startswith(prefix):
            cells = [cell(entries[c]) if c in entries else "" for c in columns]
            lines.append(f"| {name.removeprefix(prefix)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    commit, json_out, table_out, *inputs = sys.argv[1:]
    joined = {"context": {}, "benchmarks": []}
    for path in inputs:
        with open(path) as f:
            text = f.read()
        if not text:
            continue  # the filter met none of this program's
        part = json.loads(text)
        joined["context"] = part["context"]
        joined["benchmarks"] += part["benchmarks"]
    if not joined["benchmarks"]:
        sys.exit("table.py: error: the filter meets no benchmark; PROGRAM --benchmark_list_tests names them")
    for key in ("host_name", "executable"):
        joined["context"].pop(key, None)
    context = joined["context"]
    context["commit"], context["processor"] = commit, cpu_name()
    works = medians(joined["benchmarks"])
    peaks = {}
    for entries in works.values():
        for (_, threads), entry in entries.items():
            peaks[threads] = max(entry["peak_gflops"], peaks.get(threads, 0))
    most = " and ".join(f"{peaks[t]:.0f}" for t in sorted(peaks))
    with open(json_out, "w") as f:
        json.dump(joined, f, indent=1)
        f.write("\n")
    with open(table_out, "w") as f:
        f.write(f"""# CPU results

Written by `tools/bench.sh`; the numbers behind it are in `{json_out.rsplit('/', 1)[-1]}`. What was tried and what failed:
`NOTES.md`.

Processor: {context['processor']}, {context['num_cpus']} logical cores; commit {commit}; {context['date'][:10]}.
Ratios are to the float32 multiply-add peak of the processor's best instruction set with as many threads, measured just
before and after each result ({most} GFLOP/s at most); a multiply-add is two operations, and every
result was compared with double-precision loops first. By CPU time, median of three; sizes are those of the input.

## The whole network: ratio to the peak (by wall clock), 10^6 input pixels a second

{table(works, "network/", lambda e: f"{e['x_peak']:.2f} ({e['x_peak_wall']:.2f}), {e['mpix_s']:.3f}")}

## The network band by band: ratio to the peak of float32 (by wall clock), 10^6 input pixels a second

{table(works, "bands/", lambda e: f"{e['x_peak']:.2f} ({e['x_peak_wall']:.2f}), {e['mpix_s']:.3f}")}

## A training step: ratio to the peak (by wall clock), 10^6 input pixels a second

Counted as three forward passes, as direct sums; Winograd's transforms need fewer. PyTorch beside it: `bench/train_peers.py`.

{table(works, "train_step/", lambda e: f"{e['x_peak']:.2f} ({e['x_peak_wall']:.2f}), {e['mpix_s']:.3f}")}

## Operations: ratio to the peak

{table({n: w for n, w in works.items() if n.startswith("conv")}, "", lambda e: f"{e['x_peak']:.2f}")}

## Bicubic enlargement: 10^6 input pixels a second

{table(works, "bicubic_enlarge/", lambda e: f"{e['mpix_s']:.0f}")}

## Beside other programs

`python3 bench/cpu_peers.py` measures the network in this project, PyTorch, onnxruntime, OpenVINO and ncnn in turns, in float32
and bfloat16, and the peaks of both; about twelve minutes on two cores that it needs to itself. It installs the peers
(pinned versions, some GB) into `build/peers` and writes `cpu_peers_<date>.json` and `.md` here. `--settings 128x1 --rounds 1
--only OpenVINO` shows quickly that it works.

## On a GPU

Measured on an H200: `gpu_h200_2026-11-28.md`; what was predicted, and why some of it was missed: `NOTES_CUDA.md`,
`NOTES_CUDA_POINTWISE.md`. To measure, where nvcc is:
`tools/gpu_bundle.sh FOLDER_OF_IMAGES`; then on a machine with a GPU, nothing else installed, unpack
`build/gpu/superres-gpu.tar.xz` and run `superres-gpu/gpu_check.sh OUTPUT_FOLDER` (8 minutes; in a build tree
`tools/gpu_check.sh`). It writes `gpu_check.json` and `gpu_check.md`. `cuda_bench --help` tells how to measure single layers
for longer: cuDNN then has more time to look for its best plan.
""")


main()
