"""What a training run says to the user: of several processes one speaks."""

from __future__ import annotations

from erya.cli.console import messages


def speaks() -> bool:
    """Whether this process is the one of its run that talks to the user."""
    from erya.train.ranks import environment_ranks

    return environment_ranks().is_first


def tell(text: str) -> None:
    """Say a sentence on stderr, warnings in yellow."""
    if speaks():
        warns = text.startswith(("warning", "RANDOM"))
        messages.print(text, markup=False, style="yellow" if warns else None)
