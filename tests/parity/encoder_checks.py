"""What every family inherits: checks of its encoder against an independent implementation and against itself.

Each check gives the largest difference it saw as a share of the largest absolute value, and a bound for it. A
family is a line in `FAMILIES`: a configuration as `transformers` has it, tiny, of odd sizes, its options off
their defaults. `python tests/parity/encoder_checks.py` prints the table of families and checks.

S sequences, L columns.
"""

from __future__ import annotations

import copy
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from nezha_reference import NezhaReference
from torch import Tensor, nn

from erya.checkpoints.directory import load_encoder, read_model
from erya.checkpoints.families.table import FAMILIES as TABLES
from erya.checkpoints.info import ModelInfo
from erya.checkpoints.saving import save_model
from erya.models.encoder import Encoder
from erya.nn.packing import PackedTensors
from erya.tokenizer.wordpiece import Tokenizer

SIZES: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 30,
    "num_hidden_layers": 4,
    "num_attention_heads": 5,
    "intermediate_size": 37,
    "max_position_embeddings": 43,
    "hidden_act": "gelu_new",
    "hidden_dropout_prob": 0.2,
    "attention_probs_dropout_prob": 0.3,
    "type_vocab_size": 3,
    "layer_norm_eps": 1e-5,
    "pad_token_id": 3,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": SIZES,
    "ernie": SIZES | {"use_task_id": True, "task_type_vocab_size": 4},
    "distilbert": {
        "vocab_size": 61, "dim": 30, "n_layers": 3, "n_heads": 5, "hidden_dim": 37,
        "max_position_embeddings": 43, "activation": "relu", "dropout": 0.2, "attention_dropout": 0.3,
        "pad_token_id": 3,
    },
    "electra": SIZES | {"embedding_size": 14},
    "albert": SIZES | {"embedding_size": 14, "num_hidden_groups": 2, "inner_group_num": 2},
    "roberta": SIZES,
    "xlm-roberta": SIZES | {"pad_token_id": 1},
    "roformer": SIZES | {"embedding_size": 14, "rotary_value": True},
    "nezha": SIZES | {"max_relative_position": 6},
    "deberta-v2": SIZES
    | {
        "embedding_size": 14, "relative_attention": True, "position_buckets": 6, "max_relative_positions": 29,
        "pos_att_type": ["p2c", "c2p"], "share_att_key": False, "norm_rel_ebd": "layer_norm",
        "position_biased_input": True, "conv_kernel_size": 3, "conv_act": "gelu", "conv_groups": 2,
    },
    "deberta-v3": SIZES
    | {
        "model_type": "deberta-v2", "relative_attention": True, "position_buckets": 8,
        "max_relative_positions": -1, "pos_att_type": ["p2c", "c2p"], "share_att_key": True,
        "norm_rel_ebd": "layer_norm", "position_biased_input": False, "type_vocab_size": 0,
    },
    "modernbert": SIZES
    | {
        "local_attention": 10, "global_attn_every_n_layers": 2, "norm_bias": True, "attention_bias": True,
        "mlp_bias": True, "hidden_activation": "silu", "norm_eps": 1e-4, "embedding_dropout": 0.2,
        "mlp_dropout": 0.2, "attention_dropout": 0.3, "bos_token_id": 1, "cls_token_id": 1, "eos_token_id": 2,
        "sep_token_id": 2,
    },
}  # fmt: skip
# Shares of the largest absolute value.
EXACT, HALF = 1e-5, 0.04


