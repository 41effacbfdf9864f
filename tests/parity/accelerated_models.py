"""Tiny models of `transformers` and a padded batch, for tests of the encoder inside them."""

import torch
import transformers

SIZES = {
    "vocab_size": 60,
    "hidden_size": 36,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "intermediate_size": 50,
    "max_position_embeddings": 40,
}
FAMILIES = {
    "bert": {"hidden_act": "gelu_new"},
    "ernie": {"use_task_id": True},
    "distilbert": {"dim": 36, "n_layers": 2, "n_heads": 3, "hidden_dim": 50},
    "electra": {"embedding_size": 20},
    "albert": {"embedding_size": 20, "num_hidden_groups": 2, "inner_group_num": 2},
    "roberta": {"pad_token_id": 1},
    "xlm-roberta": {"pad_token_id": 1},
    "roformer": {"embedding_size": 20, "rotary_value": True},
    "deberta-v2": {
        "relative_attention": True,
        "position_buckets": 8,
        "max_relative_positions": 20,
        "pos_att_type": ["p2c", "c2p"],
        "share_att_key": False,
        "norm_rel_ebd": "layer_norm",
        "conv_kernel_size": 3,
    },
    "modernbert": {
        "pad_token_id": 0,
        "cls_token_id": 1,
        "bos_token_id": 1,
        "sep_token_id": 2,
        "eos_token_id": 2,
        "local_attention": 8,
    },
}


def model_of(family, cls="AutoModelForSequenceClassification"):
    torch.manual_seed(7)
    config = transformers.AutoConfig.for_model(family, **SIZES | FAMILIES[family])
    model = getattr(transformers, cls).from_config(config, attn_implementation="eager")
    for name, parameter in model.named_parameters():
        if "embed_positions" not in name:
            parameter.data.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def batch_of(model, *, rows=3, length=17):
    """Rows with a tail left out, a hole, and everything but one token."""
    torch.manual_seed(3)
    mask = torch.ones(rows, length, dtype=torch.int64)
    mask[0, 5:], mask[1, 3:6], mask[2, 15] = 0, 0, 0
    ids = torch.randint(5, 60, mask.shape) * mask + (1 - mask) * (model.config.pad_token_id or 0)
    return {"input_ids": ids, "attention_mask": mask}


def seen(values, mask):
    """What is said of tokens that are there, flat; padding has no meaning."""
    keep = mask.bool()
    if values.shape[:2] == mask.shape:
        return values[keep]
    if values.ndim == 4:
        return values[(keep[:, None, :, None] & keep[:, None, None]).expand_as(values)]
    return values


def assert_same(ours, theirs, mask, *, share=1e-5):
    """Every output within a share of its largest value."""
    for name in ours:
        pairs = zip(as_tuple(ours[name]), as_tuple(theirs[name]), strict=True)
        for left, right in pairs:
            left, right = seen(left, mask), seen(right, mask)
            assert (left - right).abs().max() <= share * right.abs().max(), name


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)
