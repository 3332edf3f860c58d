#!/usr/bin/env python3
"""Holds super-resolved scenes against their inputs, as GDAL reads both.

    scene_judge.py make FOLDER                  writes small scenes with all kinds of tags
    scene_judge.py judge INPUTS RESULTS FACTOR  one line per scene; exit status 1 if anything differs
"""
import os
import sys

import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()


def picture(width, height, bands, dtype):
    y, x = np.mgrid[0:height, 0:width]
    waves = [100 + 60 * np.sin(x / (3 + b)) + 50 * np.cos(y / (4 + b)) for b in range(bands)]
    return np.array(waves).astype(dtype)


COLOUR = (200, 100, 50)  # of the premultiplied scene, before it was multiplied


def utm(zone=31):
    srs = osr.SpatialReference()
    srs.ImportFromEPSG(32600 + zone)
    return srs.ExportToWkt()


def create(folder, name, bands=3, gdal_type=gdal.GDT_Byte, dtype="uint8", size=(61, 47), options=()):
    ds = gdal.GetDriverByName("GTiff").Create(
        os.path.join(folder, name), size[0], size[1], bands, gdal_type, options=list(options))
    ds.WriteArray(picture(size[0], size[1], bands, dtype))
    return ds


def make(folder):
    ds = create(folder, "utm_rgb.tif")
    ds.SetProjection(utm())
    ds.SetGeoTransform((500000, 10, 0, 4600000, 0, -10))
    ds = create(folder, "point_u16.tif", 1, gdal.GDT_UInt16, "uint16")
    ds.SetMetadataItem("AREA_OR_POINT", "Point")
    ds.SetProjection(utm())
    ds.SetGeoTransform((500000, 10, 0, 4600000, 0, -10))
    ds = create(folder, "rotated_f32.tif", 2, gdal.GDT_Float32, "float32")
    ds.SetProjection(utm())
    ds.SetGeoTransform((500000, 8, 3, 4600000, 2, -9))
    ds = create(folder, "rotated_point.tif", 1, gdal.GDT_Int16, "int16")
    ds.SetMetadataItem("AREA_OR_POINT", "Point")
    ds.SetProjection(utm())
    ds.SetGeoTransform((500000, 8, 3, 4600000, 2, -9))
    ds = create(folder, "southup.tif", 1)
    ds.SetProjection(utm())
    ds.SetGeoTransform((500000, 10, 0, 4600000, 0, 10))
    for name, point in (("gcps.tif", False), ("gcps_point.tif", True)):
        ds = create(folder, name, 1)
        if point:
            ds.SetMetadataItem("AREA_OR_POINT", "Point")
        ds.SetGCPs([gdal.GCP(500000 + 10 * x + y, 4600000 - 9 * y, 0, x, y)
                    for x in (0.0, 30.5, 61.0) for y in (0.0, 20.25, 47.0)], utm())
    ds = create(folder, "rpc.tif", 1, gdal.GDT_UInt16, "uint16")
    rpc = {"LINE_OFF": "23.5", "SAMP_OFF": "30.25", "LAT_OFF": "45.1", "LONG_OFF": "5.2", "HEIGHT_OFF": "300",
           "LINE_SCALE": "24", "SAMP_SCALE": "31", "LAT_SCALE": "0.1", "LONG_SCALE": "0.2", "HEIGHT_SCALE": "500"}
    for axis, linear in (("LINE", [0.01, 0.02, -1]), ("SAMP", [0.02, 1, 0.01])):
        rpc[axis + "_NUM_COEFF"] = " ".join(str(v) for v in linear + [0.001] * 17)
        rpc[axis + "_DEN_COEFF"] = " ".join(str(v) for v in [1] + [0.0005] * 19)
    ds.SetMetadata(rpc, "RPC")
    arrays = os.path.join(os.path.abspath(folder), "arrays")
    os.makedirs(arrays)
    y, x = np.mgrid[0:13, 0:17]
    for name, values in (("lon.tif", 5 + 0.1 * x + 0.01 * y), ("lat.tif", 45 - 0.1 * y + 0.005 * x)):
        array = gdal.GetDriverByName("GTiff").Create(os.path.join(arrays, name), 17, 13, 1, gdal.GDT_Float64)
        array.WriteArray(values)
        del array
    for convention in ("TOP_LEFT_CORNER", "PIXEL_CENTER"):
        ds = create(folder, "geolocation_%s.tif" % convention.lower(), 1)
        ds.SetMetadata({"X_DATASET": arrays + "/lon.tif", "Y_DATASET": arrays + "/lat.tif", "X_BAND": "1", "Y_BAND": "1",
                        "PIXEL_OFFSET": "2", "LINE_OFFSET": "1.5", "PIXEL_STEP": "4", "LINE_STEP": "4",
                        "SRS": "EPSG:4326", "GEOREFERENCING_CONVENTION": convention}, "GEOLOCATION")
    ds = create(folder, "nodata_rgb.tif")
    values = ds.ReadAsArray()
    values[:, :, :20] = 0
    values[1, 5:9, 30:40] = 0
    ds.WriteArray(values)
    for band in range(1, 4):
        ds.GetRasterBand(band).SetNoDataValue(0)
    ds = create(folder, "nan_f32.tif", 1, gdal.GDT_Float32, "float32")
    values = ds.ReadAsArray()
    values[10:30, 5:25] = np.nan
    ds.WriteArray(values)
    ds.GetRasterBand(1).SetNoDataValue(float("nan"))
    ds = create(folder, "rgba.tif", 4, options=["PHOTOMETRIC=RGB", "ALPHA=YES"])
    values = ds.ReadAsArray()
    values[3] = 255
    values[3, :, 40:] = 0
    ds.WriteArray(values)
    gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", "YES")
    ds = create(folder, "mask.tif")
    ds.CreateMaskBand(gdal.GMF_PER_DATASET)
    mask = np.full((47, 61), 255, "uint8")
    mask[:12, :31] = 0
    ds.GetRasterBand(1).GetMaskBand().WriteArray(mask)
    ds = create(folder, "described.tif", 4, gdal.GDT_UInt16, "uint16", options=["COMPRESS=LZW", "TILED=YES"])
    for band in range(1, 5):
        ds.GetRasterBand(band).SetDescription("band %d" % band)
        ds.GetRasterBand(band).SetScale(0.5 * band)
        ds.GetRasterBand(band).SetOffset(band)
        ds.GetRasterBand(band).SetStatistics(0, 255, 100, 50)
    ds.SetMetadataItem("SENSOR", "made & <tested>")
    ds.SetMetadata(["<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"], "xml:XMP")
    ds.SetMetadataItem("TIFFTAG_XRESOLUTION", "72")
    ds.SetMetadataItem("TIFFTAG_YRESOLUTION", "72")
    ds.SetMetadataItem("TIFFTAG_SOFTWARE", "by hand")
    ds = create(folder, "half_f16.tif", 2, gdal.GDT_Float32, "float32", options=["NBITS=16"])
    ds = create(folder, "half_f16_nodata.tif", 1, gdal.GDT_Float32, "float32", options=["NBITS=16", "COMPRESS=DEFLATE"])
    values = ds.ReadAsArray()
    values[5:20, 30:50] = -32768
    ds.WriteArray(values)
    ds.GetRasterBand(1).SetNoDataValue(-32768)
    ds = create(folder, "premultiplied.tif", 4, options=["PHOTOMETRIC=RGB", "ALPHA=PREMULTIPLIED"])
    values[:] = 0  # so that all products are whole
    values[8:40, 10:35], values[12:30, 20:50] = 51, 255
    ds.WriteArray(np.array([values * c // 255 for c in COLOUR + (255,)]).astype("uint8"))
    ds = create(folder, "planar_i32.tif", 3, gdal.GDT_Int32, "int32", options=["INTERLEAVE=BAND", "BIGTIFF=YES"])
    ds = create(folder, "big_endian_f64.tif", 2, gdal.GDT_Float64, "float64", options=["ENDIANNESS=BIG"])
    del ds


def corners(ds, factor):
    """Ground coordinates of the corners and the centre, given in pixels of the input."""
    transform = ds.GetGeoTransform(can_return_null=True)
    if transform is None:
        return None, None
    width, height = ds.RasterXSize / factor, ds.RasterYSize / factor
    points = [(0, 0), (width, 0), (0, height), (width, height), (width / 2, height / 2)]
    where = np.array([gdal.ApplyGeoTransform(transform, x * factor, y * factor) for x, y in points])
    pixel = np.hypot(transform[1], transform[4]) * factor
    return where, pixel


def gcps(ds, factor):
    return [(g.GCPX, g.GCPY, g.GCPZ, g.GCPPixel / factor, g.GCPLine / factor) for g in ds.GetGCPs()]


def rpc_ground(ds, factor):
    """Ground points of some pixels through the RPC model, or None."""
    if not ds.GetMetadata("RPC"):
        return None
    transformer = gdal.Transformer(ds, None, ["METHOD=RPC"])
    points = [(0, 0), (ds.RasterXSize, 0), (ds.RasterXSize / 2, ds.RasterYSize / 2)]
    done = [transformer.TransformPoint(0, x, y, 0) for x, y in points]
    return np.array([p[1] for p in done]) if all(p[0] for p in done) else None


def geolocation_ground(ds, factor):
    """Ground points of some pixels through the geolocation arrays, or None."""
    if not ds.GetMetadata("GEOLOCATION"):
        return None
    transformer = gdal.Transformer(ds, None, ["METHOD=GEOLOC_ARRAY"])
    return np.array([transformer.TransformPoint(0, x * factor, y * factor)[1] for x, y in ((4, 5), (20.5, 11.25))])


def enlarged(values, factor):
    return np.repeat(np.repeat(values, factor, axis=-2), factor, axis=-1)


def differences(a, b, factor):
    """What of input a is not found in result b."""
    found = []

    def same(what, left, right):
        if left != right and not (left != left and right != right):
            found.append("%s: %r became %r" % (what, left, right))

    same("size", (a.RasterXSize * factor, a.RasterYSize * factor), (b.RasterXSize, b.RasterYSize))
    same("bands", a.RasterCount, b.RasterCount)
    if found:
        return found
    if a.GetProjection() or b.GetProjection():
        if not (a.GetSpatialRef() and b.GetSpatialRef() and a.GetSpatialRef().IsSame(b.GetSpatialRef())):
            found.append("coordinate system differs")
    where, pixel = corners(a, 1)
    there, _ = corners(b, factor)
    if (where is None) != (there is None):
        found.append("geotransform gained or lost")
    elif where is not None and np.abs(where - there).max() > 1e-6 * pixel:
        found.append("corners moved by %g pixels" % (np.abs(where - there).max() / pixel))
    left, right = np.array(gcps(a, 1)), np.array(gcps(b, factor))
    if left.shape != right.shape or (left.size and np.abs(left - right).max() > 1e-6):
        found.append("ground control points differ")
    left, right = rpc_ground(a, 1), rpc_ground(b, factor)
    if (left is None) != (right is None) or (left is not None and np.abs(left - right).max() > 1e-9):
        found.append("RPC model differs: %r %r" % (left, right))
    left, right = geolocation_ground(a, 1), geolocation_ground(b, factor)
    if (left is None) != (right is None) or (left is not None and np.abs(left - right).max() > 1e-9):
        found.append("geolocation differs: %r %r" % (left, right))
    same("AREA_OR_POINT", a.GetMetadataItem("AREA_OR_POINT"), b.GetMetadataItem("AREA_OR_POINT"))
    same("ICC profile", a.GetMetadataItem("SOURCE_ICC_PROFILE", "COLOR_PROFILE"),
         b.GetMetadataItem("SOURCE_ICC_PROFILE", "COLOR_PROFILE"))
    same("XMP", a.GetMetadata("xml:XMP"), b.GetMetadata("xml:XMP"))
    skip = {"TIFFTAG_XRESOLUTION", "TIFFTAG_YRESOLUTION"}
    for key, value in a.GetMetadata().items():
        if key not in skip:
            same("metadata " + key, value, b.GetMetadataItem(key))
    for key in skip:
        if a.GetMetadataItem(key):
            same(key, float(a.GetMetadataItem(key).split()[0]) * factor,
                 float((b.GetMetadataItem(key) or "0").split()[0]))
    # The value range of a scene is one for all its bands, so what counts as far off is, too.
    everything = a.ReadAsArray().astype("float64")
    spread = everything[np.isfinite(everything)].std() + 1 if np.isfinite(everything).any() else 1
    for i in range(1, a.RasterCount + 1):
        p, q = a.GetRasterBand(i), b.GetRasterBand(i)
        same("type of band %d" % i, p.DataType, q.DataType)
        same("colour of band %d" % i, p.GetColorInterpretation(), q.GetColorInterpretation())
        same("nodata of band %d" % i, p.GetNoDataValue(), q.GetNoDataValue())
        same("name of band %d" % i, p.GetDescription(), q.GetDescription())
        same("scale of band %d" % i, p.GetScale(), q.GetScale())
        same("offset of band %d" % i, p.GetOffset(), q.GetOffset())
        same("statistics of band %d" % i, None, q.GetMetadataItem("STATISTICS_MEAN"))
        same("mask flags of band %d" % i, p.GetMaskFlags(), q.GetMaskFlags())
        alpha = p.GetColorInterpretation() == gdal.GCI_AlphaBand
        if p.GetMaskFlags() != gdal.GMF_ALL_VALID and not alpha:
            hidden, still = p.GetMaskBand().ReadAsArray() == 0, q.GetMaskBand().ReadAsArray() == 0
            if not np.array_equal(enlarged(hidden, factor), still):
                found.append("mask of band %d differs in %d pixels" % (i, (enlarged(hidden, factor) != still).sum()))
        left, right = p.ReadAsArray().astype("float64"), q.ReadAsArray().astype("float64")
        if not np.array_equal(enlarged(np.isnan(left), factor), np.isnan(right)):
            found.append("band %d: NaN elsewhere" % i)
        valid = np.isfinite(left) & (p.GetMaskBand().ReadAsArray() != 0)
        if valid.any():
            fine = right[enlarged(valid, factor)]
            if not abs(left[valid].mean() - fine.mean()) < 0.1 * spread:
                found.append("band %d: mean %g became %g" % (i, left[valid].mean(), fine.mean()))
    return found


def premultiplied_faults(ds):
    """Where colours are not the one colour times alpha, but for what a network of random weights adds."""
    *colours, alpha = ds.ReadAsArray().astype(float)
    worst = max(np.abs(band - c * alpha / 255).max() for band, c in zip(colours, COLOUR))
    found = ["colours are off alpha's product by %g" % worst] if worst > 20 else []
    return found + ["a colour is above alpha"] * any((band > alpha).any() for band in colours)


def judge(inputs, results, factor):
    bad = 0
    for name in sorted(os.listdir(inputs)):
        if not name.lower().endswith(".tif"):
            continue
        result = os.path.join(results, name)
        if not os.path.exists(result):
            found = ["no result"]
        else:
            found = differences(gdal.Open(os.path.join(inputs, name)), gdal.Open(result), factor)
            if name.startswith("premultiplied"):
                found += premultiplied_faults(gdal.Open(result))
        bad += bool(found)
        print("%-50s %s" % (name, "; ".join(found) or "as it should be"))
    return 1 if bad else 0


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        sys.exit(judge(sys.argv[2], sys.argv[3], int(sys.argv[4])))
