#!/usr/bin/env python3
"""Holds where GDAL puts results against where it puts their inputs, for all ways of saying it.

    georeference_judge.py make FOLDER FACTOR                  writes small scenes: a third of all combinations
    georeference_judge.py judge INPUTS RESULTS SUFFIX FACTOR  exit status 1, and a line for each that differs
"""
import itertools
import os
import struct
import sys
import zlib

import numpy as np
from osgeo import gdal, osr

gdal.DontUseExceptions()
gdal.PushErrorHandler("CPLQuietErrorHandler")  # what it says of damaged files

WIDTH, HEIGHT = 9, 7


def write_tiff(path, tags):
    """A TIFF of one strip with these tags {number: (letter of struct, values)}, whatever they mean together."""
    pixels = bytes((3 * i) % 251 for i in range(WIDTH * HEIGHT))
    entries = {256: ("I", [WIDTH]), 257: ("I", [HEIGHT]), 258: ("H", [8]), 259: ("H", [1]), 262: ("H", [1]),
               273: ("I", [8]), 277: ("H", [1]), 278: ("I", [HEIGHT]), 279: ("I", [len(pixels)]), **tags}
    at = 8 + len(pixels) + len(pixels) % 2
    values_at = at + 2 + 12 * len(entries) + 4
    directory, far = struct.pack("<H", len(entries)), b""
    for number in sorted(entries):
        letter, values = entries[number]
        packed = values + b"\0" if letter == "s" else struct.pack("<%d%s" % (len(values), letter), *values)
        count = len(packed) if letter == "s" else len(values)
        kind = {"s": 2, "H": 3, "I": 4, "d": 12}[letter]
        if len(packed) <= 4:
            where = packed.ljust(4, b"\0")
        else:
            where = struct.pack("<I", values_at + len(far))
            far += packed + b"\0" * (len(packed) % 2)
        directory += struct.pack("<HHI", number, kind, count) + where
    with open(path, "wb") as file:
        file.write(b"II*\0" + struct.pack("<I", at) + pixels.ljust(at - 8, b"\0") + directory + bytes(4) + far)


def keys(raster):
    return {} if raster is None else {34735: ("H", [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, raster, 3072, 0, 1, 32632])}


def scale(*values):
    return {33550: ("d", values)}


def ties(*values):
    return {33922: ("d", values)}


def matrix(a, b, c, d, e, f):
    return {34264: ("d", [a, b, 5, c, d, e, 6, f, 0, 0, 7, 8, 0, 0, 0, 1])}


TIE = (1, 2, 0, 500000.5, 5000000.25, 3)
GCPS = (0, 0, 0, 500000, 5000000, 1, WIDTH, 0.5, 0, 500090, 5000004, 2, 0.25, HEIGHT, 0, 500003, 4999930, 3)
KEYS = {"none": None, "area": 1, "point": 2}
TAGS = {
    "nothing": {},
    "scale": {**scale(10, 12, 0), **ties(*TIE)},
    "scale2": {**scale(10, 12), **ties(*TIE)},
    "negative": {**scale(10, -12, 0), **ties(*TIE)},
    "westward": {**scale(-10, 12, 0), **ties(*TIE)},
    "several": {**scale(10, 12, 0), **ties(*TIE, 5, 5, 0, 7, 8, 0)},
    "north": matrix(10, 0, 500000, 0, -12, 5000000),
    "south": matrix(10, 0, 500000, 0, 12, 5000000),
    "turned": matrix(8, 3, 500000, 2, -9, 5000000),
    "both": {**scale(10, 12, 0), **ties(*TIE), **matrix(8, 3, 100, 2, -9, 200)},
    "untied": {**scale(10, 12, 0), **matrix(8, 3, 100, 2, -9, 200)},
    "zero": {**scale(0, 0, 0), **ties(*TIE), **matrix(8, 3, 100, 2, -9, 200)},
    "short": {34264: ("d", [1, 2, 3])},
    "onetie": ties(*TIE),
    "gcps": ties(*GCPS),
}
WORLDS = {
    "none": {},
    "north": {".tfw": "10.5\n0\n0\n-10\n300005\n4000000\n"},
    "turned": {".TFW": " 8.0 x\r\n\r\n2,5\r\n3\r\n-9\r\n300005\r\n4000000\r\n"},
    "south": {".tfw": "no\n", ".tifw": "0\n0\n", ".wld": "10\n0\n0\n10\n300005\n4000000\nmore\n"},
}


