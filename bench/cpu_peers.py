#!/usr/bin/env python3
"""The network x2 on the processor: this project's, PyTorch's, onnxruntime's, OpenVINO's and ncnn's, in turns in one run.

  cmake --build --preset release --target idn_bench peak_bench
  python3 bench/cpu_peers.py [--settings 512x2,128x1] [--rounds 3] [--work build/peers] [--out bench/results]

The peers are installed into --work/venv (some GB, a few minutes, once). First each variant of a contender has one turn;
the fastest of each goes into the rounds, in which the contenders take turns, each with OpenMP's threads waiting passively
and actively, so that what others do on the machine meets all alike: about twelve minutes on an idle one. A turn is a
process of its own; its best time counts, and the best of the rounds. Ours is checked against double-precision loops by
idn_bench, a peer against the same network in double by PyTorch; weights are random. Writes cpu_peers_DATE.json and .md.
"""
import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = ["torch==2.15.0", "onnx==1.23.2", "onnxruntime==1.32.0", "openvino==2026.4.1", "ncnn==1.0.20261020", "numpy==2.4.6"]
MULTIPLY_ADDS = 551040  # for each low-resolution pixel

# (who, precision): variants, each (form of the upsampler, how). ncnn's bfloat16 is slower than its float32.
CONTENDERS = {
    ("superres", "fp32"): [("", "bands"), ("", "network")],
    ("PyTorch", "fp32"): [("subpixel", "channels_last"), ("subpixel", "contiguous"), ("subpixel", "channels_last compiled")],
    ("onnxruntime", "fp32"): [("transposed", ""), ("subpixel", "")],
    ("OpenVINO", "fp32"): [("subpixel", ""), ("transposed", "")],
    ("ncnn", "fp32"): [("subpixel", ""), ("transposed", ""), ("transposed", "F(4x4)")],
    ("superres", "bf16"): [("", "bands")],
    ("PyTorch", "bf16"): [("subpixel", "channels_last"), ("subpixel", "channels_last compiled")],
    ("OpenVINO", "bf16"): [("subpixel", ""), ("transposed", "")],
}
ONE_WAY = ("OpenVINO",)  # its threads are not OpenMP's and have one way of waiting


class Failed(Exception):
    pass


def run(command, environment, seconds=180):
    """Standard output of the command, and its largest resident set in MB."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(["timeout", str(seconds), *command], env=dict(os.environ, **environment), stdout=output,
                                   stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            last = (errors.read().decode(errors="replace").strip().splitlines() or [""])[-1]
            raise Failed(f"not within {seconds} s" if process.returncode == 124 else
                         f"{os.path.basename(command[0])} ended with {process.returncode}: {last[:150]}")
        return output.read().decode(), usage.ru_maxrss * 1024 / 1e6


def python_with_peers(work, index):
    python, done = f"{work}/venv/bin/python", f"{work}/venv/installed"
    if os.path.exists(done) and open(done).read().split() == PACKAGES:
        return python
    print(f"installing into {work}/venv: {' '.join(PACKAGES)}", file=sys.stderr)
    for command in ([sys.executable, "-m", "venv", "--clear", f"{work}/venv"],
                    [python, "-m", "pip", "install", "--quiet", *(["--extra-index-url", index] if index else []), *PACKAGES]):
        if subprocess.run(command, stdout=sys.stderr).returncode != 0:
            sys.exit(f"cpu_peers.py: error: {' '.join(command)} failed")
    with open(done, "w") as f:
        f.write("\n".join(PACKAGES))
    return python


def environment(turn):
    return {"OMP_NUM_THREADS": str(turn["threads"]), "OMP_WAIT_POLICY": turn["waiting"],
            "TORCHINDUCTOR_CACHE_DIR": f"{turn['work']}/compiled"}


def ours(args, turn):
    """The best instruction set's, which idn_bench names first."""
    precision = turn["precision"] + "/" if turn["how"] == "bands" else ""
    name = f"^{turn['how']}/{precision}x2/{turn['size']}x{turn['size']}/[^/]+/{turn['threads']}_threads/"
    bench = f"{args.bin}/idn_bench"
    names = [n for n in run([bench, f"--benchmark_filter={name}", "--benchmark_list_tests"], environment(turn))[0].split()
             if n.startswith(turn["how"])]
    if not names:
        raise Failed(f"idn_bench has no {name} here, as --benchmark_list_tests tells")
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        # Repetitions of one run each, of which the best counts, as for a peer.
        _, memory = run([bench, f"--benchmark_filter=^{names[0]}$", "--benchmark_min_time=0.001",
                         f"--benchmark_repetitions={turn['runs']}", f"--benchmark_out={out.name}",
                         "--benchmark_out_format=json"], environment(turn))
        runs = [b for b in json.load(out)["benchmarks"] if b["run_type"] == "iteration"]
    for r in runs:
        if r.get("error_occurred"):
            raise Failed(r["error_message"])
    return {"wall_s": min(r["real_time"] for r in runs) / 1e3, "memory_mb": memory, "runs": len(runs),
            "cpu_s": min(r["cpu_time"] for r in runs) / 1e3 / turn["threads"], "set": names[0].split("/")[-4]}


