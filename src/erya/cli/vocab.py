"""`erya vocab`: vocabularies from text, and more words for those there are."""

from __future__ import annotations

import typer

from erya.cli import vocab_extend, vocab_train


def register(app: typer.Typer) -> None:
    """Add `erya vocab`."""
    vocab = typer.Typer(
        help="Vocabularies: train one on your text, or give a model's more characters and words.",
        epilog="Example: erya vocab train documents --size 12000 --out tokenizer",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    vocab_train.register(vocab)
    vocab_extend.register(vocab)
    app.add_typer(vocab, name="vocab")