def tab(points, system='CoordSys Earth Projection 8, 104, "m", 3, 0, 0.9996, 500000, 0'):
    lines = ["(%r,%r) (%r,%r) Label \"Pt %d\"," % (*point, i + 1) for i, point in enumerate(points)]
    return "!table\n!version 300\n\nDefinition Table\n  File \"a.tif\"\n  Type \"RASTER\"\n" + \
        "\n".join("  " + line for line in lines) + "\n  %s\n  Units \"m\"\n" % system


def on(column, row):
    return 700000 + 10 * column + 2 * row, 6000000 + 1 * column - 8 * row, column, row


def pam(inner):
    return "<PAMDataset>\n%s\n</PAMDataset>\n" % inner


def wkt(code):
    srs = osr.SpatialReference()
    srs.ImportFromEPSG(code)
    return srs.ExportToWkt().replace("<", "&lt;").replace('"', "&quot;")


PAM_GRID = "<GeoTransform>  7.0e+05,  1.0e+01,  5.0e-01,  6.0e+06,  0.25, -8.0</GeoTransform>"
PAM_POINTS = '<GCPList Projection="%s"><GCP Id="" Pixel="0.5" Line="1.5" X="3.25" Y="4" Z="5"/>' \
    '<GCP Id="" Pixel="7" Line="1" X="30" Y="4"/><GCP Id="" Pixel="3" Line="6" X="9" Y="-40"/></GCPList>' % wkt(4326)
CORNERS = [(700000, 6000000, 0, 0), (700090, 6000000, WIDTH, 0), (700090, 5999930, WIDTH, HEIGHT),
           (700000, 5999930, 0, HEIGHT)]
SIDES = {
    "tab3": {".tab": tab([on(0, 0), on(WIDTH, 0), on(0, HEIGHT)])},
    "tab4": {".TAB": tab(CORNERS, "CoordSys Earth Projection 1, 104")},
    "tab2": {".tab": tab([CORNERS[0], CORNERS[2]], 'CoordSys Earth Projection 8, 115, "m", 9, 0, 0.9996, 500000, 0')},
    "tab5": {".tab": tab([on(0, 0), on(9, 0), on(0, 7), on(9, 7), on(4.5, 3.25)]), ".tfw": WORLDS["north"][".tfw"]},
    "tabbent": {".tab": tab([on(0, 0), on(9, 0), on(0, 7), (1, 2, 9, 7)])},
    "tabbentworld": {".tab": tab([on(0, 0), on(9, 0), on(0, 7), (1, 2, 9, 7)]), ".wld": WORLDS["south"][".wld"]},
    "pamgrid": {".tif.aux.xml": pam(PAM_GRID)},
    "pamgridsrs": {".tif.aux.xml": pam('<SRS dataAxisToSRSAxisMapping="2,1">%s</SRS>' % wkt(4326) + PAM_GRID)},
    "pamsrs": {".tif.aux.xml": pam("<SRS>%s</SRS>" % wkt(25831))},
    "pamgcps": {".tif.aux.xml": pam(PAM_POINTS)},
    "pamstatistics": {".tif.aux.xml": pam('<PAMRasterBand band="1"><Metadata><MDI key="STATISTICS_MEAN">5</MDI>'
                                          "</Metadata></PAMRasterBand>")},
    "pamworld": {".tif.aux.xml": pam(PAM_GRID), ".tfw": WORLDS["north"][".tfw"]},
    "pambroken": {".tif.aux.xml": "<PAMDataset>" + PAM_GRID},
}
SIDE_TAGS = ("nothing", "scale", "turned", "gcps")

SINGLE = {"ERR_BIAS": 0.5, "ERR_RAND": 0.25, "LINE_OFF": 3.5, "SAMP_OFF": 4.25, "LAT_OFF": 45.1, "LONG_OFF": 5.2,
          "HEIGHT_OFF": 300, "LINE_SCALE": 4, "SAMP_SCALE": 5, "LAT_SCALE": 0.1, "LONG_SCALE": 0.2, "HEIGHT_SCALE": 500}
TWENTY = ("LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF")


def rpc(shift):
    """An RPC whose line offset tells where it comes from."""
    items = {**SINGLE, "LINE_OFF": SINGLE["LINE_OFF"] + shift}
    for k, name in enumerate(TWENTY):
        items[name] = [0.5 * k + 1 + 0.001 * i * i for i in range(20)]
    return items


def flat(items):
    return [v for value in items.values() for v in (value if isinstance(value, list) else [value])]


def rpc_text(items):
    lines = []
    for name, value in items.items():
        if isinstance(value, list):
            lines += ["%s_%d:   %+.15e" % (name, i + 1, v) for i, v in enumerate(value)]
        else:
            lines.append("%s: %+010.4f pixels" % (name, value))
    return "\r\n".join(lines) + "\r\n"