def take_turn(args, contender, setting, variant, waiting, seconds, runs):
    """A turn's result, of `runs` runs at least; the error in words if there is none."""
    (peer, precision), (size, threads), (form, how) = contender, setting, variant
    turn = {"peer": peer, "precision": precision, "size": size, "threads": threads, "form": form, "how": how,
            "waiting": waiting, "seconds": seconds, "runs": runs, "work": args.work}
    try:
        if peer == "superres":
            result = ours(args, turn)
        else:
            text, memory = run([args.python, f"{HERE}/cpu_peer.py", json.dumps(turn)], environment(turn))
            result = dict(json.loads(text.splitlines()[-1]), memory_mb=memory)
    except Failed as e:
        result = {"error": str(e)}
    turn.pop("work")
    print(f"{peer} {precision} {size}x{size} {threads} threads, {form} {how} {waiting}: {result}", file=sys.stderr)
    return dict(turn, **result)


def peaks(args, threads):
    numbers = [str(t) for t in sorted(set(threads))]
    return json.loads(run([f"{args.bin}/peak_bench", *numbers], {})[0])


def best(turns, key):
    return min((t[key] for t in turns if key in t), default=None)


def measure(args, setting):
    """{contender: turns of its best variant}, all turns, and the peaks of each round. Where the processor lacks the unit of a
    precision others only emulate it, half a minute a pass: they are left out with ours."""
    trials = {}
    for contender, variants in CONTENDERS.items():
        own = trials.get(("superres", contender[1]), [{}])
        if contender[0] != "superres" and (args.only not in " ".join(contender) or all("error" in t for t in own)):
            continue
        trials[contender] = [take_turn(args, contender, setting, v, "passive", 0.3, 1) for v in variants]
    chosen = {c: min((t for t in turns if "wall_s" in t), key=lambda t: t["wall_s"], default=None)
              for c, turns in trials.items()}
    results, most = {c: [] for c in trials}, []
    for _ in range(args.rounds):
        most.append(peaks(args, [1, setting[1]]))
        for contender, trial in chosen.items():
            one_way = contender[0] in ONE_WAY or setting[1] == 1
            for waiting in ["passive"] if one_way else ["passive", "active"]:
                if trial:
                    results[contender].append(take_turn(args, contender, setting, (trial["form"], trial["how"]), waiting,
                                                        args.seconds, args.runs))
    return {"trials": trials, "results": results, "peaks": most}


def number(value, form="{:.3f}"):
    return "" if value is None else form.format(value)


