"""Neighbours, pairs and farthest points of clouds, one point at a time in float64."""

import math

import numpy as np
import torch
from torch import Tensor


def nearest(points: Tensor, k: int, mask: Tensor) -> tuple[list, list]:
    """Indices and validity of the k nearest other real points of each point of each cloud."""
    indices, valid = [], []
    for cloud, real in zip(points.double(), mask, strict=True):
        rows, valid_rows = [], []
        for i, x in enumerate(cloud):
            others = [j for j in range(len(cloud)) if j != i and real[j] and real[i]]
            squared = [float(sum((a - b) ** 2 for a, b in zip(x, y, strict=True))) for y in cloud]
            found = sorted(others, key=lambda j, squared=squared: (squared[j], j))[:k]
            rows.append(found + [i] * (k - len(found)))
            valid_rows.append([True] * len(found) + [False] * (k - len(found)))
        indices.append(rows)
        valid.append(valid_rows)
    return indices, valid


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return sum((a * b for a, b in zip(x, y, strict=True)), torch.zeros((), dtype=torch.float64))


def _length(x: Tensor) -> Tensor:
    squared = _dot(x, x)
    return squared.sqrt() if squared > 0 else torch.zeros((), dtype=torch.float64)


def _cosine_with(x: Tensor, d: Tensor) -> Tensor:
    """`x · d / ‖d‖`, zero for a d of length zero."""
    length = _length(d)
    return _dot(x, d) / length if length > 0 else torch.zeros((), dtype=torch.float64)


def _pairs(function, width: int, indices: Tensor, valid: Tensor | None) -> Tensor:
    result = []
    for b, cloud in enumerate(indices):
        for i, neighbours in enumerate(cloud):
            for slot, j in enumerate(neighbours):
                holds = valid is None or bool(valid[b, i, slot])
                zeros = [torch.zeros((), dtype=torch.float64)] * width
                result.append(torch.stack(function(b, i, int(j)) if holds else zeros))
    return torch.stack(result).reshape(*indices.shape, width)


def centre_pairs(points: Tensor, indices: Tensor, valid: Tensor | None) -> Tensor:
    """`[‖d‖, ‖x_i‖, ‖x_j‖, x_i · d / (‖x_i‖ ‖d‖)]`."""

    def features(b: int, i: int, j: int) -> list[Tensor]:
        x, y = points[b, i], points[b, j]
        d, radius = y - x, _length(x)
        cosine = _cosine_with(x, d) / radius if radius > 0 else torch.zeros((), dtype=torch.float64)
        return [_length(d), radius, _length(y), cosine]

    return _pairs(features, 4, indices, valid)


def normal_pairs(points: Tensor, normals: Tensor, indices: Tensor, valid: Tensor | None, oriented: bool) -> Tensor:
    """`[‖d‖, ν_i · d / ‖d‖, ν_j · d / ‖d‖, ν_i · ν_j]`, or absolute values and the product of the last three."""

    def features(b: int, i: int, j: int) -> list[Tensor]:
        d = points[b, j] - points[b, i]
        alpha, beta = _cosine_with(normals[b, i], d), _cosine_with(normals[b, j], d)
        gamma = _dot(normals[b, i], normals[b, j])
        if oriented:
            return [_length(d), alpha, beta, gamma]
        return [_length(d), alpha.abs(), beta.abs(), gamma.abs(), alpha * beta * gamma]

    return _pairs(features, 4 if oriented else 5, indices, valid)


def farthest_points(points: np.ndarray, count: int, start: int | None = None) -> list[int]:
    """Each next point is the one whose nearest chosen point is farthest; ties go to the lower index."""
    cloud = [tuple(float(x) for x in point) for point in points]

    def squared(x: tuple, y: tuple) -> float:
        return sum((a - b) ** 2 for a, b in zip(x, y, strict=True))

    if start is None:
        centre = tuple(math.fsum(axis) / len(cloud) for axis in zip(*cloud, strict=True))
        start = max(range(len(cloud)), key=lambda i: (squared(cloud[i], centre), -i))
    chosen = [start]
    while len(chosen) < min(count, len(cloud)):
        rest = [i for i in range(len(cloud)) if i not in chosen]
        chosen.append(max(rest, key=lambda i: (min(squared(cloud[i], cloud[j]) for j in chosen), -i)))
    return [chosen[i % len(chosen)] for i in range(count)]
