"""What ``monitor.check`` says of a model's worth, held to scikit-learn on real rows."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score, roc_auc_score
from typer.testing import CliRunner

import monitor
from monitor.cli import build


def sides(table: pd.DataFrame, *, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    mixed = table.sample(frac=1.0, random_state=seed, ignore_index=True)
    half = len(mixed) // 2
    return mixed[:half], mixed[half:]


@pytest.fixture(scope="module")
def cancer() -> tuple[pd.DataFrame, pd.DataFrame]:
    found = load_breast_cancer(as_frame=True)
    features = found.data.iloc[:, :5]
    model = LogisticRegression(max_iter=5_000).fit(features[::3], found.target[::3])
    score = model.predict_proba(features)[:, 1]
    table = features.assign(score=score, told=(score >= 0.5).astype(int), benign=found.target)
    return sides(pd.concat([table.drop(index=table.index[::3])] * 2))


ROLES = {"score": "score", "prediction": "told", "label": "benign", "positive": "1"}


def numbers(report, kind="performance") -> dict[str, float]:
    return {row["metric"]: row["value"] for row in report.to_rows() if row["kind"] == kind}


def test_a_binary_models_performance_is_scikit_learns(cancer):
    reference, current = cancer
    report = monitor.check(reference=reference, current=current, **ROLES)
    found = numbers(report)
    assert found["accuracy"] == pytest.approx(accuracy_score(current.benign, current.told), abs=1e-12)
    assert found["f1"] == pytest.approx(f1_score(current.benign, current.told), abs=1e-12)
    (auc,) = [row for row in report.to_rows() if row["metric"] == "roc_auc" and row["kind"] == "performance"]
    bound = auc["method"].get("bound", 0.0)
    assert auc["value"] == pytest.approx(roc_auc_score(current.benign, current.score), abs=bound + 1e-12)
    assert (auc["check"], auc["status"]) == ("performance", "ok")
    assert numbers(report, "estimate")["roc_auc"] == pytest.approx(auc["value"], abs=0.1)


def test_a_model_that_fell_fails_the_check(cancer):
    reference, current = cancer
    wrong = current.assign(benign=np.random.default_rng(1).permutation(current.benign.to_numpy()))
    report = monitor.check(reference=reference, current=wrong, **ROLES)
    assert report.status == "alert"
    assert report.reached("alert")


def test_without_labels_in_current_performance_is_estimated_and_not_judged(cancer):
    reference, current = cancer
    report = monitor.check(reference=reference, current=current.drop(columns="benign"), **ROLES)
    assert numbers(report)["label_coverage"] == 0.0
    assert "performance" not in {verdict.check for window in report.windows for verdict in window.verdicts}
    assert 0.5 < numbers(report, "estimate")["roc_auc"] <= 1.0


def test_many_classes_are_told_by_their_scores():
    found = load_wine(as_frame=True)
    model = RandomForestClassifier(20, max_depth=3, random_state=0).fit(found.data[::3], found.target[::3])
    scores = {f"p{k}": model.predict_proba(found.data)[:, k] for k in range(3)}
    table = found.data.iloc[:, :4].assign(**scores, told=model.predict(found.data), cultivar=found.target)
    reference, current = sides(pd.concat([table] * 3))
    report = monitor.check(
        reference=reference, current=current, score={str(k): f"p{k}" for k in range(3)}, prediction="told",
        label="cultivar",
    )  # fmt: skip
    found = numbers(report)
    assert found["accuracy"] == pytest.approx(accuracy_score(current.cultivar, current.told), abs=1e-12)
    assert found["f1"] == pytest.approx(f1_score(current.cultivar, current.told, average="macro"), abs=1e-12)


def test_a_regressions_errors_are_scikit_learns_and_its_loss_is_estimated():
    found = load_diabetes(as_frame=True)
    told = LinearRegression().fit(found.data, found.target).predict(found.data)
    table = pd.concat([found.data.assign(told=told, progression=found.target)] * 4)
    reference, current = sides(table)
    report = monitor.check(reference=reference, current=current, prediction="told", label="progression")
    found = numbers(report)
    assert found["mae"] == pytest.approx(mean_absolute_error(current.progression, current.told), abs=1e-9)
    assert found["r2"] == pytest.approx(r2_score(current.progression, current.told), abs=1e-9)
    assert numbers(report, "estimate")["mae"] == pytest.approx(found["mae"], rel=0.15)


def test_every_window_has_its_own_performance(cancer):
    reference, current = cancer
    days = pd.Timestamp("2026-03-01", tz="UTC") + pd.to_timedelta(np.arange(len(current)) % 2, unit="D")
    before = pd.Timestamp("2026-02-01", tz="UTC") + pd.to_timedelta(np.arange(len(reference)) % 20, unit="D")
    report = monitor.check(
        reference=reference.assign(at=before), current=current.assign(at=days), timestamp="at", window="1d", **ROLES
    )
    by_window = {
        row["window_start"]: row["value"]
        for row in report.to_rows()
        if (row["metric"], row["kind"]) == ("accuracy", "performance")
    }
    expected = [accuracy_score(part.benign, part.told) for _, part in current.groupby(days)]
    assert list(by_window.values()) == pytest.approx(expected, abs=1e-12)


def test_a_reference_whose_positive_class_is_unknown_says_so_and_everything_else_is_compared(cancer):
    reference, current = cancer
    names = {0: "malignant", 1: "benign"}
    renamed = [side.assign(benign=side.benign.map(names), told=side.told.map(names)) for side in (reference, current)]
    roles = {k: v for k, v in ROLES.items() if k != "positive"}
    report = monitor.check(reference=renamed[0], current=renamed[1], **roles)
    assert any("positive" in note for note in report.notes)
    assert not numbers(report)
    assert report["mean radius"]


def test_the_command_takes_labels_and_ends_with_1_when_the_model_fell(cancer, tmp_path):
    reference, current = cancer
    fell = current.assign(benign=1 - current.benign)
    reference.to_parquet(tmp_path / "reference.parquet")
    fell.to_parquet(tmp_path / "current.parquet")
    options = ["check", "--reference", str(tmp_path / "reference.parquet"), "--current",
               str(tmp_path / "current.parquet"), "--label", "benign", "--score", "score", "--prediction", "told",
               "--positive", "1"]  # fmt: skip
    shown = CliRunner().invoke(build(), options)
    assert shown.exit_code == 1
    assert "roc_auc" in shown.stdout
    told = json.loads(CliRunner().invoke(build(), [*options, "--json"]).stdout)
    assert {row["kind"] for row in told["results"]} >= {"performance", "estimate", "drift"}
