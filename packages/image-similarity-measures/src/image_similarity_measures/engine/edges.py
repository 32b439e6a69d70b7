"""Correlation of two images' Canny edges, found strip by strip.

Canny (1986, doi 10.1109/TPAMI.1986.4767851) keeps a pixel as a candidate if its gradient is the
largest across the edge and above a low threshold: a matter of its neighbourhood, which a halo
provides. A candidate then is an edge if it hangs together with one above the high threshold,
however far away. So each strip joins its candidates into lines, and remembers those lines that
reach its first or last row; at the end lines are joined across strips. The result is exactly that
of the whole image, and only counts are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np

from image_similarity_measures.checks import Array, Mask
from image_similarity_measures.opencv import opencv

# The papers on ISSM name no thresholds; these are the usual ones on the 8-bit scale.
LOW, HIGH = 100, 200

# Canny compares a pixel's gradient with its neighbours', and a gradient takes in one more pixel.
REACH = 2


@dataclass(frozen=True, slots=True)
class Seams:
    """One image's lines that reach a strip's first or last row.

    Attributes
    ----------
    first, last : ndarray of int32
        Number of the line at each pixel of the row, from 1; 0 for none.
    strong : ndarray of bool
        Per number, whether the line is an edge already.
    pixels : ndarray of int32
        Per number, pixels of the line if it is not.
    overlap : ndarray of int32
        Per number, how many of those are edge pixels of the other image.
    """

    first: Array
    last: Array
    strong: Array
    pixels: Array
    overlap: Array


@dataclass(frozen=True, slots=True)
class StripEdges:
    """Edge pixels of two images in a strip, as far as the strip alone decides.

    Attributes
    ----------
    row, rows : int
        Where the strip begins, and its height.
    pixels : int
        Pixels that count.
    edges : tuple of int
        Edge pixels of the first image, of the second, and of both.
    seams : tuple of Seams
        The lines of each image that other strips may decide.
    shared : ndarray
        (3, n): undecided line of the first image, of the second, and their common pixels.
    """

    row: int
    rows: int
    pixels: int
    edges: tuple[int, int, int]
    seams: tuple[Seams, Seams]
    shared: Array

    @classmethod
    def find(cls, org: Array, pred: Array, valid: Mask | None, core: slice, row: int) -> Self:
        """Find the edges of a strip.

        Parameters
        ----------
        org, pred : ndarray of uint8
            (rows, cols), the strip with `REACH` rows more on each side that has them.
        valid : ndarray of bool or None
            Valid pixels; those within `REACH` of an invalid one do not count.
        core : slice
            Rows of the strip itself.
        row : int
            Where the strip begins in the whole image.
        """
        used: Mask | None = None
        if valid is not None:
            window = np.ones((2 * REACH + 1,) * 2, np.uint8)
            used = opencv().erode(valid.astype(np.uint8), window)[core].astype(bool)
        lines = [_Lines.find(image, core, used) for image in (org, pred)]
        edges = [line.edges() for line in lines]

        seams, numbers, undecided = [], [], []
        for mine, other in (lines, lines[::-1]):
            reaching = np.union1d(mine.labels[0], mine.labels[-1])
            reaching = np.concatenate([[0], reaching[reaching > 0]])
            number = np.zeros(len(mine.strong), np.int32)
            number[reaching] = np.arange(len(reaching))
            decided = mine.strong | (number == 0)
            where = mine.where[~decided[mine.at(mine.where)]]
            at = number[mine.at(where)]
            overlapping = at[other.strong[other.at(where)]]
            seams.append(
                Seams(
                    number[mine.labels[0]],
                    number[mine.labels[-1]],
                    mine.strong[reaching],
                    np.bincount(at, minlength=len(reaching)).astype(np.int32),
                    np.bincount(overlapping, minlength=len(reaching)).astype(np.int32),
                )
            )
            numbers.append(np.where(decided, 0, number))
            undecided.append(where)
        pairs = np.stack([n[line.at(undecided[0])] for n, line in zip(numbers, lines, strict=True)])
        pairs, common = np.unique(pairs[:, pairs[1] > 0], axis=1, return_counts=True)
        return cls(
            row,
            len(lines[0].labels),
            lines[0].labels.size if used is None else int(np.count_nonzero(used)),
            (
                len(edges[0]),
                len(edges[1]),
                int(np.count_nonzero(lines[1].strong[lines[1].at(edges[0])])),
            ),
            (seams[0], seams[1]),
            np.concatenate([pairs, common[np.newaxis]]),
        )


@dataclass(frozen=True, slots=True)
class _Lines:
    """One image's candidates, joined into lines.

    Attributes
    ----------
    labels : ndarray of int32
        (rows, cols), the line that a pixel belongs to, from 1; 0 for none.
    where : ndarray of int
        Flat indices of the candidates: few of all pixels, so the rest is done for these alone.
    strong : ndarray of bool
        Per line, whether it is an edge; False for 0.
    """

    labels: Array
    where: Array
    strong: Array

    @classmethod
    def find(cls, image: Array, core: slice, used: Mask | None) -> Self:
        """Find the lines in the rows `core` of an image, where it is used."""
        cv2 = opencv()
        border = cv2.BORDER_REPLICATE
        across = cv2.Sobel(image, cv2.CV_16S, 1, 0, borderType=border)
        down = cv2.Sobel(image, cv2.CV_16S, 0, 1, borderType=border)
        # With both thresholds equal nothing is followed: what comes back is decided locally.
        candidates = cv2.Canny(across, down, LOW, LOW)[core]
        if used is not None:
            candidates = np.where(used, candidates, np.uint8(0))
        where = np.flatnonzero(candidates > 0)
        gradient = np.abs(across[core].ravel()[where]) + np.abs(down[core].ravel()[where])
        count, labels = cv2.connectedComponents(candidates, connectivity=8, ltype=cv2.CV_32S)
        strong = np.zeros(count, bool)
        strong[labels.ravel()[where[gradient > HIGH]]] = True
        return cls(labels, where, strong)

    def at(self, where: Array) -> Array:
        """Lines of pixels given by their flat indices."""
        return np.take(self.labels, where)

    def edges(self) -> Array:
        """Flat indices of the pixels known to be edges."""
        return self.where[self.strong[self.at(self.where)]]


def edge_correlation(strips: Sequence[StripEdges]) -> float:
    """Correlation of the two edge maps whose strips these are, in any order.

    Where a map has no edge, or nothing else: 1 if both maps are the same and 0 otherwise. NaN
    if no pixel counts.
    """
    strips = sorted(strips, key=lambda strip: strip.row)
    pixels = sum(strip.pixels for strip in strips)
    if not pixels:
        return float("nan")
    org, pred, both = (sum(strip.edges[i] for strip in strips) for i in range(3))
    # Lines that turn out to be edges thanks to another strip.
    joined = [_joined([strip.seams[i] for strip in strips]) for i in (0, 1)]
    for strip, org_on, pred_on in zip(strips, *joined, strict=True):
        org += int(strip.seams[0].pixels[org_on].sum())
        pred += int(strip.seams[1].pixels[pred_on].sum())
        both += int(strip.seams[0].overlap[org_on].sum() + strip.seams[1].overlap[pred_on].sum())
        first, second, common = strip.shared
        both += int(common[org_on[first] & pred_on[second]].sum())
    spread = (pixels * org - org**2) * (pixels * pred - pred**2)
    if not spread:
        return 1.0 if org == pred == both else 0.0
    return float((pixels * both - org * pred) / np.sqrt(float(spread)))


def _joined(seams: Sequence[Seams]) -> list[Array]:
    """Per strip and line number, whether the line is an edge only through another strip."""
    if len(seams) == 1:
        return [np.zeros_like(seams[0].strong)]
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    starts = np.cumsum([0] + [len(seam.strong) for seam in seams])
    links: list[Array] = []
    for index, (above, below) in enumerate(pairwise(seams)):
        for shift in (-1, 0, 1):
            a = above.last[max(0, shift) : len(above.last) + min(0, shift)]
            b = below.first[max(0, -shift) : len(below.first) + min(0, -shift)]
            touching = (a > 0) & (b > 0)
            links.append(np.stack([a[touching] + starts[index], b[touching] + starts[index + 1]]))
    strong = np.concatenate([seam.strong for seam in seams])
    ends = np.concatenate(links, axis=1)
    graph = coo_array((np.ones(ends.shape[1], bool), tuple(ends)), (len(strong),) * 2)
    _, group = connected_components(graph, directed=False)
    with_strong = np.zeros(len(strong), bool)
    with_strong[group[strong]] = True
    strong = with_strong[group] & ~strong
    return [strong[a:b] for a, b in pairwise(starts)]
