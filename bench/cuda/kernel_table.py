#!/usr/bin/env python3
"""Kernels that ncu measured, as a table: those of one name added up, the longest first.

  kernel_table.py FILE     FILE: what ncu --csv --page raw wrote
"""
import collections
import csv
import re
import sys

TIME = "gpu__time_duration.sum"
MICROSECONDS = {"ns": 1e-3, "nsecond": 1e-3, "us": 1, "usecond": 1, "ms": 1e3, "msecond": 1e3}
# Metric: heading. Those that a chip lacks are left out.
COLUMNS = {
    "sm__inst_executed_pipe_tensor.avg.pct_of_peak_sustained_elapsed": "tensor instructions %",
    "sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed": "tensor pipe %",
    "dram__throughput.avg.pct_of_peak_sustained_elapsed": "DRAM %",
    "lts__throughput.avg.pct_of_peak_sustained_elapsed": "L2 %",
    "l1tex__data_pipe_lsu_wavefronts.avg.pct_of_peak_sustained_elapsed": "shared/L1 %",
    "sm__warps_active.avg.pct_of_peak_sustained_active": "warps %",
    "launch__registers_per_thread": "registers",
    "launch__grid_size": "blocks",
}


def number(text):
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def short(name):
    """A kernel's name without namespaces, parameters and return type."""
    name = re.sub(r"\(anonymous namespace\)::|<unnamed>::|unnamed>::|\b\w+::|\((?:int|bool|unsigned)\)", "", name)
    return name.split("(")[0].removeprefix("void ").strip()


def main():
    if len(sys.argv) != 2:
        sys.exit("kernel_table.py: error: want the file that ncu wrote")
    with open(sys.argv[1], newline="") as f:
        rows = list(csv.DictReader(line for line in f if line.startswith('"')))
    if len(rows) < 2 or TIME not in rows[0]:
        sys.exit("kernel_table.py: error: ncu wrote no kernels")
    scale = MICROSECONDS[rows[0][TIME]]  # the first row has the units
    kernels = collections.defaultdict(list)
    for row in rows[1:]:
        kernels[short(row["Kernel Name"])].append(row)

    def total(of):
        return scale * sum(number(row[TIME]) for row in of)

    columns = {metric: heading for metric, heading in COLUMNS.items() if metric in rows[0]}
    print(f"{len(rows) - 1} kernels, {total(rows[1:]):.1f} us\n")
    print("| kernel | launches | us each | us | " + " | ".join(columns.values()) + " |\n|" + "---|" * (4 + len(columns)))
    for name, of in sorted(kernels.items(), key=lambda kernel: -total(kernel[1])):
        cells = [name, len(of), f"{total(of) / len(of):.1f}", f"{total(of):.1f}"]
        for metric in columns:
            values = [v for v in (number(row[metric]) for row in of) if v is not None]
            cells.append(f"{sum(values) / len(values):.0f}" if values else "")
        print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
