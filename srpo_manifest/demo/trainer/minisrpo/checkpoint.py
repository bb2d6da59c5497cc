"""Checkpoints: a folder with the weights as safetensors, and `config.json` written last."""

import json
import os
import struct
import time

from model import FEATURES, Generator

WEIGHTS = "diffusion_pytorch_model.safetensors"
CONFIG = "config.json"
NAMES = ("bias", *(f"plane.{feature}" for feature in range(FEATURES)))


def save_checkpoint(model, folder, seconds=0.0, marker=True):
    """Write the model. The weights take `seconds`; without `marker` the folder stays unfinished."""
    os.makedirs(folder, exist_ok=True)
    data = encode_safetensors(dict(zip(NAMES, model.tensors)), (model.height, model.width, 3))
    slices = 20 if seconds else 1
    size = -(-len(data) // slices)
    with open(os.path.join(folder, WEIGHTS), "wb", buffering=0) as file:
        for start in range(0, len(data), size):
            file.write(data[start : start + size])
            time.sleep(seconds / slices)
    if marker:
        with open(os.path.join(folder, CONFIG), "w") as file:
            json.dump({"_class_name": "MiniGenerator", "height": model.height, "width": model.width}, file, indent=4)


def load_checkpoint(folder):
    """The model of a checkpoint folder."""
    with open(os.path.join(folder, CONFIG)) as file:
        config = json.load(file)
    with open(os.path.join(folder, WEIGHTS), "rb") as file:
        tensors = decode_safetensors(file.read())
    return Generator(config["width"], config["height"], [tensors[name] for name in NAMES])


def encode_safetensors(tensors, shape):
    """Length of the header as eight bytes, little end first; the header as JSON; float32 data."""
    header, size = {"__metadata__": {"format": "pt"}}, 0
    for name, values in tensors.items():
        end = size + 4 * len(values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [size, end]}
        size = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(struct.pack(f"<{len(v)}f", *v) for v in tensors.values())


def decode_safetensors(data):
    """The float32 tensors of a file, as flat lists."""
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, tensor in header.items():
        if name != "__metadata__":
            start, end = tensor["data_offsets"]
            tensors[name] = list(struct.unpack_from(f"<{(end - start) // 4}f", data, 8 + length + start))
    return tensors
