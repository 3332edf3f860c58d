#!/usr/bin/python3
"""Writes a scene of one 16-bit band that is mostly no-data, as GeoTIFF whose empty blocks take no room.

    sparse_scene.py FILE SIDE ISLANDS    islands of 600 x 500 pixels, at the same places each time
"""
import sys

import numpy as np
from osgeo import gdal

gdal.UseExceptions()
path, side, islands = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
scene = gdal.GetDriverByName("GTiff").Create(
    path, side, side, 1, gdal.GDT_UInt16,
    ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "SPARSE_OK=TRUE", "COMPRESS=DEFLATE", "BIGTIFF=YES"])
scene.SetGeoTransform((300000, 1, 0, 5000000, 0, -1))
band = scene.GetRasterBand(1)
band.SetNoDataValue(0)
random = np.random.default_rng(1)
y, x = np.mgrid[0:500, 0:600]
for i in range(islands):
    island = 400 + 200 * np.sin(x / 17 + i) + 150 * np.cos(y / 11) + random.integers(0, 60, x.shape)
    left, top = (int(v) for v in random.integers(0, side - 600, 2))
    band.WriteArray(island.astype(np.uint16), left, top)
