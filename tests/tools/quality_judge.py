"""Computes a quality record's figures with GDAL and numpy: quality_judge.py SCENE RESULT RECORD FACTOR X Y W H"""
import json
import math
import sys

import numpy as np
from osgeo import gdal

gdal.UseExceptions()


def cubic(x):
    x = np.abs(x)
    return np.where(x <= 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))


def shrinking(length, factor):
    """MATLAB's imresize by 1/factor along one axis, as a matrix: the kernel is as wide as the factor, edges are mirrored."""
    small = length // factor
    matrix = np.zeros((small, length))
    for i in range(small):
        centre = (i + 0.5) * factor - 0.5
        taps = np.arange(math.ceil(centre - 2 * factor), math.floor(centre + 2 * factor) + 1)
        weights = cubic((taps - centre) / factor)
        weights /= weights.sum()
        for tap, weight in zip(taps, weights):
            tap %= 2 * length
            matrix[i, tap if tap < length else 2 * length - 1 - tap] += weight
    return matrix


def spread(holes, reach):
    padded = np.pad(holes, reach)
    h, w = holes.shape
    return np.any([padded[i : i + h, j : j + w] for i in range(2 * reach + 1) for j in range(2 * reach + 1)], axis=0)


def compare(name, want, got, tolerance=1e-5):
    assert math.isclose(want, got, rel_tol=tolerance, abs_tol=tolerance), (name, want, got)


def samples(name, values, record, low, high):
    limits = np.iinfo(values.dtype)
    exact = values.astype(float)
    compare(name + " samples", values.size, record["samples"])
    compare(name + " mean", exact.mean(), record["mean"])
    compare(name + " deviation", exact.std(), record["deviation"])
    compare(name + " least", exact.min(), record["least"])
    compare(name + " largest", exact.max(), record["largest"])
    compare(name + " clipped", np.mean((values == limits.min) | (values == limits.max)), record["clipped"])
    compare(name + " out of range", np.mean((exact < low) | (exact > high)), record["out_of_range"])
    return exact.mean(), exact.std()


scene_path, result_path, record_path, *numbers = sys.argv[1:]
factor, x, y, w, h = map(int, numbers)
scene, result, record = gdal.Open(scene_path), gdal.Open(result_path), json.load(open(record_path))
assert len(record["bands"]) == scene.RasterCount
for band, (low, high) in zip(record["bands"], record["value_range"], strict=True):
    source = scene.GetRasterBand(band["band"])
    coarse, fine = source.ReadAsArray(x, y, w, h), result.GetRasterBand(band["band"]).ReadAsArray()
    holes = source.GetMaskBand().ReadAsArray(x, y, w, h) == 0
    fine_holes = np.kron(holes, np.ones((factor, factor), bool))
    mean, deviation = samples("scene", coarse[~holes], band["scene"], low, high)
    fine_mean, fine_deviation = samples("result", fine[~fine_holes], band["result"], low, high)
    compare("mean shift", fine_mean - mean, band["mean_shift"])
    compare("deviation shift", fine_deviation - deviation, band["deviation_shift"])
    rows, columns = shrinking(h * factor, factor), shrinking(w * factor, factor)
    difference = (rows @ np.where(fine_holes, low, fine).astype(float) @ columns.T - coarse)[~spread(holes, 2)]
    compare("pixels", difference.size, band["compared_pixels"])
    rmse = math.sqrt(np.mean(difference**2))
    compare("rmse", rmse, band["rmse"], 1e-4)
    compare("psnr", 20 * math.log10((high - low) / rmse), band["psnr"], 1e-4)
