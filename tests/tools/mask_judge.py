#!/usr/bin/env python3
"""Holds what GDAL hides of results against what it hides of their inputs.

    mask_judge.py make FOLDER                  writes small TIFFs with nodata, masks and alpha of all kinds
    mask_judge.py judge INPUTS RESULTS FACTOR  exit status 1 if a result's mask is not the input's, enlarged
"""
import os
import struct
import sys

import numpy as np
from osgeo import gdal

gdal.UseExceptions()

SIDE = 24


def page(pixels, photometric=1, subfile=0, extra=(), metadata=None, nodata=None, sparse=False):
    """Entries of a directory (tag, type, values) and its one strip."""
    height, width, bands = pixels.shape
    strip = b"" if sparse else pixels.tobytes()
    bits = pixels.dtype.itemsize * 8
    entries = [(254, 4, [subfile]), (256, 3, [width]), (257, 3, [height]), (258, 3, [bits] * bands), (259, 3, [1]),
               (262, 3, [photometric]), (273, 4, None), (277, 3, [bands]), (278, 3, [height]), (279, 4, [len(strip)]),
               (284, 3, [1])]
    if extra:
        entries.append((338, 3, list(extra)))
    entries.append((339, 3, [{"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]] * bands))
    if metadata:
        entries.append((42112, 2, ("<GDALMetadata>%s</GDALMetadata>" % metadata).encode() + b"\0"))
    if nodata is not None:
        entries.append((42113, 2, nodata.encode() + b"\0"))
    return entries, strip


def write(path, *pages):
    out, link = bytearray(b"II*\0\0\0\0\0"), 4
    for entries, strip in pages:
        begin = len(out) if strip else 0
        out += strip + b"\0" * (len(strip) % 2)
        table = b""
        for tag, kind, values in entries:
            values = [begin] if values is None else values
            raw = values if kind == 2 else struct.pack("<%d%s" % (len(values), "H" if kind == 3 else "I"), *values)
            if len(raw) > 4:
                at = len(out)
                out += raw + b"\0" * (len(raw) % 2)
                raw = struct.pack("<I", at)
            table += struct.pack("<HHI", tag, kind, len(values)) + raw.ljust(4, b"\0")
        struct.pack_into("<I", out, link, len(out))
        out += struct.pack("<H", len(entries)) + table
        link = len(out)
        out += b"\0\0\0\0"
    with open(path, "wb") as file:
        file.write(out)


def item(name, text, more=""):
    return '<Item name="%s"%s>%s</Item>' % (name, more, text)


def make(folder):
    random = np.random.default_rng(3)

    def picture(bands, dtype, low=40, high=200, hole=None):
        a = (random.random((SIDE, SIDE, bands)) * (high - low) + low).astype(dtype)
        if hole is not None:
            a[:7, :9] = hole
        return a

    def scene(name, *pages):
        write(os.path.join(folder, name + ".tif"), *pages)

    # Texts of the nodata tag; the picture has values on both sides of it.
    for i, text in enumerate(["0 0 0", "0.5", "255.5", "256", "-1", "nan", "none", "1,2", "0x10", " 7 ", "inf", "12abc"]):
        a = picture(1, "u1", 0, 30)
        scene("u8_text_%02d" % i, page(a, nodata=text))
    for i, text in enumerate(["-9999.7", "-0.5", "40000"]):
        scene("i16_text_%d" % i, page(picture(1, "i2", -3, 3, -9999), nodata=text))
    for i, (text, hole) in enumerate([("-1.797e308", -np.inf), ("nan", np.nan), ("1.#QNAN", np.nan),
                                      ("-3.40282347e+38", np.float32(-3.4028235e38)), ("-3.4028235e+38", -2e37),
                                      ("0,5", 0.5), ("1e39", np.inf), ("-32768", -32768)]):
        scene("f32_text_%d" % i, page(picture(1, "f4", 0, 1, hole), nodata=text))
    for dtype in ("f4", "f8"):  # so narrow that many samples lie within GDAL's tolerance
        for nodata in (1000.0, -9999.0, 0.0):
            wide = max(abs(nodata), 1) * 1.5e-6
            scene("near_%s_%d" % (dtype, abs(nodata)),
                  page(picture(1, dtype, nodata - wide, nodata + wide, nodata), nodata="%g" % nodata))
    scene("sparse_nodata", page(picture(1, "u2"), nodata="7", sparse=True))
    # NODATA_VALUES
    black = picture(3, "u1", 0, 3, 0)
    scene("values_0", page(black, 2, metadata=item("NODATA_VALUES", "0 0 0")))
    scene("values_few", page(black, 2, metadata=item("NODATA_VALUES", "0 0")))
    scene("values_and_nodata", page(black, 2, metadata=item("NODATA_VALUES", "0 0 0"), nodata="1"))
    scene("values_255", page(picture(3, "u1", 253, 255.99, 255), 2, metadata=item("NODATA_VALUES", "255 255 255")))
    scene("values_f32", page(picture(2, "f4", 0.09, 0.11, 0.1), metadata=item("NODATA_VALUES", "0.1 0.1")))
    scene("values_nan", page(picture(2, "f4", 0, 1), metadata=item("NODATA_VALUES", "nan 0")))
    scene("values_rgba", page(picture(4, "u1", 0, 3, 0), 2, extra=[2], metadata=item("NODATA_VALUES", "0 0 0 0")))
    # Beside the file, before what is in it
    said = '<PAMDataset><Metadata><MDI key="NODATA_VALUES">%s</MDI></Metadata></PAMDataset>'
    for name, values, metadata, nodata in (("", "0 0 0", None, None), ("_over_tag", "0 0 0", "255 255 255", None),
                                           ("_and_nodata", "0 0 0", None, "1"), ("_few", "0 0", None, None)):
        scene("values_beside" + name, page(black, 2, nodata=nodata, metadata=metadata and item("NODATA_VALUES", metadata)))
        with open(os.path.join(folder, "values_beside%s.tif.aux.xml" % name), "w") as file:
            file.write(said % values)
    # Masks
    mask = np.full((SIDE, SIDE, 1), 255, "u1")
    mask[3:9, 5:20], mask[12, :] = 0, 1
    rgb = page(picture(3, "u1"), 2)
    for photometric in (0, 1, 4):
        scene("mask_photometric_%d" % photometric, rgb, page(mask, photometric, 4))
    scene("mask_16_bits", rgb, page(mask.astype("u2"), 1, 4))
    scene("mask_16_then_8_bits", rgb, page(mask.astype("u2"), 1, 4), page(mask, 1, 4))
    scene("mask_half_size", rgb, page(mask[:12, :12].copy(), 4, 4))
    scene("mask_by_photometric_alone", rgb, page(mask, 4, 0))
    scene("mask_of_overview", rgb, page(mask, 4, 5))
    scene("mask_two_bands", rgb, page(np.repeat(mask, 2, 2), 1, 4))
    flags = "".join(item("INTERNAL_MASK_FLAGS_%d" % b, "2") for b in (1, 2, 3))
    for name, metadata in (("beside", flags), ("beside_without_flags", None)):
        scene("mask_" + name, rgb)
        write(os.path.join(folder, "mask_%s.tif.msk" % name), page(mask, 1, metadata=metadata))
    scene("mask_inside_and_beside", rgb, page(np.full_like(mask, 255), 4, 4))
    write(os.path.join(folder, "mask_inside_and_beside.tif.msk"), page(mask, 1, metadata=flags))
    # Alpha: the last of two or four bands, of 8 or 16 bits.
    for bands, photometric, extra in [(2, 1, [2]), (2, 0, [1]), (2, 1, [0]), (3, 1, [2, 2]), (4, 1, [2, 0, 0]),
                                      (4, 1, [2, 2, 2]), (4, 1, [0, 0, 1]), (4, 2, [1]), (4, 2, [0]), (5, 2, [0, 2]),
                                      (5, 2, [2, 0]), (6, 2, [0, 0, 2])]:
        for dtype in ("u1", "u2", "i2", "f4"):
            a = picture(bands, dtype)
            for b in range(1, bands):
                a[2 * b:2 * b + 2, 3:15, b] = 0
            name = "alpha_%s_%d_%d_%s" % (dtype, bands, photometric, "".join(map(str, extra)))
            scene(name, page(a, photometric, extra=extra))
    a[2:9, 3:9, 3] = 0
    for word in ("Alpha", "Undefined"):
        for kind in (0, 2):
            interpretation = item("COLORINTERP", word, ' sample="3" role="colorinterp"')
            scene("alpha_%s_%d" % (word, kind), page(a[:, :, :4].astype("u1"), 2, extra=[kind], metadata=interpretation))


def judge(inputs, results, factor):
    bad = 0
    for name in sorted(os.listdir(inputs)):
        if not name.endswith(".tif"):
            continue
        found = []
        if not os.path.exists(os.path.join(results, name)):
            found = ["no result"]
        else:
            before, after = gdal.Open(os.path.join(inputs, name)), gdal.Open(os.path.join(results, name))
            alpha = [before.GetRasterBand(b + 1).GetColorInterpretation() == gdal.GCI_AlphaBand
                     for b in range(before.RasterCount)]
            for b in range(1, before.RasterCount + 1):
                p, q = before.GetRasterBand(b), after.GetRasterBand(b)
                if p.GetMaskFlags() != q.GetMaskFlags():
                    found.append("flags of band %d: %d became %d" % (b, p.GetMaskFlags(), q.GetMaskFlags()))
                if repr(p.GetNoDataValue()) != repr(q.GetNoDataValue()):
                    found.append("nodata: %r became %r" % (p.GetNoDataValue(), q.GetNoDataValue()))
                if p.GetColorInterpretation() != q.GetColorInterpretation():
                    found.append("colour of band %d" % b)
                hidden = p.GetMaskBand().ReadAsArray() == 0
                still = q.GetMaskBand().ReadAsArray() == 0
                wrong = (np.kron(hidden, np.ones((factor, factor), bool)) != still).sum()
                if wrong and not alpha[b - 1]:
                    found.append("band %d: %d pixels hidden that were not, or the other way" % (b, wrong))
        bad += bool(found)
        print("%-40s %s" % (name, "; ".join(found) or "as it should be"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(make(sys.argv[2]) if sys.argv[1] == "make" else judge(sys.argv[2], sys.argv[3], int(sys.argv[4])))
