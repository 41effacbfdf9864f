import numpy as np
import torch

from erya.data.batches import pack
from erya.data.features import Features
from erya.nn.packing import PackedTensors, repad


def test_pack_lays_sequences_end_to_end():
    features = [
        Features(np.array([7, 8, 9], np.int32), np.array([0, 0, 1], np.uint8), {"labels": np.int64(1)}),
        Features(np.array([5], np.int32), np.array([0], np.uint8), {"labels": np.int64(0)}),
    ]
    batch = pack(features)
    assert batch.ids.tolist() == [7, 8, 9, 5]
    assert batch.positions.tolist() == [0, 1, 2, 0]
    assert batch.bounds.tolist() == [0, 3, 4]
    assert (batch.max_length, batch.num_tokens, batch.num_sequences) == (3, 4, 2)
    tensors = PackedTensors.from_batch(batch, torch.device("cpu"))
    assert tensors.lengths == (3, 1)
    assert tensors.type_ids.tolist() == [0, 0, 1, 0]
    assert tensors.targets["labels"].tolist() == [1, 0]


def test_kept_positions_need_not_be_a_prefix_and_come_back():
    ids = torch.arange(8).view(2, 4)
    mask = torch.tensor([[1, 0, 1, 1], [0, 1, 0, 0]])
    packed = PackedTensors.from_padded(ids, mask, torch.zeros_like(ids))
    assert packed.ids.tolist() == [0, 2, 3, 5]
    assert packed.positions.tolist() == [0, 2, 3, 1]
    assert packed.lengths == (3, 1)
    states = packed.ids[:, None].float()
    assert repad(states, mask)[..., 0].tolist() == [[0, 0, 2, 3], [0, 5, 0, 0]]
