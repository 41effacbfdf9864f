"""Classification of tokens that knows which classes follow one another: a token classifier with a chain.

N tokens, C classes.
"""

from __future__ import annotations

from erya.models.encoder import Encoder
from erya.models.heads.tokens import TokenClassifier
from erya.nn.crf import LinearChainCrf


class ChainClassifier(TokenClassifier):
    """A token classifier, whose logits are emissions, with the scores of neighbouring classes as `crf`.

    Args:
        encoder: the encoder; its pooler, if it has one, is not used.
        num_labels: C, at least 2.
        dropout_prob: before the classifier, in [0, 1); None is the encoder's.
        scale: see `LinearChainCrf`.
    Source: Lafferty, McCallum and Pereira 2001, Conditional Random Fields; Lample et al. 2016, Neural
        Architectures for Named Entity Recognition, section 2.
    """

    def __init__(
        self, encoder: Encoder, num_labels: int, *, dropout_prob: float | None = None, scale: float = 1.0
    ) -> None:
        super().__init__(encoder, num_labels, dropout_prob=dropout_prob)
        self.crf = LinearChainCrf(num_labels, scale=scale)
