#!/usr/bin/python3
"""How near does an enlarged scene come to what a finer sensor saw? Panchromatic and multispectral images of one pass.

  bench/real_pairs.py [--factor 2] [--pretrained pretrained] [--bin build/release/bin] PAN.tif MS.tif...

MS are the bands that the panchromatic sensor covers, together or in a file each, with pixels 2, 3 or 4 times as large
as PAN's. Where every pixel of MS is repeated (2 x 2 of the same, as products on another grid have it), one of each is
taken: a repeated pixel is not a finer one. With --factor the panchromatic image is first shrunk to so many times MS.
 1. The weighted sum of the bands (and a constant) that comes nearest to the shrunk panchromatic image is the coarse
    image: the same light, as a sensor with larger pixels recorded it.
 2. eval_superres_net enlarges it, with --bicubic beside it.
 3. Both results are laid onto the panchromatic grid, by the files' coordinates and the shift (in steps of an eighth of
    a fine pixel, at most 2 pixels) at which the bicubic one agrees best; the shift is the same for both.
 4. PSNR (peak: the 0.1 to 99.9 percentile of the panchromatic image) and SSIM after the gain and offset that serve each
    best, without 8 pixels of border. "detail" is the correlation of what lies above the coarse image's finest
    waves with the panchromatic image's.
The last line is the usual protocol for comparison: the panchromatic image itself, shrunk and enlarged again.
Needs python3-gdal and python3-numpy.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
from osgeo import gdal

from scene_scores import shrinking

gdal.UseExceptions()
MARGIN = 8  # fine pixels


def shifted(image, x, y):
    """The image at positions moved by (x, y) pixels, by its Fourier series, edges mirrored."""
    h, w = image.shape
    tiled = np.block([[image, image[:, ::-1]], [image[::-1], image[::-1, ::-1]]])
    phase = np.exp(2j * np.pi * (np.fft.fftfreq(2 * h)[:, None] * y + np.fft.fftfreq(2 * w)[None] * x))
    return np.fft.ifft2(np.fft.fft2(tiled) * phase).real[:h, :w]


def low_pass(image, factor):
    """Waves that the coarse grid can hold: shorter ones are cut off in the Fourier series of the mirrored image."""
    h, w = image.shape
    tiled = np.block([[image, image[:, ::-1]], [image[::-1], image[::-1, ::-1]]])
    cut = 0.5 / factor
    keep = (np.abs(np.fft.fftfreq(2 * h)) <= cut)[:, None] & (np.abs(np.fft.fftfreq(2 * w)) <= cut)[None]
    return np.fft.ifft2(np.fft.fft2(tiled) * keep).real[:h, :w]


def inner(image):
    return image[MARGIN:-MARGIN, MARGIN:-MARGIN]


def correlation(a, b):
    return np.corrcoef(inner(a).ravel(), inner(b).ravel())[0, 1]


def fitted(image, truth):
    """gain * image + offset, nearest to the truth."""
    a = np.stack([inner(image).ravel(), np.ones(inner(image).size)], 1)
    gain, offset = np.linalg.lstsq(a, inner(truth).ravel(), rcond=None)[0]
    return gain * image + offset


def blurred(image):
    """Wang's window: 11 x 11, standard deviation 1.5; no border."""
    kernel = np.exp(-np.square(np.arange(-5, 6)) / (2 * 1.5**2))
    kernel /= kernel.sum()
    for axis in (0, 1):
        image = np.apply_along_axis(lambda line: np.convolve(line, kernel, "valid"), axis, image)
    return image


def ssim(a, b, peak):
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    ma, mb = blurred(a), blurred(b)
    va, vb, cov = blurred(a * a) - ma * ma, blurred(b * b) - mb * mb, blurred(a * b) - ma * mb
    return np.mean((2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2)))


def enlarged(coarse, factor, options):
    """What eval_superres_net makes of a coarse image in float32: the bicubic part and the network's result."""
    with tempfile.TemporaryDirectory() as folder:
        source = gdal.GetDriverByName("GTiff").Create(os.path.join(folder, "in.tif"), coarse.shape[1], coarse.shape[0],
                                                      1, gdal.GDT_Float32)
        source.GetRasterBand(1).WriteArray(coarse.astype(np.float32))
        source = None
        run = subprocess.run([os.path.join(options.bin, "eval_superres_net"), "--data_path",
                              os.path.join(folder, "in.tif"), "--out_path", os.path.join(folder, "out"),
                              "--pretrained_path", options.pretrained, "--upsampling_factor", str(factor),
                              "--bicubic", "--quiet"], capture_output=True, text=True)
        if run.returncode:
            sys.exit(f"real_pairs.py: error: {run.stderr.strip()}")
        return [gdal.Open(os.path.join(folder, "out", name)).ReadAsArray().astype(np.float64)
                for name in ("in_bic_up.tif", "in.tif")]