class Case:
    """One family: the same random weights in the reference and, by way of a directory, in Erya."""

    def __init__(self, name: str) -> None:
        options = dict(FAMILIES[name])
        self.family = options.pop("model_type", name)
        torch.manual_seed(11)
        self.reference = reference_of(self.family, options)
        for parameter_name, parameter in self.reference.named_parameters():
            if "embed_positions" not in parameter_name:
                parameter.data.add_(torch.randn_like(parameter) * 0.1)
        self.pad_id = int(options["pad_token_id"])
        self.config = self.reference.config
        with tempfile.TemporaryDirectory() as directory:
            self.reference.save_pretrained(directory)
            if "roberta" in self.family:  # whose names are BERT's; the vocabulary tells them apart
                (Path(directory) / "merges.txt").write_text("", encoding="utf-8")
            model = read_model(Path(directory))
            self.encoder = load_encoder(model, pooler=model.has_pooler).eval()
        self.longest = self.encoder.config.max_positions
        self.segments = max(self.encoder.config.num_segments, 1)

    def inputs(
        self, lengths: tuple[int, ...] = (9, 1, 17, 30), *, scattered: bool = True
    ) -> dict[str, Tensor]:
        """Rows of these lengths; with `scattered`, some tokens within them are left out too."""
        torch.manual_seed(sum(lengths))
        columns = torch.arange(max(lengths))[None]
        mask = columns < torch.tensor(lengths)[:, None]
        if scattered:
            mask &= (torch.rand(mask.shape) < 0.8) | (columns == 0)
        ids = torch.randint(5, 61, mask.shape).masked_fill(~mask, self.pad_id)
        types = torch.randint(0, self.segments, mask.shape).masked_fill(~mask, 0)
        inputs = {"input_ids": ids, "attention_mask": mask.long(), "token_type_ids": types}
        if self.family in ("distilbert", "modernbert"):
            inputs.pop("token_type_ids")
        return inputs

    def theirs(self, inputs: dict[str, Tensor], **asked: bool) -> Any:
        """What the reference gives."""
        return self.reference(**inputs, **asked)

    def packed(self, inputs: dict[str, Tensor]) -> PackedTensors:
        """The inputs as Erya takes them."""
        return self.encoder.pack(inputs["input_ids"], inputs["attention_mask"], inputs.get("token_type_ids"))


def reference_of(family: str, options: dict[str, Any]) -> nn.Module:
    """The independent implementation, with eager attention, in evaluation."""
    if family == "nezha":
        return NezhaReference(options).eval()
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(family, **options)
    model: nn.Module = AutoModel.from_config(config, attn_implementation="eager").eval()
    return model


