"""What a fine-tuned model is measured against: a plain loop of `transformers`, and a linear classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.quality_tasks import DATA, Task


def plain(task: Task, recipe: Any, seed: int) -> dict[str, float]:
    """A plain loop over the padded model of `transformers`, scored by the same task."""
    import torch
    import transformers

    from erya.tasks.batches import ExampleBatches
    from erya.tasks.preparation import prepare
    from erya.tasks.texts import LengthLimit

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    prepared = prepare(recipe, lambda text: None)
    labels = prepared.task.labels or ()
    model = getattr(transformers, task.plain or "").from_pretrained(recipe.model, num_labels=len(labels))
    source = ExampleBatches(prepared.train.features, batch_size=32, batch_tokens=16384, seed=seed)
    steps = recipe.train.epochs * source.num_batches(0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.train.learning_rate, weight_decay=0.01)
    schedule = transformers.get_linear_schedule_with_warmup(optimiser, steps // 10, steps)
    best, weights = -1.0, None
    for epoch in range(recipe.train.epochs):
        model.train()
        for index in range(source.num_batches(epoch)):
            (batch,) = source.batch(epoch, index)
            loss = model(**_padded(batch, task.kind)).loss
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
        score = _plain_score(model, prepared.task, prepared.dev_examples, prepared.dev, task)
        if score > best:
            best, weights = score, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(weights or {})
    examples = list(prepared.kind.examples(DATA / task.files[2], columns=recipe.columns, labelled=True))
    limit = LengthLimit(recipe.max_length, True, recipe.max_length)
    encoded = prepared.task.encode(examples, prepared.tokenizer, limit=limit)
    return {"test": _plain_score(model, prepared.task, examples, encoded, task), "dev": best}


def _plain_score(model: Any, task: Any, examples: Sequence[Any], encoded: Any, wanted: Task) -> float:
    import torch

    from erya.data.batches import pack

    model.eval()
    outputs: list[Any] = []
    for begin in range(0, len(encoded.features), 64):
        batch = pack(encoded.features[begin : begin + 64])
        inputs = _padded(batch, wanted.kind)
        inputs.pop("labels", None)
        with torch.no_grad():
            logits = model(**inputs).logits.numpy()
        lengths = np.diff(batch.bounds)
        outputs += (
            list(logits)
            if wanted.kind == "classify"
            else [row[:length] for row, length in zip(logits, lengths, strict=True)]
        )
    tally = task.tally()
    tally.add(task.decode(outputs, encoded, examples), examples)
    return float(tally.scores().numbers()[wanted.metric])


def _padded(batch: Any, kind: str) -> dict[str, Any]:
    import torch
    from torch.nn.utils.rnn import pad_sequence

    def rectangle(rows: Any, fill: int) -> Any:
        parts = np.split(np.asarray(rows, np.int64), batch.bounds[1:-1])
        return pad_sequence([torch.as_tensor(part) for part in parts], True, fill)

    inputs = {
        "input_ids": rectangle(batch.ids, 0),
        "attention_mask": rectangle(np.ones(batch.num_tokens), 0),
    }
    if kind == "tag":
        return inputs | {"labels": rectangle(batch.targets["tags"], -100)}
    return inputs | {"labels": torch.as_tensor(batch.targets["labels"])}


def linear(task: Task, recipe: Any, seed: int) -> dict[str, float]:
    """TF-IDF of characters and a linear classifier, chosen on dev."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    from erya.tasks.table import KINDS

    kind = KINDS["classify"]
    train, dev, test = (
        [
            (example.text, example.label)
            for example in kind.examples(DATA / str(file), columns=recipe.columns, labelled=True)
        ]
        for file in task.files
    )
    vectoriser = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    inputs = vectoriser.fit_transform([text for text, _ in train])
    labels = [label for _, label in train]

    def accuracy(model: Any, rows: Sequence[tuple[str, str]]) -> float:
        return float(
            model.score(vectoriser.transform([text for text, _ in rows]), [label for _, label in rows])
        )

    models = [
        *(LogisticRegression(C=strength, max_iter=1000) for strength in (1.0, 3.0, 10.0, 30.0)),
        *(LinearSVC(C=strength, random_state=seed) for strength in (0.1, 0.3, 1.0)),
    ]
    best = max((model.fit(inputs, labels) for model in models), key=lambda model: accuracy(model, dev))
    seen = {text for text, _ in train}
    fresh = [row for row in test if row[0] not in seen]
    return {"test": accuracy(best, test), "dev": accuracy(best, dev), "unseen": accuracy(best, fresh)}
