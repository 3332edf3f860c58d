#!/usr/bin/env bash
# Guess: COMPRESS=LERC with MAX_Z_ERROR=0 is lossless: no sample may change by more than 0.
# Behaviour: not for RGBA of 8 bits, interleaved by pixel, if alpha has only 0 and 255. libtiff then hands alpha to LERC
#   as its mask of valid pixels, and LERC does not store samples of invalid ones: the colours under alpha 0 are never written
#   and read as 0. Two pictures with other colours there give the same bytes. No error, no warning. One alpha sample of 128
#   in the block and all colours come back; so they do with 16 bits, with INTERLEAVE=BAND and with DEFLATE.
# Seen 2026-11-29, rasterio 1.4.4 (GDAL 3.10.3), numpy 2.4.6, Linux x86-64:
#   LERC, uint8, pixel, alpha 0 and 255       differing samples under alpha 0: 6144, elsewhere: 0
#   LERC, uint8, pixel, one alpha is 128      differing samples under alpha 0: 0, elsewhere: 0
#   LERC, uint8, band, alpha 0 and 255        differing samples under alpha 0: 0, elsewhere: 0
#   LERC, uint16, pixel, alpha 0 and 65535    differing samples under alpha 0: 0, elsewhere: 0
#   DEFLATE, uint8, pixel, alpha 0 and 255    differing samples under alpha 0: 0, elsewhere: 0
#   files of two pictures with other colours under alpha 0 are the same: True
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{ python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: \
  numpy==2.4.6 rasterio==1.4.4; } >&2 || exit 2

venv/bin/python - <<'PYTHON'
import sys
import warnings

import numpy as np
import rasterio

warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
rng = np.random.default_rng(1)
SIDE = 64


def picture(kind, half=False):
    image = rng.integers(1, 255, (4, SIDE, SIDE)).astype(kind)
    image[3] = np.iinfo(kind).max
    image[3, :, : SIDE // 2] = 0
    if half:
        image[3, 0, -1] = 128
    return image


def write(path, image, compress, interleave):
    options = {"max_z_error": 0} if compress == "LERC" else {}
    with rasterio.open(path, "w", driver="GTiff", width=SIDE, height=SIDE, count=4, dtype=image.dtype, photometric="RGB",
                       alpha="YES", compress=compress, interleave=interleave, blockysize=SIDE, **options) as f:
        f.write(image)


def differing(image, compress, interleave, text):
    write("a.tif", image, compress, interleave)
    with rasterio.open("a.tif") as f:
        wrong = f.read() != image
    clear = image[3] == 0
    counts = int(wrong[:, clear].sum()), int(wrong[:, ~clear].sum())
    what = f"{compress}, {image.dtype}, {interleave}, {text}"
    print(f"{what:<41} differing samples under alpha 0: {counts[0]}, elsewhere: {counts[1]}")
    return counts


print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}, numpy {np.__version__}")
image = picture("uint8")
lost = differing(image, "LERC", "pixel", "alpha 0 and 255")
kept = [
    differing(picture("uint8", half=True), "LERC", "pixel", "one alpha is 128"),
    differing(image, "LERC", "band", "alpha 0 and 255"),
    differing(picture("uint16"), "LERC", "pixel", "alpha 0 and 65535"),
    differing(image, "DEFLATE", "pixel", "alpha 0 and 255"),
]
other = image.copy()
other[:3, :, : SIDE // 2] = picture("uint8")[:3, :, : SIDE // 2]
write("a.tif", image, "LERC", "pixel")
write("b.tif", other, "LERC", "pixel")
same = open("a.tif", "rb").read() == open("b.tif", "rb").read()
print("files of two pictures with other colours under alpha 0 are the same:", same)

as_stated = lost == (3 * SIDE * SIDE // 2, 0) and all(k == (0, 0) for k in kept) and same
print("as stated" if as_stated else "NO LONGER AS STATED")
sys.exit(not as_stated)
PYTHON
