#!/bin/sh
# gdal_pipeline.sh FROM TO.tif [options of eval_superres_net]: super-resolution as a step between GDAL's own (3.13 or later).
# FROM is whatever GDAL reads (JPEG 2000, a subdataset of a .SAFE, /vsicurl/...). Other steps may come before and after,
# as `clip` or `reproject`; the scene is a temporary TIFF between them (folder: CPL_TMPDIR).
set -eu
from=$1 to=$2
shift 2
step="eval_superres_net --data_path <INPUT> --out_file <OUTPUT> --compress zstd --quiet $*"
gdal pipeline --config GDAL_ENABLE_EXTERNAL=YES read "$from" ! external "$step" ! write --of COG --overwrite "$to"