def table(setting, measured):
    size, threads = setting
    operations = 2e-9 * MULTIPLY_ADDS * size ** 2
    most = max(p["fma"][str(threads)] for p in measured["peaks"])
    own = {p: {k: best(measured["results"]["superres", p], k) for k in ("wall_s", "cpu_s")} for p in ("fp32", "bf16")}
    lines = [f"## {size}x{size}, {threads} thread{'s' * (threads > 1)}\n",
             f"{operations:.1f} GFLOP, counted as direct sums.\n",
             "| | variant | s, passive | s, active | s, CPU per thread | time / ours | CPU time / ours | x FMA peak "
             "| difference | MB |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for contender, turns in measured["results"].items():
        name, good = " ".join(contender), [t for t in turns if "wall_s" in t]
        if not good:
            why = (turns or measured["trials"][contender])[0]["error"].replace("|", "/")
            lines.append(f"| {name} | {why} |" + " |" * 8)
            continue
        mine, wall, cpu = own[contender[1]], best(good, "wall_s"), best(good, "cpu_s")
        variant = " ".join(filter(None, (good[0].get("set"), good[0]["form"], good[0]["how"])))
        ways = [number(best([t for t in good if t["waiting"] == w], "wall_s")) for w in ("passive", "active")]
        ratios = [number(t and mine[k] and t / mine[k], "{:.2f}") for k, t in (("wall_s", wall), ("cpu_s", cpu))]
        lines.append(f"| {name} | {variant} | {ways[0]} | {ways[1]} | {cpu:.3f} | {ratios[0]} | {ratios[1]} "
                     f"| {operations / wall / most:.2f} | {number(best(good, 'difference'), '{:.0e}')} "
                     f"| {max(t['memory_mb'] for t in good):.0f} |")
    return "\n".join(lines)


def peak_table(measured):
    rates = {}
    for p in (p for m in measured.values() for p in m["peaks"]):
        for unit, teams in p.items():
            for team, rate in teams.items():
                key = unit, int(team)
                rates[key] = max(rate, rates.get(key, 0))
    teams = sorted({t for _, t in rates})
    lines = ["| GFLOP/s | " + " | ".join(f"{t} thread{'s' * (t > 1)}" for t in teams) + " |", "|---" * (1 + len(teams)) + "|"]
    words = {"fma": "float32 multiply-adds", "dot": "vdpbf16ps, from registers", "dot_loading": "vdpbf16ps, a factor loaded",
             "tiles": "tdpbf16ps, from registers", "tiles_loading": "tdpbf16ps, each tile loaded for two"}
    for unit in dict.fromkeys(u for u, _ in rates):
        lines.append(f"| {words[unit]} | " + " | ".join(number(rates.get((unit, t)), "{:.0f}") for t in teams) + " |")
    return "\n".join(lines)


def processor():
    lines = [line for line in open("/proc/cpuinfo") if ":" in line]
    facts = {k.strip(): v.strip() for k, v in (line.split(":", 1) for line in lines)}
    return f"{facts.get('model name', 'unknown processor')} (family {facts.get('cpu family')}, model {facts.get('model')})"


def commit():
    def git(*command):
        return subprocess.run(["git", "-C", HERE, *command], capture_output=True, text=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":!/bench/results")
    return git("rev-parse", "--short", "HEAD") + (" with changes" if changed else "")


def write(args, facts, measured):
    path = f"{args.out}/cpu_peers_{facts['date']}"
    text = {f"{s}x{t}": {k: v if k == "peaks" else {" ".join(c): turns for c, turns in v.items()} for k, v in m.items()}
            for (s, t), m in measured.items()}
    with open(path + ".json", "w") as f:
        json.dump({**facts, "settings": text}, f, indent=1)
        f.write("\n")
    page = f"""# The network x2 on the processor, beside others', {facts['date']}

Written by `bench/cpu_peers.py`, which tells how; all turns are in `{os.path.basename(path)}.json`. {facts['processor']},
{facts['cores']} logical cores; commit {facts['commit']}; {', '.join(PACKAGES)}.
Load of the machine before and after: {facts['load'][0]:.1f}, {facts['load'][1]:.1f}.

Times are the best of {args.rounds} rounds, wall clock and CPU time; "passive" and "active" is how threads wait. Ratios are to
this project's network of the same precision. "x FMA peak": by the wall clock, to the most of float32 multiply-adds.
"difference": the largest, relative to the largest value, from the same network in double (ours: up to 2e-5 in
float32, 2e-2 in bfloat16 on AMX and 5e-2 by AVX-512, or there were no figure). MB: the largest resident set, libraries included.

""" + "\n\n".join([*(table(s, m) for s, m in measured.items()), "## Peaks\n\n" + peak_table(measured)]) + "\n"
    with open(path + ".md", "w") as f:
        f.write(page)
    return page


def setting_of(text):
    size, threads = map(int, text.split("x"))
    if threads not in (1, 2) or size not in (128, 512):
        raise ValueError
    return size, threads


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", default="512x2,128x1", help="SIZExTHREADS, ...: sizes 128 and 512, 1 and 2 threads")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="of a peer's turn, or --runs")
    parser.add_argument("--runs", type=int, default=3, help="of a turn of ours, and at least of a peer's")
    parser.add_argument("--bin", default="build/release/bin", help="where idn_bench and peak_bench are")
    parser.add_argument("--work", default="build/peers")
    parser.add_argument("--index", help="ask this index of packages too: PyTorch's own has one without its parts for GPUs, "
                        "some GB less")
    parser.add_argument("--out", default="bench/results")
    parser.add_argument("--only", default="", help="contenders whose name holds this, and ours")
    args = parser.parse_args()
    try:
        settings = [setting_of(s) for s in args.settings.split(",")]
    except ValueError:
        sys.exit(f"cpu_peers.py: error: --settings {args.settings}: want 512x2,128x1 or the like")
    for program in ("idn_bench", "peak_bench"):
        if not os.path.exists(f"{args.bin}/{program}"):
            sys.exit(f"cpu_peers.py: error: {args.bin} has no {program}; build it, or name the folder by --bin")
    args.work = os.path.abspath(args.work)
    os.makedirs(args.work, exist_ok=True)
    os.makedirs(args.out, exist_ok=True)
    args.python = python_with_peers(args.work, args.index)
    before = os.getloadavg()[0]
    measured = {}
    for setting in settings:
        measured[setting] = measure(args, setting)
        page = write(args, {"date": datetime.date.today().isoformat(), "processor": processor(), "cores": os.cpu_count(),
                            "commit": commit(), "packages": PACKAGES, "load": [before, os.getloadavg()[0]]}, measured)
    print(page)


main()