def share(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference as a share of the largest absolute value."""
    return float((ours.float() - theirs.float()).abs().max() / theirs.float().abs().max())


def equals_the_reference(case: Case) -> float:
    """Hidden states, every block's states and the pooler's vectors, with random scattered masks."""
    inputs = case.inputs()
    keep = inputs["attention_mask"].bool()
    with torch.no_grad():
        theirs = case.theirs(inputs, output_hidden_states=True)
        batch = case.packed(inputs)
        ours = case.encoder(batch, keep_all_hidden=True)
    found = [share(ours.hidden, theirs.last_hidden_state[keep])]
    pairs = zip(ours.all_hidden, theirs.hidden_states, strict=True)
    found += [share(left, right[keep]) for left, right in pairs]
    if case.encoder.pooler is not None:
        with torch.no_grad():
            found.append(share(case.encoder.pool(ours, batch), theirs.pooler_output))
    return max(found)


def equals_the_reference_in_bfloat16(case: Case) -> float:
    """The reference in float32 against Erya under bfloat16 autocast."""
    inputs = case.inputs()
    with torch.no_grad():
        theirs = case.theirs(inputs).last_hidden_state[inputs["attention_mask"].bool()]
        with torch.autocast("cpu", torch.bfloat16):
            ours = case.encoder(case.packed(inputs)).hidden
    return share(ours, theirs)


def attentions_are_equal(case: Case) -> float:
    """Probabilities of every block."""
    inputs = case.inputs()
    with torch.no_grad():
        theirs = case.theirs(inputs, output_attentions=True).attentions
        ours = case.encoder(case.packed(inputs), keep_attentions=True).attentions
    found = []
    for of_block, padded in zip(ours, theirs, strict=True):
        for one, row, kept in zip(of_block, padded, inputs["attention_mask"].bool(), strict=True):
            found.append(share(one, row[:, kept][:, :, kept]))
    return max(found)


def gradients_are_equal(case: Case) -> float:
    """Of every parameter, through tokens that are there."""
    inputs = case.inputs()
    keep = inputs["attention_mask"].bool()
    torch.manual_seed(1)
    weights = torch.randn(int(keep.sum()), case.encoder.config.hidden_size)
    (case.theirs(inputs).last_hidden_state[keep] * weights).sum().backward()
    (case.encoder(case.packed(inputs)).hidden * weights).sum().backward()
    theirs = {name: grad(parameter) for name, parameter in case.reference.named_parameters()}
    table = TABLES[case.family].tensors(case.encoder.config)
    pairs = []
    for name, parameter in case.encoder.named_parameters():
        parts = [theirs[part] for part in table[f"encoder.{name}"]]
        pairs.append((grad(parameter), torch.cat(parts) if len(parts) > 1 else parts[0]))
    case.encoder.zero_grad()
    case.reference.zero_grad()
    largest = max(float(right.abs().max()) for _, right in pairs)
    return max(float((left - right).abs().max()) for left, right in pairs) / largest


def grad(parameter: Tensor) -> Tensor:
    """Its gradient; zeros where nothing depends on it."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()


def alone_equals_in_a_batch(case: Case) -> float:
    """Each sequence by itself against its rows in a batch of many lengths."""
    inputs = case.inputs((9, 1, 17, 30, 3, 29, 12), scattered=False)
    found = []
    with torch.no_grad():
        together = case.encoder(case.packed(inputs)).hidden
        bounds = inputs["attention_mask"].sum(1).tolist()
        for row, part in enumerate(together.split(bounds)):
            one = {name: values[row : row + 1, : bounds[row]] for name, values in inputs.items()}
            found.append(share(part, case.encoder(case.packed(one)).hidden))
    return max(found)


def padding_changes_nothing(case: Case) -> float:
    """The padded façade with many columns of padding, before and behind, against the reference's own rows."""
    inputs = case.inputs((9, 4, 11), scattered=False)
    wide = {name: nn.functional.pad(values, (0, 13)) for name, values in inputs.items()}
    wide["input_ids"] = wide["input_ids"].masked_fill(wide["attention_mask"] == 0, case.pad_id)
    keep = inputs["attention_mask"].bool()
    with torch.no_grad():
        narrow = case.encoder.padded(*columns(inputs))[0]
        padded = case.encoder.padded(*columns(wide))[0]
    assert not padded[:, 11:].any(), "what is not kept is zero"
    return share(padded[:, :11][keep], narrow[keep])


def columns(inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
    """The façade's arguments."""
    return inputs["input_ids"], inputs["attention_mask"], inputs.get("token_type_ids")


def saved_and_reloaded(case: Case) -> float:
    """Written by Erya, opened by the reference's library and by Erya: the same states, no tensor missing."""
    inputs = case.inputs()
    keep = inputs["attention_mask"].bool()
    with tempfile.TemporaryDirectory() as directory, torch.no_grad():
        path = Path(directory) / "model"
        info = ModelInfo(max_length=case.longest)
        save_model(path, module=case.encoder, tokenizer=vocabulary(Path(directory)), info=info)
        again = load_encoder(read_model(path), pooler=case.encoder.pooler is not None).eval()
        expected = case.encoder(case.packed(inputs)).hidden
        assert torch.equal(again(case.packed(inputs)).hidden, expected)
        if case.family == "nezha":
            return 0.0
        from transformers import AutoModel

        opened, report = AutoModel.from_pretrained(
            path, output_loading_info=True, attn_implementation="eager"
        )
        wrong = {name: found for name, found in report.items() if found}
        poolers = {key for key in wrong.pop("missing_keys", ()) if "pooler" not in key}
        assert not wrong and not poolers, wrong or poolers
        return share(expected, opened.eval()(**inputs).last_hidden_state[keep])


def vocabulary(directory: Path) -> Tokenizer:
    """The smallest there is."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "好"]
    (directory / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return Tokenizer.open(directory)


def dropout_acts_in_training_only(case: Case) -> float:
    """Off: the same to the last bit. On: another result each time, and again the same from the same seed."""
    encoder = copy.deepcopy(case.encoder)
    batch = case.packed(case.inputs())
    with torch.no_grad():
        assert torch.equal(encoder(batch).hidden, encoder(batch).hidden)
        encoder.train()
        drawn = []
        for seed in (0, 1, 0):
            torch.manual_seed(seed)
            drawn.append(encoder(batch).hidden)
    assert not torch.equal(drawn[0], drawn[1])
    return share(drawn[2], drawn[0])


def one_token(case: Case) -> float:
    """A batch of sequences of length 1."""
    inputs = case.inputs((1, 1), scattered=False)
    with torch.no_grad():
        ours = case.encoder(case.packed(inputs)).hidden
        return share(ours, case.theirs(inputs).last_hidden_state.flatten(0, 1))


def the_longest_sequence(case: Case) -> float:
    """As long as can be; one more is refused."""
    inputs = case.inputs((case.longest, 7), scattered=False)
    keep = inputs["attention_mask"].bool()
    with torch.no_grad():
        found = share(case.encoder(case.packed(inputs)).hidden, case.theirs(inputs).last_hidden_state[keep])
    longer = case.inputs((case.longest + 1,), scattered=False)
    refused = False
    try:
        case.encoder(case.packed(longer))
    except ValueError as error:
        refused = f"takes at most {case.longest}" in str(error)
    assert refused, "one token more than it can take must be refused"
    return found


def an_empty_batch_is_refused(case: Case) -> float:
    """No row, and a row that keeps nothing."""
    empty = torch.zeros(0, 5, dtype=torch.int64)
    nothing = torch.zeros(2, 5, dtype=torch.int64)
    for ids in (empty, nothing):
        refused = False
        try:
            case.encoder.padded(ids, torch.zeros_like(ids))
        except ValueError:
            refused = True
        assert refused, "a batch without a token must be refused"
    return 0.0


def compiled_equals_eager(case: Case, *, backend: str = "inductor") -> float:
    """`torch.compile` of the encoder."""
    torch._dynamo.reset()
    compiled = torch.compile(case.encoder, backend=backend)
    inputs = case.inputs()
    with torch.no_grad():
        batch = case.packed(inputs)
        return share(compiled(batch).hidden, case.encoder(batch).hidden)


def pooled_equals_pool(case: Case) -> float:
    """The short way to one vector a sequence against the long one."""
    encoder: Encoder = case.encoder
    if encoder.pooler is None:
        encoder = Encoder(encoder.config).eval()
    batch = case.packed(case.inputs())
    with torch.no_grad():
        return share(encoder.pooled(batch), encoder.pool(encoder(batch), batch))


Check = Callable[[Case], float]
CHECKS: dict[str, tuple[Check, float]] = {
    "reference": (equals_the_reference, EXACT),
    "bfloat16": (equals_the_reference_in_bfloat16, HALF),
    "attentions": (attentions_are_equal, EXACT),
    "gradients": (gradients_are_equal, EXACT),
    "alone": (alone_equals_in_a_batch, EXACT),
    "padding": (padding_changes_nothing, EXACT),
    "saved": (saved_and_reloaded, EXACT),
    "dropout": (dropout_acts_in_training_only, 0.0),
    "one token": (one_token, EXACT),
    "longest": (the_longest_sequence, EXACT),
    "empty": (an_empty_batch_is_refused, 0.0),
    "pooled": (pooled_equals_pool, EXACT),
    "compile, traced": (functools.partial(compiled_equals_eager, backend="aot_eager"), EXACT),
    "compile": (compiled_equals_eager, EXACT),
}


def check_encoder(name: str, check: str) -> float:
    """Run one check of one family.

    Raises:
        AssertionError: the difference is beyond the bound, or what must be refused is not.
    """
    function, bound = CHECKS[check]
    found = function(case_of(name))
    assert found <= bound, f"{name}, {check}: {found:.1e} is more than {bound:.0e}"
    return found


case_of = functools.cache(Case)


def main() -> None:
    """Print the table."""
    print("| family | " + " | ".join(CHECKS) + " |\n| --- " + "| ---: " * len(CHECKS) + "|")
    for name in FAMILIES:
        found = (check_encoder(name, check) for check in CHECKS)
        print(f"| {name} | " + " | ".join("0" if value == 0 else f"{value:.1e}" for value in found) + " |")


if __name__ == "__main__":
    main()
