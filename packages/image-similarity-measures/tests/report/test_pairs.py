"""Files that belong together are paired, and what is left out is spoken of."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import image_similarity_measures as ism
from image_similarity_measures.report.pairs import Pairing, pair_up


@pytest.fixture
def fill(tmp_path: Path) -> object:
    """Make files below the temporary folder; a name that ends in a slash is a folder."""

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir(exist_ok=True)
            else:
                path.write_text("")
        return tmp_path

    return make


def names(pairing: Pairing, root: Path) -> list[tuple[str, ...]]:
    return [tuple(Path(p).relative_to(root).as_posix() for p in pair) for pair in pairing.pairs]


def folders(root: Path, **options: bool) -> Pairing:
    return pair_up(str(root / "a"), str(root / "b"), **options)


class TestFolders:
    def test_every_kind_of_image_counts(self, fill) -> None:
        kinds = ["1.nc", "2.h5", "3.ntf", "4.asc", "5.bil", "6.TIF", "7.j2k", "8.dat"]
        root = fill(*(f"{side}/{kind}" for side in "ab" for kind in [*kinds, "8.hdr", "5.hdr"]))
        assert [first for first, _ in names(folders(root), root)] == [f"a/{kind}" for kind in kinds]

    def test_a_header_is_no_picture(self, fill) -> None:
        root = fill("a/1.bil", "b/1.bil", "a/2.hdr", "b/2.hdr")
        for side in "ab":
            (root / side / "3.hdr").write_bytes(b"#?RADIANCE\n")
        assert names(folders(root), root) == [("a/1.bil", "b/1.bil"), ("a/3.hdr", "b/3.hdr")]

    def test_a_zarr_store_is_an_image_and_no_folder_of_images(self, fill) -> None:
        root = fill(
            *(f"{side}/{file}" for side in "ab" for file in ("x.zarr/.zarray", "y/zarr.json"))
        )
        assert names(folders(root), root) == [("a/x.zarr", "b/x.zarr"), ("a/y", "b/y")]
        one = pair_up(str(root / "a" / "x.zarr"), str(root / "b" / "x.zarr"))
        assert not one.batch and len(one.pairs) == 1

    def test_subfolders_are_left_out_with_a_word_or_compared(self, fill) -> None:
        root = fill("a/1.tif", "b/1.tif", "a/in/2.tif", "b/in/2.png", "a/in/deep/1.tif")
        shallow = folders(root)
        assert names(shallow, root) == [("a/1.tif", "b/1.tif")]
        assert [note.split(";")[0] for note in shallow.notes] == [
            f"in of {root / side} is a subfolder and left out" for side in "ab"
        ]
        deep = folders(root, recursive=True)
        assert names(deep, root) == [("a/1.tif", "b/1.tif"), ("a/in/2.tif", "b/in/2.png")]
        assert deep.alone == [str(root / "a" / "in" / "deep" / "1.tif")]
        assert not deep.notes

    def test_what_is_no_image_is_said_once(self, fill) -> None:
        root = fill(
            "a/1.tif", "b/1.tif", *(f"a/{n}.exr" for n in range(5)), "a/1.tfw", "a/readme.txt"
        )
        (note,) = folders(root).notes
        assert note.startswith(
            f"0.exr, 1.exr, 2.exr and 2 more of {root / 'a'} are files and left out"
        )

    def test_nothing_to_pair_says_what_was_left_out(self, fill) -> None:
        root = fill("a/in/1.tif", "b/in/1.tif")
        with pytest.raises(ism.InputError, match=r"rename the files .*--recursive"):
            folders(root)


class TestPatterns:
    @pytest.mark.parametrize(
        ("org", "pred", "expected"),
        [
            ("a/*_org.tif", "b/*_pred.tif", [("a/1_org.tif", "b/1_pred.tif")]),
            ("a/?_org.tif", "b/?_pred.tif", [("a/1_org.tif", "b/1_pred.tif")]),
            ("a/[0-9]_org.tif", "b/[!a-z]_pred.tif", [("a/1_org.tif", "b/1_pred.tif")]),
            ("*/*_org.tif", "b/*/*.png", [("x/y_org.tif", "b/x/y.png")]),
            ("**/y_org.tif", "b/**/y.png", [("x/y_org.tif", "b/x/y.png")]),
        ],
    )
    def test_files_pair_by_what_the_wildcards_stand_for(
        self, fill, org: str, pred: str, expected: list[tuple[str, str]]
    ) -> None:
        root = fill("a/1_org.tif", "b/1_pred.tif", "x/y_org.tif", "b/x/y.png", "b/x/z.png")
        pairing = pair_up(str(root / org), str(root / pred))
        assert names(pairing, root) == expected
        assert pairing.batch

    def test_those_without_a_partner_are_named(self, fill) -> None:
        root = fill("a/1_org.tif", "a/2_org.tif", "b/1_pred.tif")
        pairing = pair_up(str(root / "a" / "*_org.tif"), str(root / "b" / "*_pred.tif"))
        assert pairing.alone == [str(root / "a" / "2_org.tif")]

    def test_no_match_and_no_pair_are_errors(self, fill) -> None:
        root = fill("a/1.tif", "b/2.tif", "c/1/1.tif")
        with pytest.raises(ism.InputError, match=r"no file matches .*\*\.png"):
            pair_up(str(root / "a" / "*.png"), str(root / "b" / "*"))
        for other in ("b/*", "c/*/*"):
            with pytest.raises(ism.InputError, match="no image of"):
                pair_up(str(root / "a" / "*"), str(root / other))

    def test_a_name_with_brackets_and_a_url_are_no_patterns(self, fill) -> None:
        root = fill("a[1].tif")
        for path in (str(root / "a[1].tif"), "https://example.com/a.tif?token=*"):
            assert pair_up(path, path).pairs == [(path, path)]


def test_two_kinds_do_not_pair(fill) -> None:
    root = fill("a/1.tif", "1.tif")
    for other in ("1.tif", "*.tif"):
        with pytest.raises(ism.InputError, match="give two files, two folders or two patterns"):
            pair_up(str(root / "a"), str(root / other))


@given(
    st.lists(st.text("abc", min_size=1, max_size=3), unique=True, max_size=6),
    st.lists(st.text("abc", min_size=1, max_size=3), unique=True, max_size=6),
    st.booleans(),
)
def test_every_file_is_in_one_pair_or_alone(
    tmp_path_factory: pytest.TempPathFactory, left: list[str], right: list[str], patterns: bool
) -> None:
    root = tmp_path_factory.mktemp("pairs")
    for side, stems in (("a", left), ("b", right)):
        (root / side).mkdir()
        for stem in stems:
            (root / side / f"{stem}.tif").write_text("")
    both = sorted(set(left) & set(right))
    suffix = "/*.tif" if patterns else ""
    try:
        pairing = pair_up(f"{root / 'a'}{suffix}", f"{root / 'b'}{suffix}")
    except ism.InputError:
        assert not both
        return
    assert [Path(first).stem for first, _ in pairing.pairs] == both
    assert sorted(Path(path).stem for path in pairing.alone) == sorted(set(left) ^ set(right))
