#!/usr/bin/env bash
# Guess: NAME.tif.msk beside NAME.tif, a TIFF of its size with one band of 0 and 255, is its mask.
# Behaviour: not unless NAME.tif.msk itself has the metadata item INTERNAL_MASK_FLAGS_1, which GDAL writes when it makes
#   the mask itself. Without it every pixel is valid, with no warning, though GDAL opens the file and names it among the
#   dataset's files. The item alone, with no sample changed, makes it the mask.
# Seen 2026-11-29, rasterio 1.4.4 (GDAL 3.10.3), numpy 2.4.6, Linux x86-64; 8 of 16 pixels are 0 in the mask:
#   no item                  valid pixels 16, flags all_valid, files a.tif a.tif.msk
#   INTERNAL_MASK_FLAGS_1=2  valid pixels 8, flags per_dataset, files a.tif a.tif.msk
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{ python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: \
  numpy==2.4.6 rasterio==1.4.4; } >&2 || exit 2

venv/bin/python - <<'PYTHON'
import os
import sys
import warnings

import numpy as np
import rasterio

warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
seen = []


def write(path, image):
    with rasterio.open(path, "w", driver="GTiff", width=4, height=4, count=1, dtype="uint8") as f:
        f.write(image, 1)


def show(text):
    with rasterio.open("a.tif") as f:
        valid = int((f.read_masks(1) > 0).sum())
        flags = [flag.name for flag in f.mask_flag_enums[0]]
        files = [os.path.basename(path) for path in f.files]
    seen.append((valid, flags, files))
    print(f"{text:<24} valid pixels {valid}, flags {' '.join(flags)}, files {' '.join(files)}")


print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}, numpy {np.__version__}")
mask = np.zeros((4, 4), "uint8")
mask[:2] = 255
write("a.tif", np.full((4, 4), 9, "uint8"))
write("a.tif.msk", mask)
show("no item")
with rasterio.open("a.tif.msk", "r+") as f:
    f.update_tags(INTERNAL_MASK_FLAGS_1="2")
show("INTERNAL_MASK_FLAGS_1=2")

files = ["a.tif", "a.tif.msk"]
as_stated = seen == [(16, ["all_valid"], files), (8, ["per_dataset"], files)]
print("as stated" if as_stated else "NO LONGER AS STATED")
sys.exit(not as_stated)
PYTHON
