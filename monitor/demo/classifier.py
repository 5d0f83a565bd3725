"""The demo's model: will this flight arrive more than 15 minutes late? Gradient boosting on what the schedule knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitor.demo.flights import CATEGORIES, FEATURES

if TYPE_CHECKING:
    import pandas as pd

THRESHOLD = 0.5
SEED = 2013


class Classifier:
    """A scikit-learn classifier over categories and numbers with gaps."""

    def __init__(self) -> None:
        from sklearn.compose import make_column_transformer
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OrdinalEncoder

        codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=float("nan"))
        self._pipeline: Any = make_pipeline(
            make_column_transformer((codes, list(CATEGORIES)), remainder="passthrough"),
            HistGradientBoostingClassifier(
                max_iter=60, learning_rate=0.1, categorical_features=list(range(len(CATEGORIES))), random_state=SEED
            ),
        )

    def fit(self, table: pd.DataFrame) -> Classifier:
        """The classifier, trained on the flights that arrived."""
        arrived = table[table["late"].notna()]
        self._pipeline.fit(arrived[list(FEATURES)], arrived["late"].astype(bool))
        return self

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with ``score`` (the probability of being late) and ``prediction``."""
        score = self._pipeline.predict_proba(table[list(FEATURES)])[:, 1]
        return table.assign(score=score, prediction=score >= THRESHOLD)


def roc_auc(table: pd.DataFrame) -> float:
    """The area under the curve of ``score`` against ``late``, of the flights that arrived."""
    from sklearn.metrics import roc_auc_score

    arrived = table[table["late"].notna()]
    return float(roc_auc_score(arrived["late"].astype(bool), arrived["score"]))
