"""The network of classification: an encoder, its pooler, dropout and one linear layer."""

from erya.models.heads.sequence import SequenceClassifier

__all__ = ["SequenceClassifier"]
