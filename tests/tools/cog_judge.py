#!/usr/bin/env python3
"""Judges Cloud Optimized GeoTIFFs as GDAL reads them.

    cog_judge.py make FOLDER             writes scenes whose no-data, mask or alpha is a checkerboard of pixels
    cog_judge.py judge INPUTS COGS       one line per file; exit status 1 if anything is wrong
Results are twice as large as their inputs, so the first overview's pixels are those of the input's grid.
"""
import os
import sys

import numpy as np
from osgeo import gdal
from osgeo_utils.samples import validate_cloud_optimized_geotiff

gdal.UseExceptions()
SIZE = 560, 277


def checkerboard():
    y, x = np.mgrid[0:SIZE[1], 0:SIZE[0]]
    return (x + y) % 2 == 0


def create(folder, name, bands, gdal_type, options=()):
    y, x = np.mgrid[0:SIZE[1], 0:SIZE[0]]
    ds = gdal.GetDriverByName("GTiff").Create(
        os.path.join(folder, name), SIZE[0], SIZE[1], bands, gdal_type, options=["COMPRESS=DEFLATE", *options])
    ds.SetGeoTransform((500000, 10, 0, 4600000, 0, -10))
    values = np.array([120 + 60 * np.sin(x / (30 + b)) + 50 * np.cos(y / (40 + b)) for b in range(bands)])
    return ds, values


def make(folder):
    gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", "YES")
    holes = checkerboard()
    ds, values = create(folder, "plain.tif", 4, gdal.GDT_UInt16)
    ds.WriteArray(values)
    for name, kind, nodata in (("nodata_i16.tif", gdal.GDT_Int16, -9999), ("nodata_f32.tif", gdal.GDT_Float32, -9999)):
        ds, values = create(folder, name, 1, kind)
        values[0][holes] = nodata
        ds.GetRasterBand(1).SetNoDataValue(nodata)
        ds.WriteArray(values)
    ds, values = create(folder, "mask.tif", 3, gdal.GDT_Byte)
    ds.CreateMaskBand(gdal.GMF_PER_DATASET)
    ds.WriteArray(values)
    ds.GetRasterBand(1).GetMaskBand().WriteArray(np.where(holes, 0, 255))
    ds, values = create(folder, "alpha.tif", 4, gdal.GDT_Byte, ["PHOTOMETRIC=RGB", "ALPHA=YES"])
    values[3] = np.where(holes, 0, 255)
    ds.WriteArray(values)
    del ds


def halved(values, valid):
    """Means of 2 x 2 valid samples, and whether there was one. An odd last row or column is left out."""
    h, w = values.shape[0] // 2 * 2, values.shape[1] // 2 * 2
    blocks = lambda a: a[:h, :w].reshape(h // 2, 2, w // 2, 2).swapaxes(1, 2).reshape(h // 2, w // 2, 4)
    v, ok = blocks(values.astype("float64")), blocks(valid)
    count = ok.sum(axis=2)
    return np.where(ok, v, 0).sum(axis=2) / np.maximum(count, 1), count > 0


def rounded(mean, dtype):
    if np.issubdtype(dtype, np.floating):
        return mean.astype(dtype)
    return np.copysign(np.floor(np.abs(mean) + 0.5), mean).astype(dtype)


def problems(scene, path):
    warnings, errors, details = validate_cloud_optimized_geotiff.validate(path, full_check=True)
    found = list(warnings) + list(errors)
    ds, plain = gdal.Open(path), gdal.Open(scene)
    if ds.GetMetadataItem("LAYOUT", "IMAGE_STRUCTURE") != "COG":
        found.append("GDAL sees no COG layout")
    sizes = []
    w, h = ds.RasterXSize, ds.RasterYSize
    if (w, h) != (2 * plain.RasterXSize, 2 * plain.RasterYSize):
        found.append("size %d x %d" % (w, h))
    while w > 512 or h > 512:
        w, h = max(1, w // 2), max(1, h // 2)
        sizes.append((w, h))
    for number in range(1, ds.RasterCount + 1):
        band = ds.GetRasterBand(number)
        there = [(band.GetOverview(i).XSize, band.GetOverview(i).YSize) for i in range(band.GetOverviewCount())]
        if there != sizes:
            found.append("overviews of band %d: %r, not %r" % (number, there, sizes))
            continue
        alpha = band.GetColorInterpretation() == gdal.GCI_AlphaBand
        values = band.ReadAsArray()
        valid = np.full(values.shape, True) if alpha else band.GetMaskBand().ReadAsArray() != 0
        for i in range(len(sizes)):
            overview = band.GetOverview(i)
            mean, valid = halved(values, valid)
            values = overview.ReadAsArray()
            want = rounded(mean, values.dtype)
            if not np.array_equal(values[valid], want[valid]):
                found.append("band %d, overview %d: %d pixels are not the mean of their valid ones" % (
                    number, i, (values != want)[valid].sum()))
            if not alpha and not np.array_equal(overview.GetMaskBand().ReadAsArray() != 0, valid):
                found.append("band %d, overview %d: mask" % (number, i))
            if valid.sum() == 0:
                found.append("band %d, overview %d is empty" % (number, i))
    return found


def judge(inputs, cogs):
    bad = 0
    for name in sorted(os.listdir(inputs)):
        found = problems(os.path.join(inputs, name), os.path.join(cogs, name.replace(".tif", "_bic_up.tif")))
        bad += bool(found)
        print("%-30s %s" % (name, "; ".join(found) or "as it should be"))
    return 1 if bad else 0


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        sys.exit(judge(sys.argv[2], sys.argv[3]))
