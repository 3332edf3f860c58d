#!/usr/bin/env bash
# Guess: GDAL looks for georeferencing inside a GeoTIFF first and for a world file last (GDAL_GEOREF_SOURCES is
#   PAM,INTERNAL,TABFILE,WORLDFILE), so NAME.tfw beside a GeoTIFF that has ground control points changes nothing.
# Behaviour: tie points alone are no geotransform, so the search goes on, and once the world file is found the control points
#   are left out: 0 GCPs, and the coordinate system now goes with the world file's transform. Beside a GeoTIFF with one tie
#   point and a scale the same world file is ignored. GDAL_GEOREF_SOURCES=INTERNAL brings the control points back.
# Seen 2026-11-29, rasterio 1.4.4 (GDAL 3.10.3), numpy 2.4.6, Linux x86-64:
#   tie point and scale             GCPs 0, system of image EPSG:32633, transform (500, 2, 0, 800, 0, -2)
#   tie point and scale, NAME.tfw   GCPs 0, system of image EPSG:32633, transform (500, 2, 0, 800, 0, -2)
#   GCPs                            GCPs 4, system of image None, transform (0, 1, 0, 0, 0, 1)
#   GCPs, NAME.tfw                  GCPs 0, system of image EPSG:32633, transform (1000, 3, 0, 900, 0, -3)
#   GCPs, NAME.tfw, INTERNAL        GCPs 4, system of image None, transform (0, 1, 0, 0, 0, 1)
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
from rasterio.control import GroundControlPoint as Point
from rasterio.transform import from_origin

warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
POINTS = [Point(0, 0, 500, 800), Point(0, 8, 516, 800), Point(8, 0, 500, 784), Point(8, 8, 517, 783)]
seen = []


def write(**where):
    with rasterio.open("a.tif", "w", driver="GTiff", width=8, height=8, count=1, dtype="uint8", crs="EPSG:32633", **where) as f:
        f.write(np.arange(64, dtype="uint8").reshape(1, 8, 8))


def show(text):
    with rasterio.open("a.tif") as f:
        transform = tuple(int(v) if v == int(v) else v for v in f.transform.to_gdal())
        seen.append((len(f.gcps[0]), f.crs.to_epsg() if f.crs else None, transform))
        print(f"{text:<31} GCPs {len(f.gcps[0])}, system of image {f.crs}, transform {transform}")


def with_and_without_world_file(text):
    show(text)
    with open("a.tfw", "w") as f:
        f.write("3\n0\n0\n-3\n1001.5\n898.5\n")  # centre of the first pixel
    show(f"{text}, NAME.tfw")


print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}, numpy {np.__version__}")
write(transform=from_origin(500, 800, 2, 2))
with_and_without_world_file("tie point and scale")
os.remove("a.tfw")
write(gcps=POINTS)
with_and_without_world_file("GCPs")
with rasterio.Env(GDAL_GEOREF_SOURCES="INTERNAL"):
    show("GCPs, NAME.tfw, INTERNAL")

placed = (0, 32633, (500, 2, 0, 800, 0, -2))
points = (4, None, (0, 1, 0, 0, 0, 1))
as_stated = seen == [placed, placed, points, (0, 32633, (1000, 3, 0, 900, 0, -3)), points]
print("as stated" if as_stated else "NO LONGER AS STATED")
sys.exit(not as_stated)
PYTHON
