#!/usr/bin/env bash
# Guess: an AVERAGE overview of an alpha band holds the mean of each 2 x 2 alpha samples, as that of any other band.
# Behaviour: once a band is tagged as alpha, samples of 0 do not count in its own mean. One opaque pixel of four gives 255,
#   not 64: edges have no intermediate alpha, and what is opaque grows with every level. The same samples in a band that is
#   not tagged give the mean. A decimated read with Resampling.average gives the same as the overview.
# Seen 2026-11-29, rasterio 1.4.4 (GDAL 3.10.3), numpy 2.4.6, Linux x86-64; four samples, then what stands for them:
#   [255, 0, 0, 0]        tagged as alpha: overview 255, decimated read 255; not tagged: overview 64
#   [100, 0, 0, 0]        tagged as alpha: overview 100, decimated read 100; not tagged: overview 25
#   [100, 200, 0, 0]      tagged as alpha: overview 150, decimated read 150; not tagged: overview 75
#   [100, 200, 100, 200]  tagged as alpha: overview 150, decimated read 150; not tagged: overview 150
#   [0, 0, 0, 0]          tagged as alpha: overview 0, decimated read 0; not tagged: overview 0
#   share of a disc of 2828 opaque pixels of 4096, levels 0 to 3: 0.690 0.715 0.812 0.938
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
from rasterio.enums import Resampling

warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
SIDE = 64


def write(alpha, tagged, levels):
    image = np.full((4, SIDE, SIDE), 80, "uint8")
    image[3] = alpha
    with rasterio.open("a.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=4, dtype="uint8", photometric="RGB",
                       alpha="YES" if tagged else "NO") as f:
        f.write(image)
    with rasterio.open("a.tif", "r+") as f:
        f.build_overviews(levels, Resampling.average)


def overview(level):
    with rasterio.open("a.tif", overview_level=level) as f:
        return f.read(4)


print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}, numpy {np.__version__}")
as_stated = True
for four in [255, 0, 0, 0], [100, 0, 0, 0], [100, 200, 0, 0], [100, 200, 100, 200], [0, 0, 0, 0]:
    alpha = np.tile(np.array(four, "uint8").reshape(2, 2), (SIDE // 2, SIDE // 2))
    write(alpha, False, [2])
    plain = overview(0)
    write(alpha, True, [2])
    tagged = overview(0)
    with rasterio.open("a.tif") as f:
        read = f.read(4, out_shape=(SIDE // 2, SIDE // 2), resampling=Resampling.average)
    print(f"{str(four):<21} tagged as alpha: overview {tagged[0, 0]}, decimated read {read[0, 0]}; not tagged: overview {plain[0, 0]}")
    opaque = [a for a in four if a]
    want = round(sum(opaque) / len(opaque)) if opaque else 0
    as_stated &= bool((tagged == want).all() and (read == want).all() and (plain == int(sum(four) / 4 + 0.5)).all())

y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
write(np.where(x * x + y * y < 30 * 30, 255, 0).astype("uint8"), True, [2, 4, 8])
with rasterio.open("a.tif") as f:
    levels = [f.read(4)] + [overview(i) for i in range(3)]
shares = [f"{level.mean() / 255:.3f}" for level in levels]
print(f"share of a disc of {int((levels[0] > 0).sum())} opaque pixels of {SIDE * SIDE}, levels 0 to 3:", *shares)
as_stated &= all(set(np.unique(level)) == {0, 255} for level in levels)
as_stated &= bool((np.diff([level.mean() for level in levels]) > 0).all())

print("as stated" if as_stated else "NO LONGER AS STATED")
sys.exit(not as_stated)
PYTHON
