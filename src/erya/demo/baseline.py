"""What one gets without any encoder: TF-IDF of character n-grams and logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.demo.texts import Review
from erya.runtime import require


def tfidf_right(train: Sequence[Review], dev: Sequence[Review], test: Sequence[Review]) -> NDArray[np.bool_]:
    """Which texts of `test` it has right, shape (T,); the strength of regularisation is chosen on `dev`.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    text = require("sklearn.feature_extraction.text")
    linear = require("sklearn.linear_model")
    vectoriser = text.TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    inputs = vectoriser.fit_transform([review.text for review in train])
    scored = []
    for strength in (1.0, 3.0, 10.0, 30.0):
        model = linear.LogisticRegression(C=strength, max_iter=1000)
        model.fit(inputs, [review.label for review in train])
        scored.append((_right(model, vectoriser, dev).mean(), -strength, model))
    best = max(scored, key=lambda entry: entry[:2])[2]
    return _right(best, vectoriser, test)


def _right(model: Any, vectoriser: Any, reviews: Sequence[Review]) -> NDArray[np.bool_]:
    guesses = model.predict(vectoriser.transform([review.text for review in reviews]))
    return np.array([guess == review.label for guess, review in zip(guesses, reviews, strict=True)])