RPB_NAMES = dict(zip(list(SINGLE) + list(TWENTY), (
    "errBias errRand lineOffset sampOffset latOffset longOffset heightOffset lineScale sampScale latScale longScale "
    "heightScale lineNumCoef lineDenCoef sampNumCoef sampDenCoef").split()))


def rpb(items):
    lines = ['satId = "QB02";', "BEGIN_GROUP = IMAGE"]
    for name, value in items.items():
        text = "(\n\t\t" + ",\n\t\t".join("%.15g" % v for v in value) + ")" if isinstance(value, list) else "%.15g" % value
        lines.append("\t%s = %s;" % (RPB_NAMES[name], text))
    return "\n".join(lines + ["END_GROUP = IMAGE", "END;"]) + "\n"


def isd(items):
    inner = ""
    for name, value in items.items():
        upper = RPB_NAMES[name].upper()
        if isinstance(value, list):
            inner += "<%sList><%s>%s</%s></%sList>" % (upper, upper, " ".join("%.15g" % v for v in value), upper, upper)
        else:
            inner += "<%s>%.15g</%s>" % (upper, value, upper)
    return '<?xml version="1.0"?>\n<isd><IMD><IMAGE><SATID>WV02</SATID></IMAGE></IMD><RPB><SATID>WV02</SATID><IMAGE>%s' \
        "</IMAGE></RPB></isd>\n" % inner


def dimap_rpc(items, version=2):
    outer, inverse = ("Global_RFM", "Inverse_Model") if version == 2 else ("Rational_Function_Model", "GroundtoImage_Values")
    coefficients = "".join("<%s_%d>%.15g</%s_%d>" % (n, i + 1, v, n, i + 1) for n in TWENTY for i, v in enumerate(items[n]))
    validity = "".join("<%s>%.15g</%s>" % (n, v, n) for n, v in items.items() if n not in TWENTY and "ERR" not in n)
    model = "<%s><%s>%s</%s><RFM_Validity>%s</RFM_Validity></%s>" % (outer, inverse, coefficients, inverse, validity, outer)
    if version == 2:
        model = "<Rational_Function_Model>%s</Rational_Function_Model>" % model
    return '<?xml version="1.0"?><Dimap_Document>%s</Dimap_Document>' % model


def dimap_product(names):
    files = "".join('<Data_File tile_R="%d" tile_C="%d"><DATA_FILE_PATH href="%s"/></Data_File>' % (r, c, name)
                    for name, r, c in names)
    return '<?xml version="1.0"?><Dimap_Document><Raster_Data><Data_Access><Data_Files>%s</Data_Files></Data_Access>' \
        "<Raster_Dimensions><Tile_Set><Regular_Tiling><NTILES_SIZE nrows=\"70\" ncols=\"90\"/></Regular_Tiling></Tile_Set>" \
        "</Raster_Dimensions></Raster_Data></Dimap_Document>" % files


def rpc_metadata(items):
    text = "".join('<Item name="%s" domain="RPC">%s</Item>' % (
        n, " ".join("%.15g" % x for x in v) if isinstance(v, list) else "%.15g" % v) for n, v in items.items())
    return {42112: ("s", ("<GDALMetadata>%s</GDALMetadata>" % text).encode())}


def rpc_pam(items):
    return pam('<Metadata domain="RPC">%s</Metadata>' % "".join('<MDI key="%s">%s</MDI>' % (
        n, " ".join("%.15g" % x for x in v) if isinstance(v, list) else "%.15g" % v) for n, v in items.items()))


RPC_TAGS = {"none": {}, "tag": {50844: ("d", flat(rpc(10)))}, "meta": rpc_metadata(rpc(20)),
            "tagmeta": {50844: ("d", flat(rpc(10))), **rpc_metadata(rpc(20))}}
RPC_FILES = {
    "none": {},
    "txt": {"_RPC.TXT": rpc_text(rpc(30))},
    "small": {"_rpc.txt": rpc_text(rpc(30)), ".RPC": rpc_text(rpc(31))},
    "rpb": {".RPB": rpb(rpc(40)), "_RPC.TXT": rpc_text(rpc(30))},
    "imdtxt": {".IMD": "version = \"R\";\nEND;\n", "_RPC.TXT": rpc_text(rpc(30))},
    "isd": {".XML": isd(rpc(50))},
    "eros": {".rpc": rpc_text(rpc(60))},
    "kompsat": {".rpc": rpc_text(rpc(60)), ".txt": "AUX_SATELLITE_NAME\tK\n"},
    "orbview": {"_rpc.txt": rpc_text(rpc(30)), ".pvl": "a = 1;\nEND;\n"},
    "bad": {"_RPC.TXT": "LINE_OFF: 3\n"},
    "pam": {".tif.aux.xml": rpc_pam(rpc(70))},
    "landsat": {"_MTL.txt": "GROUP = L1\nEND_GROUP = L1\nEND\n", "_rpc.txt": rpc_text(rpc(30))},
}


