"""Batches of patches, each a function of the seed and the step alone."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from s2_superres.errors import S2SuperresError, TrainingError
from s2_superres.patches.patchset import PatchScene, PatchSet
from s2_superres.raster.radiometry import SCALE

Array = NDArray[np.float32]
#: Which turns and mirror images of patches are drawn.
TURNS = ("all", "half", "none")
#: Batches that are made ahead of their use.
_AHEAD = 4
#: Standard deviation of the entries of a random mix of bands.
_SPECTRAL = 0.08
#: What the top of the atmosphere makes of the surface's reflectance, L1C = gain * L2A + offset
#: (offsets in DN), through clear and through thick air, bands in the order of the arrays at 10, 20
#: and 60 m: about the straight lines through four places of which both levels were at hand, none
#: of them a place for validation.
_CLEAR_AIR = (
    (0.67, 0.71, 0.81, 0.84, 0.78, 0.84, 0.89, 0.93, 0.91, 0.84, 0.60, 0.25),
    (800, 485, 280, 165, 242, 226, 200, 153, 25, 9, 1140, 80),
)
_THICK_AIR = (
    (0.55, 0.58, 0.70, 0.76, 0.70, 0.76, 0.80, 0.84, 0.86, 0.82, 0.52, 0.17),
    (1150, 700, 430, 310, 400, 390, 370, 330, 110, 75, 1500, 250),
)
#: Half the variance in pixels by which B01 and B09 are blurred more (below zero: less) at the top
#: of the atmosphere than at the surface. Beside means of finer bands, the sensor blurs both like a
#: Gaussian of 0.52 pixels; at the surface B09 has 0.42 (its correction for water vapour rests on
#: B8A, too) and B01 has 0.58. `scripts/measure_blur.py` prints them.
_BLUR_ABOVE = np.array([-0.03, 0.045], np.float32)
#: How much thicker or clearer than those it may be, as a share of their difference, and what bands
#: differ by on their own: standard deviations of a gain's logarithm and of an offset's share.
_BEYOND = 0.1
_GAIN_SPREAD, _OFFSET_SPREAD = 0.02, 0.1
_CHANNELS = {10: slice(0, 4), 20: slice(4, 10), 60: slice(10, 12)}


@dataclass(frozen=True)
class Batch:
    """Pairs to learn from.

    Attributes
    ----------
    inputs : list of ndarray of float32
        Per resolution, ``(batch, rows, cols, bands)``, scaled by 1/2000.
    target : ndarray of float32, shape (batch, rows, cols, bands)
        Scaled alike.
    measured : ndarray of bool, shape (batch, rows, cols)
        Where the target counts.
    """

    inputs: list[Array]
    target: Array
    measured: NDArray[np.bool_]

    @property
    def weights(self) -> Array:
        """What each pixel weighs in a mean: 0 where it does not count, else alike, on average 1."""
        share = self.measured.mean(dtype=np.float64)
        return self.measured.astype(np.float32) / np.float32(max(share, 1e-12))


@dataclass(frozen=True)
class Sampling:
    """How patches become batches.

    Attributes
    ----------
    batch : int
        Patches per batch.
    seed : int
    turns : {"all", "half", "none"}
        Turn patches at random: by quarter turns, and mirrored; by half a turn; or not at all.
        The sensor's blur and its grid have a direction, which is the same in every scene: what
        turns keep a network from learning by heart, they keep it from learning of that.
    gain, band_gain : float
        Multiply patches, and each of their bands, by a factor whose logarithm is uniform in
        plus and minus this.
    mix : float
        Share of patches that are blended with another one. Degradation is linear, so the
        blend of two pairs is a pair.
    spectral : float
        Share of patches whose bands are mixed a little, 10 m bands among themselves and
        target bands among themselves.
    to_l1c : float
        Share of the L2A patches that are turned into what an L1C product would show, through
        clear or thick air.
    l1c_weight : float
        How many times as often L1C patches are drawn as others.
    place_exponent : float
        A place with n pixels is drawn in proportion to n to this power: 1 draws pixels
        alike, 0 draws places alike.
    """

    batch: int
    seed: int
    turns: str = "all"
    gain: float = 0.0
    band_gain: float = 0.0
    mix: float = 0.0
    spectral: float = 0.0
    to_l1c: float = 0.0
    l1c_weight: float = 1.0
    place_exponent: float = 0.6


class Sampler:
    """Draws training batches from patch sets.

    All patches of a batch come from one set, so sets may differ in their patches' size.

    Parameters
    ----------
    sets : sequence of PatchSet
    sampling : Sampling
    least : int
        Smaller patches are mirrored to so many target pixels.

    Attributes
    ----------
    turned : int, optional
        From this step on, patches are not turned.

    Raises
    ------
    TrainingError
        If there is no patch for training.
    """

    def __init__(self, sets: Sequence[PatchSet], sampling: Sampling, least: int = 0) -> None:
        self.sets, self.sampling, self.least = sets, sampling, least
        self.turned: int | None = None
        self._scenes = [
            [scene for scene in patches.scenes if scene.split == "train"] for patches in sets
        ]
        if not any(self._scenes):
            raise TrainingError(
                f"{sets[0].folder}: no scene is for training; cut the patches with a smaller "
                "--validation-share"
            )
        weights = place_weights(sets, sampling.place_exponent)
        for each, scenes in zip(weights, self._scenes, strict=True):
            for scene in scenes:
                each[scene.name] *= sampling.l1c_weight if scene.level == "L1C" else 1.0
        total = sum(sum(each.values()) for each in weights)
        self._set_chances = [sum(each.values()) / total for each in weights]
        self._scene_chances = [
            np.array([each[scene.name] for scene in scenes]) / max(sum(each.values()), 1e-300)
            for each, scenes in zip(weights, self._scenes, strict=True)
        ]

    @property
    def count(self) -> int:
        """Training patches in all sets."""
        return sum(scene.count for scenes in self._scenes for scene in scenes)

    def batch(self, step: int) -> Batch:
        """Return the batch of a step: the same one whenever it is asked for."""
        rng = np.random.default_rng([self.sampling.seed, step])
        which = int(rng.choice(len(self.sets), p=self._set_chances))
        patches, scenes = self.sets[which], self._scenes[which]
        upright = self.turned is not None and step >= self.turned
        turns = "none" if upright else self.sampling.turns

        def draw() -> list[Array]:
            """Return inputs, target and, as 0 and 1, where it was measured."""
            scene = scenes[rng.choice(len(scenes), p=self._scene_chances[which])]
            *patch, measured = _read(patches, scene, int(rng.integers(scene.count)))
            rows = len(measured)
            *patch, measured = [
                mirrored(array, self.least * len(array) // rows) for array in (*patch, measured)
            ]
            if scene.level == "L2A" and rng.random() < self.sampling.to_l1c:
                patch = _from_above(patch, rng)
            return _turned([*patch, measured], turns, rng)

        drawn, masks = [], []
        for _ in range(self.sampling.batch):
            *patch, measured = draw()
            if rng.random() < self.sampling.mix:
                share = np.float32(rng.uniform(0, rng.choice((0.3, 1.0))))
                *other, also = draw()
                patch = [(1 - share) * a + share * b for a, b in zip(patch, other, strict=True)]
                measured = measured * also
            drawn.append(_varied(patch, self.sampling, rng))
            masks.append(measured)
        return _batch(drawn, masks)


def _batch(patches: list[list[Array]], masks: list[Array]) -> Batch:
    *inputs, target = (np.stack(arrays) for arrays in zip(*patches, strict=True))
    return Batch(inputs, target, np.stack(masks)[..., 0] > 0)


def _turned(arrays: list[Array], which: str, rng: np.random.Generator) -> list[Array]:
    if which == "none":
        return arrays
    if which == "half":
        return [np.rot90(array, 2) for array in arrays] if rng.integers(2) else arrays
    turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
    arrays = [np.rot90(array, turns) for array in arrays]
    return [array[:, ::-1] for array in arrays] if mirrored else arrays


def _varied(arrays: list[Array], sampling: Sampling, rng: np.random.Generator) -> list[Array]:
    """Change brightness and bands alike in the inputs and the target.

    The last input is the target degraded, so whatever is done to the bands of one is done to
    those of the other.
    """
    *inputs, target = arrays
    for index, array in enumerate(inputs):
        bands = array.shape[-1]
        change = np.eye(bands)
        if sampling.spectral and rng.random() < sampling.spectral:
            change += rng.normal(0, _SPECTRAL, change.shape)
            change /= change.sum(axis=0)
        if sampling.band_gain:
            change *= np.exp(rng.uniform(-1, 1, bands) * sampling.band_gain)
        matrix = change.astype(np.float32)
        inputs[index] = array @ matrix
        if index == len(inputs) - 1:
            target = target @ matrix
    gain = np.float32(np.exp(rng.uniform(-1, 1) * sampling.gain))
    return [array * gain for array in (*inputs, target)]


def _from_above(arrays: list[Array], rng: np.random.Generator) -> list[Array]:
    """Turn a patch of surface reflectance into what an L1C product would show."""
    thickness = rng.uniform(-_BEYOND, 1 + _BEYOND)
    (gain, offset), thick = np.array(_CLEAR_AIR), np.array(_THICK_AIR)
    gain = gain + thickness * (thick[0] - gain)
    offset = offset + thickness * (thick[1] - offset)
    gain = (gain * np.exp(rng.normal(0, _GAIN_SPREAD, gain.size))).astype(np.float32)
    offset = (offset / SCALE * rng.normal(1, _OFFSET_SPREAD, gain.size)).astype(np.float32)
    resolutions = (10, 20, 60)[: len(arrays) - 1]
    if resolutions[-1] == 60:
        *finer, coarse, target = arrays
        change = _BLUR_ABOVE * _laplacian(target)
        rows, cols, bands = coarse.shape
        means = change.reshape(rows, 6, cols, 6, bands).mean(axis=(1, 3))
        arrays = [*finer, coarse + means, target + change]
    return [
        array * gain[_CHANNELS[resolution]] + offset[_CHANNELS[resolution]]
        for array, resolution in zip(arrays, (*resolutions, resolutions[-1]), strict=True)
    ]


def _laplacian(image: Array) -> Array:
    """Return what diffusion changes in an image (rows, cols, bands), which is mirrored."""
    rows, cols, _ = image.shape
    wide = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="symmetric")
    shifted = [wide[r : r + rows, c : c + cols] for r, c in ((0, 1), (2, 1), (1, 0), (1, 2))]
    return np.asarray(sum(shifted) - 4 * image)


def place_weights(sets: Sequence[PatchSet], exponent: float) -> list[dict[str, float]]:
    """Return how often each training scene is to be drawn, per set and by name.

    A place's weight is its pixels to the power of `exponent`, shared among its scenes, of
    whichever set, in proportion to their pixels.
    """
    pixels = [
        {
            scene.name: (scene.place, scene.count * patches.settings.size**2)
            for scene in patches.scenes
            if scene.split == "train"
        }
        for patches in sets
    ]
    of_place: dict[str, int] = {}
    for each in pixels:
        for place, count in each.values():
            of_place[place] = of_place.get(place, 0) + count
    return [
        {
            name: of_place[place] ** exponent * count / of_place[place]
            for name, (place, count) in each.items()
        }
        for each in pixels
    ]


def _read(patches: PatchSet, scene: PatchScene, index: int) -> list[Array]:
    """Return inputs and target, scaled, and where the target was measured, as 0 and 1."""
    pair = patches.read(scene, index)
    scaled = [array.astype(np.float32) / np.float32(SCALE) for array in pair]
    return [*scaled, patches.measured(scene, index).astype(np.float32)]


def mirrored(array: Array, least: int) -> Array:
    """Extend (rows, cols, bands) at the bottom and the right to at least `least` pixels.

    The mirror lies on the edge between pixels, so degrading a mirrored patch gives the
    mirrored degraded patch.
    """
    missing = max(0, least - array.shape[0]), max(0, least - array.shape[1])
    if not any(missing):
        return array
    return np.pad(array, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")


def validation_batches(
    sets: Sequence[PatchSet], batch: int, most: int
) -> Iterator[tuple[str, Batch]]:
    """Yield the first patches of every validation scene, with the scene's name.

    Patches are stored in random order, so the first `most` are a random sample.
    """
    for patches in sets:
        for scene in patches.scenes:
            if scene.split != "validation":
                continue
            count = min(scene.count, most)
            for first in range(0, count, batch):
                drawn, masks = [], []
                for index in range(first, min(first + batch, count)):
                    *patch, measured = _read(patches, scene, index)
                    drawn.append(patch)
                    masks.append(measured)
                yield scene.name, _batch(drawn, masks)


class Prefetch:
    """Makes batches in a thread, a few ahead, in the order of the steps.

    Parameters
    ----------
    sampler : Sampler
    first, stop : int
        Steps to make batches for.
    """

    def __init__(self, sampler: Sampler, first: int, stop: int) -> None:
        self._sampler, self._steps = sampler, range(first, stop)
        self._queue: queue.Queue[Batch | BaseException] = queue.Queue(_AHEAD)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="batches", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._closed.set()
        self._thread.join()

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        for step in self._steps:
            item = self._queue.get()
            if isinstance(item, S2SuperresError):
                raise item
            if isinstance(item, BaseException):
                raise TrainingError(
                    f"{self._sampler.sets[0].folder}: the patches cannot be read ({item}); "
                    "check the folder, then go on with --resume"
                ) from item
            yield step, item

    def _work(self) -> None:
        try:
            for step in self._steps:
                self._put(self._sampler.batch(step))
                if self._closed.is_set():
                    return
        except Exception as error:
            self._put(error)

    def _put(self, item: Batch | BaseException) -> None:
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return
            except queue.Full:
                continue
