#!/usr/bin/env python3
"""Holds VRTs of parts against the files that the parts were joined to, as GDAL reads both.

    vrt_judge.py make FOLDER            writes small scenes with all kinds of tags
    vrt_judge.py judge VRTS JOINED      one line per VRT; exit status 1 if anything differs
"""
import glob
import os
import sys

import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()
gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", "YES")
WIDTH, HEIGHT = 40, 300


def create(folder, name, bands=1, kind=gdal.GDT_UInt16, srs="EPSG:32631", grid=(500000, 10, 0, 4600000, 0, -10),
           options=()):
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    ds = gdal.GetDriverByName("GTiff").Create(os.path.join(folder, name), WIDTH, HEIGHT, bands, kind, options=list(options))
    ds.WriteArray(np.array([100 + 60 * np.sin(x / (3 + b)) + 50 * np.cos(y / (4 + b)) for b in range(bands)]))
    if srs:
        system = osr.SpatialReference()
        system.SetFromUserInput(srs)
        ds.SetProjection(system.ExportToWkt())
    if grid:
        ds.SetGeoTransform(grid)
    return ds


def make(folder):
    ds = create(folder, "mask.tif", 4, options=["PHOTOMETRIC=RGB"])
    ds.CreateMaskBand(gdal.GMF_PER_DATASET)
    mask = np.full((HEIGHT, WIDTH), 255, "uint8")
    mask[::7] = 0
    ds.GetRasterBand(1).GetMaskBand().WriteArray(mask)
    ds.GetRasterBand(4).SetDescription("near infrared & <more>")
    ds.GetRasterBand(2).SetScale(0.5)
    ds.GetRasterBand(2).SetOffset(-3)
    ds.GetRasterBand(2).SetUnitType("K")
    ds.GetRasterBand(3).SetMetadataItem("WAVELENGTH", "665")
    ds.SetMetadataItem("SENSOR", "made up")
    ds.SetMetadataItem("LEVEL", "2", "PRODUCT")
    ds = create(folder, "nodata.tif", 2, gdal.GDT_Float32)
    values = ds.ReadAsArray()
    values[:, 100:140, :20] = -9999
    for band in (1, 2):
        ds.GetRasterBand(band).SetNoDataValue(-9999)
    ds.WriteArray(values)
    ds = create(folder, "alpha.tif", 4, gdal.GDT_Byte, options=["PHOTOMETRIC=RGB", "ALPHA=YES"])
    ds.GetRasterBand(4).WriteArray(mask)
    ds = create(folder, "point.tif", grid=(500000, 8, 3, 4600000, 2, -9))
    ds.SetMetadataItem("AREA_OR_POINT", "Point")
    create(folder, "geographic.tif", srs="EPSG:4326", grid=(5, 0.001, 0, 45, 0, -0.001))
    create(folder, "own.tif", srs="+proj=laea +lat_0=52 +lon_0=10 +x_0=4321000 +y_0=3210000 +ellps=GRS80 +units=m")
    ds = create(folder, "gcps.tif", grid=None, srs=None)
    system = osr.SpatialReference()
    system.ImportFromEPSG(32631)
    ds.SetGCPs([gdal.GCP(500000 + 10 * x + y, 4600000 - 9 * y, 12, x, y) for x in (0.0, 30.5) for y in (0.0, 20.25, 47.0)],
               system.ExportToWkt())
    ds = create(folder, "rpc.tif", grid=None, srs=None)
    rpc = {"LINE_OFF": "150.5", "SAMP_OFF": "20.25", "LAT_OFF": "45.1", "LONG_OFF": "5.2", "HEIGHT_OFF": "300",
           "LINE_SCALE": "150", "SAMP_SCALE": "20", "LAT_SCALE": "0.1", "LONG_SCALE": "0.2", "HEIGHT_SCALE": "500"}
    for axis, linear in (("LINE", [0.01, 0.02, -1]), ("SAMP", [0.02, 1, 0.01])):
        rpc[axis + "_NUM_COEFF"] = " ".join(str(v) for v in linear + [0.001] * 17)
        rpc[axis + "_DEN_COEFF"] = " ".join(str(v) for v in [1] + [0.0005] * 19)
    ds.SetMetadata(rpc, "RPC")
    ds = create(folder, "palette.tif", 1, gdal.GDT_Byte)
    ds.WriteArray(np.mgrid[0:HEIGHT, 0:WIDTH][0].astype("uint8") // 16)
    table = gdal.ColorTable()
    for i in range(20):
        table.SetColorEntry(i, (10 * i, 255 - 10 * i, 7 * i, 255))
    ds.GetRasterBand(1).SetColorTable(table)
    ds.GetRasterBand(1).SetNoDataValue(3)


def numbers(rpc):
    return {key: [float(v) for v in value.split()] for key, value in rpc.items()}


def told(metadata):
    """What a TIFF's own tags say beside GDAL_METADATA a VRT has no place for; Area is GDAL's default."""
    return {k: v for k, v in metadata.items() if not k.startswith("TIFFTAG_") and (k, v) != ("AREA_OR_POINT", "Area")}


def facts(ds):
    yield "size", (ds.RasterXSize, ds.RasterYSize, ds.RasterCount)
    yield "grid", ds.GetGeoTransform(can_return_null=True)
    yield "points", [(p.GCPPixel, p.GCPLine, p.GCPX, p.GCPY, p.GCPZ) for p in ds.GetGCPs()]
    yield "rpc", numbers(ds.GetMetadata("RPC"))
    yield "metadata", told(ds.GetMetadata())
    yield "metadata of a domain", ds.GetMetadata("PRODUCT")
    for i in range(1, ds.RasterCount + 1):
        band = ds.GetRasterBand(i)
        yield "band %d" % i, (band.DataType, band.GetNoDataValue(), band.GetColorInterpretation(), band.GetDescription(),
                              band.GetScale() or 1, band.GetOffset() or 0, band.GetUnitType(), told(band.GetMetadata()))
        table = band.GetColorTable()
        yield "colours", [table.GetColorEntry(c) for c in range(table.GetCount())][:20] if table else None
        yield "mask of", band.GetMaskFlags()
        yield "mask", band.GetMaskBand().ReadAsArray().tobytes()
        yield "pixels", band.ReadAsArray().tobytes()


def judge_one(vrt, joined):
    a, b = gdal.Open(vrt), gdal.Open(joined)
    shown = lambda x: "pixels" if isinstance(x, bytes) else x
    wrong = ["%s %s, not %s" % (name, shown(x), shown(y)) for (name, x), (_, y) in zip(facts(a), facts(b)) if x != y]
    for x, y in ((a.GetSpatialRef(), b.GetSpatialRef()), (a.GetGCPSpatialRef(), b.GetGCPSpatialRef())):
        if (x is None) != (y is None):
            wrong.append("coordinate system")
        elif x and not x.IsSame(y, ["CRITERION=EQUIVALENT_EXCEPT_AXIS_ORDER_GEOGCRS", "IGNORE_DATA_AXIS_TO_SRS_AXIS_MAPPING=YES"]):
            wrong.append("coordinate system %s, not %s" % (x.ExportToProj4(), y.ExportToProj4()))
    return wrong


def judge(vrts, joined):
    status = 0
    found = sorted(glob.glob(os.path.join(vrts, "*.vrt")))
    for vrt in found:
        name = os.path.splitext(os.path.basename(vrt))[0] + ".tif"
        wrong = judge_one(vrt, os.path.join(joined, name))
        print(name, "; ".join(wrong) if wrong else "the same")
        status |= bool(wrong)
    return status if found else 1


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        sys.exit(judge(sys.argv[2], sys.argv[3]))
