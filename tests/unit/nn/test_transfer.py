import numpy as np
import pytest
import torch

from erya.nn.transfer import side_by_side, to_device, views_of

ARRAYS = [
    np.arange(7, dtype=np.int64),
    np.zeros((0,), np.int64),
    np.array([[True, False, True]]),
    np.array(3.5, np.float32),
    np.arange(12, dtype=np.int32).reshape(3, 4)[:, ::2],
]


def test_tensors_on_the_processor_equal_their_arrays():
    for tensor, array in zip(to_device(ARRAYS, torch.device("cpu")), ARRAYS, strict=True):
        assert tensor.shape == array.shape and tensor.tolist() == array.tolist()


def test_what_lies_in_one_buffer_comes_out_as_it_was():
    tensors = [torch.from_numpy(np.asarray(array, order="C")) for array in ARRAYS]
    views = views_of(side_by_side(tensors, pinned=False), tensors)
    for view, tensor in zip(views, tensors, strict=True):
        assert view.dtype == tensor.dtype and torch.equal(view, tensor)
    assert len({view.untyped_storage().data_ptr() for view in views}) == 1


@pytest.mark.gpu
def test_tensors_on_a_gpu_equal_their_arrays():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for tensor, array in zip(to_device(ARRAYS, torch.device("cuda")), ARRAYS, strict=True):
        assert tensor.is_cuda and tensor.tolist() == array.tolist()
