#!/usr/bin/env bash
# Guess: the nodata value in GDAL's NAME.aux.xml is the text of <NoDataValue>, which a program may read as it reads other numbers
#   there.
# Behaviour: the text has 15 digits, by which a double is seldom itself. That of the lowest double is beyond all doubles and
#   read as -inf; that of the lowest float32, which many programs take, and of 1/3 are neighbours that equal no sample. The exact
#   value is in the attribute le_hex_equiv, the double's eight bytes from the lowest on, and GDAL takes that whatever the text
#   says. Its mask, which is fuzzy for floats, hides the samples by the neighbour too; by -inf it hides none.
# Seen 2026-12-01, rasterio 1.4.4 (GDAL 3.10.3), numpy 2.4.6, Linux x86-64; of 16 samples that are nodata:
#   -1.7976931348623157e+308: text -1.79769313486232E+308, read -1.7976931348623157e+308; by the text alone -inf, equal 0, hidden 0
#   -3.4028234663852886e+38: text -3.40282346638529E+38, read -3.4028234663852886e+38; by the text alone -3.40282346638529e+38, equal 0, hidden 16
#   0.3333333333333333: text 3.33333333333333E-01, read 0.3333333333333333; by the text alone 0.333333333333333, equal 0, hidden 16
#   -9999.0: text -9.99900000000000E+03, read -9999.0; by the text alone -9999.0, equal 16, hidden 16
#   text 121 beside the bytes of 0.0: read 0.0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{ python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: \
  numpy==2.4.6 rasterio==1.4.4; } >&2 || exit 2

venv/bin/python - <<'PYTHON'
import re
import sys
import warnings

import numpy as np
import rasterio

warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
SIDE_FILE = "a.img.aux.xml"


def write(value):
    """The side file that GDAL lays beside a format without a place for nodata."""
    with rasterio.open("a.img", "w", driver="ENVI", width=4, height=4, count=1, dtype="float64", nodata=value) as f:
        f.write(np.full((1, 4, 4), value))
    with open(SIDE_FILE) as f:
        return f.read()


def read(side_file):
    with open(SIDE_FILE, "w") as f:
        f.write(side_file)
    with rasterio.open("a.img") as f:
        equal = int((f.read(1) == f.nodata).sum())
        return f.nodata, equal, int((f.dataset_mask() == 0).sum())


def line(value):
    written = write(value)
    text = re.search("<NoDataValue[^>]*>([^<]*)<", written).group(1)
    exact = read(written)[0]
    alone, equal, hidden = read(re.sub(' le_hex_equiv="[^"]*"', "", written))
    return f"{value!r}: text {text}, read {exact!r}; by the text alone {alone!r}, equal {equal}, hidden {hidden}"


seen = [line(v) for v in (-1.7976931348623157e308, -3.4028234663852886e38, 1 / 3, -9999.0)]
both = re.sub("<NoDataValue.*</NoDataValue>", '<NoDataValue le_hex_equiv="0000000000000000">121</NoDataValue>', write(7.0))
seen.append(f"text 121 beside the bytes of 0.0: read {read(both)[0]!r}")
print("\n".join(seen))
sys.exit(seen != [
    "-1.7976931348623157e+308: text -1.79769313486232E+308, read -1.7976931348623157e+308; by the text alone -inf, equal 0, hidden 0",
    "-3.4028234663852886e+38: text -3.40282346638529E+38, read -3.4028234663852886e+38; by the text alone -3.40282346638529e+38, "
    "equal 0, hidden 16",
    "0.3333333333333333: text 3.33333333333333E-01, read 0.3333333333333333; by the text alone 0.333333333333333, equal 0, hidden 16",
    "-9999.0: text -9.99900000000000E+03, read -9999.0; by the text alone -9999.0, equal 16, hidden 16",
    "text 121 beside the bytes of 0.0: read 0.0",
])
PYTHON