def make(folder, factor):
    def scene(name, tags, files):
        if not name.startswith("IMG") and zlib.crc32(name.encode()) % 3 != factor % 3:
            return
        write_tiff(os.path.join(folder, name + ".tif"), tags)
        for extension, text in files.items():
            with open(os.path.join(folder, name + extension), "w", newline="") as file:
                file.write(text)

    for k, t, w in itertools.product(KEYS, TAGS, WORLDS):
        scene("%s-%s-world%s" % (k, t, w), {**keys(KEYS[k]), **TAGS[t]}, WORLDS[w])
    for k, t, s in itertools.product(KEYS, SIDE_TAGS, SIDES):
        scene("%s-%s-%s" % (k, t, s), {**keys(KEYS[k]), **TAGS[t]}, SIDES[s])
    for t, f in itertools.product(RPC_TAGS, RPC_FILES):
        scene("rpc%s-%s" % (t, f), {**keys(KEYS["point"]), **RPC_TAGS[t]}, RPC_FILES[f])
    for tile in ("R1C1", "R2C3"):
        scene("IMG_PHR_" + tile, {}, {})
        scene("IMG_PNEO_" + tile, RPC_TAGS["tag"], {})
        scene("IMG_SPOT_" + tile, {}, {})
    tiles = [("IMG_PHR_R1C1.tif", 1, 1), ("IMG_PHR_R2C3.tif", 2, 3)]
    for name, text in (("RPC_PHR.XML", dimap_rpc(rpc(80))), ("DIM_PHR.XML", dimap_product(tiles)),
                       ("RPC_PNEO_R1C1.XML", dimap_rpc(rpc(90), 3)), ("RPC_PNEO_R2C3.XML", dimap_rpc(rpc(91), 3)),
                       ("RPC_SPOT.XML", dimap_rpc(rpc(95)))):
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)


def corners(ds, factor):
    transform = ds.GetGeoTransform(can_return_null=True)
    if transform is None:
        return None
    width, height = ds.RasterXSize, ds.RasterYSize
    pixel = factor * max(abs(transform[1]), abs(transform[2]))
    return np.array([gdal.ApplyGeoTransform(transform, x, y) for x in (0, width) for y in (0, height)]) / pixel


def differences(a, b, factor):
    found = []

    def same(what, left, right, tolerance):
        if (left is None) != (right is None) or np.shape(left) != np.shape(right):
            found.append("%s gained or lost: %r became %r" % (what, left, right))
        elif left is not None and np.size(left) and not np.abs(left - right).max() <= tolerance:
            found.append("%s: %r became %r" % (what, left.tolist(), right.tolist()))

    def points(ds, by):
        return np.array([(g.GCPX, g.GCPY, g.GCPZ, g.GCPPixel / by, g.GCPLine / by) for g in ds.GetGCPs()])

    def model(ds, by):
        items = ds.GetMetadata("RPC")
        if not items:
            return None
        numbers = {n: float(items[n].split()[0]) for n in SINGLE if "ERR" not in n}
        for n in ("LINE", "SAMP"):
            numbers[n + "_OFF"] = (numbers[n + "_OFF"] + 0.5) / by
            numbers[n + "_SCALE"] /= by
        return np.array(list(numbers.values()) + [float(v) for n in TWENTY for v in items[n].split()])

    same("corners", corners(a, 1), corners(b, factor), 1e-6)
    if corners(a, 1) is None:  # a TIFF has no control points beside a grid, files beside it may
        same("control points", points(a, 1), points(b, factor), 1e-6)
    same("RPC", model(a, 1), model(b, factor), 1e-9)
    left, right = (ds.GetSpatialRef() or ds.GetGCPSpatialRef() for ds in (a, b))
    if (left is None) != (right is None) or (left and not left.IsSame(right)):
        found.append("coordinate system: %s became %s" % (left and left.GetName(), right and right.GetName()))
    return found


def judge(inputs, results, suffix, factor):
    bad = scenes = 0
    for name in sorted(os.listdir(inputs)):
        if not name.endswith(".tif"):
            continue
        result = os.path.join(results, name[:-4] + suffix + ".tif")
        if os.path.exists(result):
            found = differences(gdal.Open(os.path.join(inputs, name)), gdal.Open(result), factor)
        else:
            found = ["no result"]
        scenes += 1
        if found:
            bad += 1
            print("%s: %s" % (name, "; ".join(found)))
    print("%d scenes, %d differ" % (scenes, bad))
    return 1 if bad or scenes == 0 else 0


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(judge(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])))
