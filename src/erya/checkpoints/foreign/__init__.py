"""Weights of TensorFlow, UER-py and bert4keras under Hugging Face's names; `opening` is the door."""
