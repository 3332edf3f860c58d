"""GDAL on regions of scenes: region_judge.py make FOLDER | judge FOLDER FACTOR X Y W H | box FOLDER X Y W H

make writes scenes of every grid. judge holds FOLDER/part/NAME against the same pixels of FOLDER/whole/NAME: samples, masks and
geotransform. box prints, for each scene, a box on the ground within the given pixels that touches all their outer ones."""
import math
import os
import sys

import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()
GRIDS = {
    "north_up": (500000, 10, 0, 5200000, 0, -10),
    "south_up": (500000, 10, 0, 5200000, 0, 10),
    "rotated": (500000, 8, 3, 5200000, 2, -9),
    "degrees": (8.123, 1 / 3600, 0, 47.9, 0, -1 / 3600),
}


def make(folder):
    rows, columns = np.mgrid[0:90, 0:120]
    for kind, (name, grid) in enumerate(GRIDS.items()):
        masked, bands = name == "rotated", 3 if name == "north_up" else 2
        data_type = gdal.GDT_Byte if name == "north_up" else gdal.GDT_UInt16
        options = ["PHOTOMETRIC=RGB"] if bands == 3 else []
        options += ["COMPRESS=DEFLATE", "TILED=YES", "BLOCKXSIZE=32", "BLOCKYSIZE=32"] if kind % 2 else []
        gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", "YES")
        scene = gdal.GetDriverByName("GTiff").Create(f"{folder}/{name}.tif", 120, 90, bands, data_type, options)
        srs = osr.SpatialReference()
        srs.ImportFromEPSG(4326 if name == "degrees" else 32632)
        scene.SetProjection(srs.ExportToWkt())
        scene.SetGeoTransform(grid)
        for b in range(bands):
            wave = 0.5 + 0.5 * np.sin(columns / (3 + b) + rows * rows / 200)
            scene.GetRasterBand(b + 1).WriteArray(wave * (200 if bands == 3 else 300 + 30 * columns))
        if name == "south_up":
            for b in range(bands):
                scene.GetRasterBand(b + 1).SetNoDataValue(0)
            scene.GetRasterBand(1).WriteArray(np.zeros((20, 30), np.uint16), 50, 35)
        if masked:
            scene.CreateMaskBand(gdal.GMF_PER_DATASET)
            scene.GetRasterBand(1).GetMaskBand().WriteArray(np.where((rows + columns) % 50 < 5, 0, 255).astype(np.uint8))


def judge(folder, factor, x, y, w, h):
    names = sorted(os.listdir(f"{folder}/whole"))
    assert names == sorted(os.listdir(f"{folder}/part")) and names, names
    for name in names:
        whole, part = gdal.Open(f"{folder}/whole/{name}"), gdal.Open(f"{folder}/part/{name}")
        assert (part.RasterXSize, part.RasterYSize) == (w * factor, h * factor), (name, part.RasterXSize, part.RasterYSize)
        window = (x * factor, y * factor, w * factor, h * factor)
        assert np.array_equal(whole.ReadAsArray(*window), part.ReadAsArray()), name + ": samples"
        masks = [d.GetRasterBand(1).GetMaskBand() for d in (whole, part)]
        assert np.array_equal(masks[0].ReadAsArray(*window), masks[1].ReadAsArray()), name + ": mask"
        corner = gdal.ApplyGeoTransform(whole.GetGeoTransform(), x * factor, y * factor)
        found = part.GetGeoTransform()
        for want, got in zip((corner[0], *whole.GetGeoTransform()[1:3], corner[1], *whole.GetGeoTransform()[4:]), found):
            assert math.isclose(want, got, rel_tol=1e-12, abs_tol=1e-9), (name, want, got)
        assert whole.GetProjection() == part.GetProjection(), name


def box(folder, x, y, w, h):
    for name in sorted(os.listdir(folder)):
        grid = gdal.Open(f"{folder}/{name}").GetGeoTransform()
        if grid[2] != 0:
            continue  # a box of a rotated grid's own covers more of it
        a, b = (gdal.ApplyGeoTransform(grid, c, r) for c, r in ((x + 0.3, y + 0.999), (x + w - 0.999, y + h - 0.4)))
        print(name, f"{min(a[0], b[0])!r},{min(a[1], b[1])!r},{max(a[0], b[0])!r},{max(a[1], b[1])!r}")


command, place, *numbers = sys.argv[1:]
{"make": make, "judge": judge, "box": box}[command](place, *map(int, numbers))