def shrunk(image, factor):
    return shrinking(image.shape[0], factor) @ image @ shrinking(image.shape[1], factor).T


def best_shift(image, truth, start):
    """Where the image agrees best with the truth, near `start`, in eighths of a pixel."""
    step, (x, y) = 1.0, start
    while step >= 1 / 8:
        near = [(x + i * step, y + j * step) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        near = [(a, b) for a, b in near if abs(a - start[0]) <= 2 and abs(b - start[1]) <= 2]
        x, y = max(near, key=lambda s: correlation(shifted(image, *s), truth))
        step /= 2
    return x, y


def row(name, results, truth, factor):
    """Prints PSNR, SSIM and detail of both."""
    low, high = np.percentile(inner(truth), (0.1, 99.9))
    figures = []
    for result in results:
        near = fitted(result, truth)
        error = np.square(inner(near) - inner(truth)).mean()
        detail = correlation(near - low_pass(near, factor), truth - low_pass(truth, factor))
        figures.append((10 * np.log10((high - low) ** 2 / error), ssim(inner(near), inner(truth), high - low), detail))
    cells = " | ".join("{:.2f} / {:.4f} / {:.3f}".format(*f) for f in figures)
    print(f"| {name} | {cells} | {figures[1][0] - figures[0][0]:+.2f} |")


def read_bands(paths):
    """All bands of the files, their geotransform, and how often each pixel was repeated (and is so no longer)."""
    bands, grid = [], None
    for path in paths:
        source = gdal.Open(path)
        grid = source.GetGeoTransform()
        bands += [source.GetRasterBand(i + 1).ReadAsArray().astype(np.float64) for i in range(source.RasterCount)]
    repeats = max(n for n in (1, 2, 3, 4)
                  if all((np.kron(b[::n, ::n], np.ones((n, n)))[: b.shape[0], : b.shape[1]] == b).all() for b in bands))
    return [band[::repeats, ::repeats] for band in bands], grid, repeats


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pan")
    parser.add_argument("ms", nargs="+")
    parser.add_argument("--factor", type=int, default=0)
    parser.add_argument("--pretrained", default="pretrained")
    parser.add_argument("--bin", default="build/release/bin")
    options = parser.parse_args()
    pan = gdal.Open(options.pan)
    truth, fine = pan.ReadAsArray().astype(np.float64), pan.GetGeoTransform()
    bands, grid, repeats = read_bands(options.ms)
    ratio = round(repeats * grid[1] / fine[1])
    factor = options.factor or ratio
    offset = ((fine[0] - grid[0]) / fine[1], (fine[3] - grid[3]) / fine[5])
    nominal = [o * factor / ratio for o in offset]
    truth = shrunk(truth, ratio // factor)
    h, w = (min(factor * a, b) // factor for a, b in zip(bands[0].shape, truth.shape))
    bands, truth = [band[:h, :w] for band in bands], truth[: factor * h, : factor * w]

    # The panchromatic image on the grid of the bands, first by coordinates, then by the shift found with the sum.
    shift = nominal
    for _ in range(2):
        target = shrunk(shifted(truth, -shift[0], -shift[1]), factor).ravel()
        a = np.stack([band.ravel() for band in bands] + [np.ones(target.size)], 1)
        weights = np.linalg.lstsq(a, target, rcond=None)[0]
        coarse = (a @ weights).reshape(h, w)
        results = enlarged(coarse, factor, options)
        shift = best_shift(results[0], truth, nominal)

    explained = 100 * correlation(coarse, target.reshape(h, w)) ** 2
    print(f"{os.path.basename(options.pan)}: {factor * w} x {factor * h} fine pixels, x{factor}"
          + (f" (every coarse pixel is repeated {repeats} x {repeats} times: one of each is taken)" if repeats > 1 else "")
          + "; weights of the bands " + ", ".join(f"{v:.3f}" for v in weights[:-1])
          + f"; their sum explains {explained:.1f} % of the variance of the shrunk panchromatic image; shift "
          f"{shift[0]:+.3f}, {shift[1]:+.3f} fine pixels, by coordinates {nominal[0]:+.3f}, {nominal[1]:+.3f}\n")
    print("| PSNR, dB / SSIM / detail | bicubic | superres | gain, dB |\n|---|---|---|---|")
    row("against the finer sensor", [shifted(result, *shift) for result in results], truth, factor)
    row("usual protocol: shrunk and enlarged", enlarged(shrunk(truth, factor), factor, options), truth, factor)


if __name__ == "__main__":
    main()
