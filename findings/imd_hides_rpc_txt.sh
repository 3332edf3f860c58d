#!/usr/bin/env bash
# Guess: GDAL takes the RPC model from whichever of NAME.RPB, NAME_RPC.TXT and the TIFF's own RPC tag is there; another file
#   of metadata beside the scene adds to that and takes nothing away.
# Behaviour: GDAL asks one vendor's reader after the other and stops at the first that finds a file of its own. NAME.IMD is
#   DigitalGlobe's, whose reader knows RPCs only from NAME.RPB: with NAME.IMD and no NAME.RPB a good NAME_RPC.TXT, which
#   GDAL read before, is no longer seen, and the scene has no RPC. Files win over the TIFF's tag, so NAME.IMD also switches
#   a scene that has both from the file's model to the tag's. No warning.
# Seen 2026-11-29, rasterio 1.4.4 (GDAL 3.10.3), numpy 2.4.6, Linux x86-64; line offset 111 in NAME_RPC.TXT, 777 in the tag:
#   NAME_RPC.TXT                  line offset 111.0, satellite None
#   NAME_RPC.TXT, NAME.IMD        line offset None, satellite WV02
#   tag, NAME_RPC.TXT             line offset 111.0, satellite None
#   tag, NAME_RPC.TXT, NAME.IMD   line offset 777.0, satellite WV02
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
from rasterio.rpc import RPC

warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
IMD = """version = "AA";
BEGIN_GROUP = IMAGE_1
\tsatId = "WV02";
\tCatId = "1030010000000000";
\tTLCTime = 2020-01-01T00:00:00.000000Z;
\tcloudCover = 0.000;
END_GROUP = IMAGE_1
END;
"""
seen = []


def model(line_off):
    def only(i):
        return [float(j == i) for j in range(20)]
    return RPC(height_off=100.0, height_scale=500.0, lat_off=10.0, lat_scale=0.1, long_off=20.0, long_scale=0.1,
               line_off=line_off, line_scale=4.0, samp_off=4.0, samp_scale=4.0, line_num_coeff=only(2),
               line_den_coeff=only(0), samp_num_coeff=only(1), samp_den_coeff=only(0), err_bias=0.0, err_rand=0.0)


def write(path, rpc=None, **options):
    with rasterio.open(path, "w", driver="GTiff", width=8, height=8, count=1, dtype="uint8", **options) as f:
        if rpc:
            f.rpcs = rpc
        f.write(np.arange(64, dtype="uint8").reshape(1, 8, 8))


def show(text):
    with rasterio.open("a.tif") as f:
        seen.append((f.rpcs and f.rpcs.line_off, f.tags(ns="IMAGERY").get("SATELLITEID")))
        print(f"{text:<29} line offset {seen[-1][0]}, satellite {seen[-1][1]}")


def with_and_without_imd(text):
    show(text)
    with open("a.IMD", "w") as f:
        f.write(IMD)
    show(f"{text}, NAME.IMD")
    os.remove("a.IMD")


print(f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}, numpy {np.__version__}")
write("a.tif", model(111.0), rpctxt="YES", profile="BASELINE")  # no tag: GDAL writes a_RPC.TXT itself
text = open("a_RPC.TXT").read()
write("a.tif")
open("a_RPC.TXT", "w").write(text)
with_and_without_imd("NAME_RPC.TXT")
os.remove("a_RPC.TXT")
write("a.tif", model(777.0))
open("a_RPC.TXT", "w").write(text)
with_and_without_imd("tag, NAME_RPC.TXT")

as_stated = seen == [(111.0, None), (None, "WV02"), (111.0, None), (777.0, "WV02")]
print("as stated" if as_stated else "NO LONGER AS STATED")
sys.exit(not as_stated)
PYTHON
