#!/usr/bin/python3
"""How much better than bicubic are scenes enlarged? Shrinks each, enlarges it again, compares with the original.

  bench/scene_scores.py [--factor 2] [--pretrained pretrained] [--bin build/release/bin] [--side 1024] SCENE.tif...

The middle of each scene, at most SIDE x SIDE pixels, is shrunk by MATLAB's antialiased bicubic, written here with numpy
alone, and rounded to the scene's sample type, as a coarser sensor would have recorded it. eval_superres_net enlarges it
as it would any scene, with --bicubic beside it. PSNR of all bands that are not alpha together, over the pixels that are
valid and not within 8 pixels of an edge or of ground without data; its peak is the range of the valid samples, 255 for
8 bits. The gain does not depend on the peak. Of scenes of several bands the last columns are the mean angle between the
spectra of result and original, in degrees: what their ratios are off by. Needs python3-gdal and python3-numpy.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
from osgeo import gdal

gdal.UseExceptions()
MARGIN = 8  # fine pixels


def shrinking(size, factor):
    """Matrix [size / factor, size]: Keys' kernel (a = -1/2) stretched by the factor, edges mirrored."""
    matrix = np.zeros((size // factor, size))
    for row in range(size // factor):
        centre = (row + 0.5) * factor - 0.5
        taps = np.arange(int(np.floor(centre)) - 2 * factor, int(np.ceil(centre)) + 2 * factor + 1)
        x = np.abs(taps - centre) / factor
        weights = np.where(x <= 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))
        mirrored = np.mod(taps, 2 * size)
        np.add.at(matrix[row], np.where(mirrored < size, mirrored, 2 * size - 1 - mirrored), weights / weights.sum())
    return matrix


def read_middle(path, factor, side):
    """Samples [bands, h, w] in double, the pixels that are valid in all bands, and the data set."""
    source = gdal.Open(path)
    w, h = (min(n, side) // factor * factor for n in (source.RasterXSize, source.RasterYSize))
    window = ((source.RasterXSize - w) // 2, (source.RasterYSize - h) // 2, w, h)
    bands = [source.GetRasterBand(i + 1) for i in range(source.RasterCount)]
    bands = [b for b in bands if b.GetColorInterpretation() != gdal.GCI_AlphaBand]
    samples = np.stack([b.ReadAsArray(*window).astype(np.float64) for b in bands])
    valid = np.isfinite(samples).all(axis=0)
    for band in bands:
        valid &= band.GetMaskBand().ReadAsArray(*window) > 0
    return samples, valid, bands[0].DataType


def write_shrunk(path, samples, valid, data_type, factor):
    """The shrunk scene; a coarse pixel that any invalid pixel reaches is masked."""
    down, across = shrinking(samples.shape[1], factor), shrinking(samples.shape[2], factor)
    filled = np.where(valid, samples, samples[:, valid].mean(axis=1)[:, None, None])
    coarse = np.stack([down @ band @ across.T for band in filled])
    holes = (np.abs(down) > 0).astype(float) @ (~valid).astype(float) @ (np.abs(across) > 0).astype(float).T > 0
    low, high = samples[:, valid].min(), samples[:, valid].max()
    integer = data_type not in (gdal.GDT_Float32, gdal.GDT_Float64)
    if integer:
        coarse = np.rint(coarse)
    coarse = np.clip(coarse, low, high)  # a sensor's own limits
    driver = gdal.GetDriverByName("GTiff")
    photometric = "RGB" if data_type == gdal.GDT_Byte and len(samples) in (3, 4) else "MINISBLACK"
    target = driver.Create(path, coarse.shape[2], coarse.shape[1], len(coarse), data_type,
                           ["PHOTOMETRIC=" + photometric] + (["ALPHA=NO"] if len(coarse) == 4 else []))
    if holes.any():
        mask_option = gdal.GetConfigOption("GDAL_TIFF_INTERNAL_MASK")
        gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", "YES")
        target.CreateMaskBand(gdal.GMF_PER_DATASET)
        target.GetRasterBand(1).GetMaskBand().WriteArray(np.where(holes, 0, 255).astype(np.uint8))
        gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", mask_option)
    for i, band in enumerate(coarse):
        target.GetRasterBand(i + 1).WriteArray(band)
    return holes


def eroded(valid, margin):
    """Pixels that no invalid one and no edge is within `margin` of."""
    padded = np.pad(valid, margin)
    for axis in (0, 1):
        size = valid.shape[axis]
        windows = [np.take(padded, range(i, i + size), axis) for i in range(2 * margin + 1)]
        padded = np.logical_and.reduce(windows)
    return padded


def figures_of(path, samples, use, peak):
    """PSNR, and the mean spectral angle in degrees where there are several bands."""
    bands = gdal.Open(path)
    result = np.stack([bands.GetRasterBand(i + 1).ReadAsArray()[use].astype(np.float64) for i in range(len(samples))])
    truth = samples[:, use]
    psnr = 10 * np.log10(peak * peak / np.square(result - truth).mean())
    if len(samples) == 1:
        return psnr, None
    lengths = np.linalg.norm(result, axis=0) * np.linalg.norm(truth, axis=0)
    lit = lengths > 0
    cosines = (result * truth).sum(axis=0)[lit] / lengths[lit]
    return psnr, np.degrees(np.arccos(np.clip(cosines, -1, 1))).mean()


def score(path, options, folder):
    name = os.path.splitext(os.path.basename(path))[0]
    samples, valid, data_type = read_middle(path, options.factor, options.side)
    shrunk, out = os.path.join(folder, name), os.path.join(folder, name + "_out")
    os.mkdir(shrunk)
    holes = write_shrunk(os.path.join(shrunk, name + ".tif"), samples, valid, data_type, options.factor)
    use = eroded(valid & ~np.kron(holes, np.ones((options.factor,) * 2, bool)), MARGIN)
    if not use.any():
        return name, len(samples), gdal.GetDataTypeName(data_type), None
    run = subprocess.run([os.path.join(options.bin, "eval_superres_net"), "--data_path", shrunk, "--out_path", out,
                          "--pretrained_path", options.pretrained, "--upsampling_factor", str(options.factor),
                          "--bicubic", "--quiet"], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"scene_scores.py: error: {path}: {run.stderr.strip()}")
    peak = 255 if data_type == gdal.GDT_Byte else np.ptp(samples[:, valid])
    figures = [figures_of(os.path.join(out, name + end), samples, use, peak) for end in ("_bic_up.tif", ".tif")]
    return name, len(samples), gdal.GetDataTypeName(data_type), figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenes", nargs="+")
    parser.add_argument("--factor", type=int, default=2)
    parser.add_argument("--pretrained", default="pretrained")
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--side", type=int, default=1024)
    options = parser.parse_args()
    print(f"| scene, x{options.factor} | bands | type | bicubic, dB | superres, dB | gain | bicubic, degrees | superres |\n"
          "|---|---|---|---|---|---|---|---|")
    worse = 0
    for path in options.scenes:
        with tempfile.TemporaryDirectory() as folder:
            name, bands, kind, figures = score(path, options, folder)
        if not figures:
            print(f"| {name} | {bands} | {kind} | no ground to compare | | | | |", flush=True)
            continue
        (bicubic, bicubic_angle), (result, angle) = figures
        gain = result - bicubic
        worse += not gain > 0
        angles = " | |" if angle is None else f"{bicubic_angle:.3f} | {angle:.3f} |"
        print(f"| {name} | {bands} | {kind} | {bicubic:.2f} | {result:.2f} | {gain:+.2f} | {angles}", flush=True)
    sys.exit(worse > 0)


if __name__ == "__main__":
    main()
