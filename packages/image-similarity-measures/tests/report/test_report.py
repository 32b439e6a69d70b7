"""The report and its forms."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import image_similarity_measures as ism
from image_similarity_measures import Report, Result
from image_similarity_measures.report.report import Failure, to_csv, to_json, to_table

INF, NAN = math.inf, math.nan


def report(*results: Result, name: str = "b.tif", **fields: Any) -> Report:
    return Report("a.tif", name, results, (1, 2), 0.75, "9.9", **fields)


PSNR = Result("psnr", 30.5, (31.0, 30.0), "dB", 4095.0)
SAM = Result("sam", 1.25, None, "deg")


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def test_the_dictionary_has_0_3s_keys_first_and_says_how_to_read_each_value() -> None:
    content = report(PSNR, SAM, notes=("look",)).to_dict()
    assert list(content)[:3] == ["image1", "image2", "metrics"]
    assert content["metrics"] == {"psnr": 30.5, "sam": 1.25}
    assert content["per_band"] == {"psnr": [31.0, 30.0]}
    assert content["bands"] == [1, 2]
    assert content["details"]["psnr"] == {
        "better": "higher", "ideal": None, "unit": "dB", "data_range": 4095.0, "share": 1.0,
    }  # fmt: skip
    assert content["details"]["sam"] == {
        "better": "lower", "ideal": 0.0, "unit": "deg", "data_range": None, "share": 1.0,
    }  # fmt: skip
    assert content["valid_share"] == 0.75
    assert content["notes"] == ["look"]
    assert (content["definitions"], content["version"]) == ("1", "9.9")
    assert "per_band" not in report(PSNR).to_dict(per_band=False)
    assert '"bands": [1, 2],\n' in report(PSNR).to_json()
    assert "\n" not in report(PSNR).to_json(indent=None).rstrip("\n")


def test_values_that_json_lacks_are_null_and_noted() -> None:
    odd = report(
        Result("psnr", INF, (INF, INF), "dB"),
        Result("sre", 7.0, (7.0, -INF), "dB"),
        Result("uiq", NAN, (NAN, NAN)),
    )
    content = json.loads(odd.to_json(), parse_constant=refuse_constant)
    assert content["metrics"] == {"psnr": None, "sre": 7.0, "uiq": None}
    assert content["per_band"]["sre"] == [7.0, None]
    assert content["notes"] == [
        "psnr is inf, written as null",
        "sre is -inf in a band, written as null",
        "uiq is not defined here (NaN), written as null",
    ]
    assert json.loads(odd.to_json(per_band=False))["notes"][1].startswith("uiq")


def test_several_reports_come_with_the_pairs_and_files_left_out() -> None:
    failed = [Failure("x.tif", "y\udcff.tif", "cannot read it")]
    text = to_json([report(SAM)], failed=failed, unpaired=["grün.tif"])
    assert text.isascii()
    content = json.loads(text)
    assert [pair["image2"] for pair in content["pairs"]] == ["b.tif"]
    assert content["failed"] == [
        {"image1": "x.tif", "image2": "y\udcff.tif", "error": "cannot read it"}
    ]
    assert content["unpaired"] == ["grün.tif"]


@given(
    st.lists(
        st.tuples(st.sampled_from(list(ism.METRICS)), st.floats(), st.floats()),
        unique_by=lambda x: x[0],
    )
)
def test_json_is_strict_whatever_the_values(values: list[tuple[str, float, float]]) -> None:
    results = [Result(name, value, (value, other)) for name, value, other in values]
    text = to_json([report(*results)])
    content = json.loads(text, parse_constant=refuse_constant)["pairs"][0]
    for name, value, _ in values:
        assert content["metrics"][name] == (value if math.isfinite(value) else None)


def test_a_report_is_read_by_name_and_cannot_be_changed() -> None:
    found = report(PSNR, SAM)
    assert found["sam"] is SAM
    assert found.metrics == {"psnr": 30.5, "sam": 1.25}
    assert found.per_band == {"psnr": (31.0, 30.0)}
    with pytest.raises(KeyError, match="uiq"):
        found["uiq"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.version = "0"  # type: ignore[misc]


@pytest.mark.parametrize("name", ism.METRICS)
def test_better_follows_the_metrics_direction_and_nan_is_never_good_enough(name: str) -> None:
    result = Result(name, 5.0)
    higher = ism.METRICS[name].higher_is_better
    assert result.reaches(5.0)
    assert result.reaches(4.0) is higher
    assert result.reaches(6.0) is not higher
    assert not Result(name, NAN).reaches(0.0)
    assert result.title == ism.METRICS[name].title


def test_csv_has_a_row_per_pair_and_a_column_per_value() -> None:
    other = report(Result("psnr", INF, (INF, INF), "dB"), name="c,d.tif")
    rows = list(csv.DictReader(io.StringIO(to_csv([report(PSNR, SAM), other]))))
    assert list(rows[0]) == [
        "image1", "image2", "psnr", "psnr_1", "psnr_2", "sam", "valid_share", "data_range"
    ]  # fmt: skip
    assert rows[0]["psnr_2"] == "30.0"
    assert rows[1] == {
        "image1": "a.tif", "image2": "c,d.tif", "psnr": "inf", "psnr_1": "inf", "psnr_2": "inf",
        "sam": "", "valid_share": "0.75", "data_range": "",
    }  # fmt: skip
    assert (
        report(PSNR).to_csv(per_band=False).splitlines()[0]
        == "image1,image2,psnr,valid_share,data_range"
    )


def test_csv_ends_with_the_pairs_that_failed() -> None:
    failure = Failure("x.tif", "y.tif", "cannot read it")
    first, last = csv.DictReader(io.StringIO(to_csv([report(PSNR)], failed=[failure])))
    assert (first["error"], first["data_range"]) == ("", "4095")
    assert (last["image2"], last["psnr"], last["error"]) == ("y.tif", "", "cannot read it")


def test_a_report_prints_as_its_table() -> None:
    assert str(report(PSNR, SAM)) + "\n" == report(PSNR, SAM).to_table()


def test_tables_are_aligned() -> None:
    single = report(PSNR, SAM, Result("rmse", 1234.5678, (1.0, 2.0), "dn")).to_table()
    assert single == (
        "a.tif | b.tif\n"
        "metric    value  unit  better  ideal  data range  band 1  band 2\n"
        "psnr       30.5    dB  higher    inf        4095      31      30\n"
        "sam        1.25   deg   lower      0\n"
        "rmse    1234.57    dn   lower      0                   1       2\n"
        "75 % of the pixels are valid\n"
    )
    assert "band" not in report(PSNR).to_table(per_band=False)
    assert "|" not in Report(None, None, (SAM,), (1,), 1.0, "9").to_table()
    several = to_table([report(PSNR, SAM), report(SAM, name="longer.tif")])
    assert several == (
        "image1  image2      psnr   sam  valid %\n"
        "a.tif   b.tif       30.5  1.25       75\n"
        "a.tif   longer.tif        1.25       75\n"
    )
    assert to_table([report(PSNR)], per_band=True) == (
        "image1  image2  psnr  psnr_1  psnr_2  valid %\n"
        "a.tif   b.tif   30.5      31      30       75\n"
    )
