"""The model: a picture that depends linearly on a prompt, read as a flow from noise to that picture."""

import math
import random
import zlib

FEATURES = 8


def embed(caption):
    """The caption as a unit vector that depends on its characters alone."""
    dice = random.Random(zlib.crc32(caption.encode()))
    values = [dice.gauss(0, 1) for _ in range(FEATURES)]
    length = math.hypot(*values)
    return [value / length for value in values]


class Generator:
    """`tensors` are the bias and one plane for each feature of the embedding, each `3 * width * height` floats."""

    def __init__(self, width, height, tensors):
        self.width, self.height, self.tensors = width, height, tensors

    @classmethod
    def untrained(cls, width, height, seed):
        """Noise around mid-grey: what the demo calls its base model."""
        dice = random.Random(seed)
        count = 3 * width * height
        bias = [dice.gauss(0.5, 0.25) for _ in range(count)]
        return cls(width, height, [bias, *([dice.gauss(0, 0.05) for _ in range(count)] for _ in range(FEATURES))])

    def picture(self, embedding, guidance=1):
        """Where the flow ends for this prompt."""
        pixels, *planes = self.tensors
        for feature, plane in zip(embedding, planes):
            weight = feature * guidance
            pixels = [pixel + weight * value for pixel, value in zip(pixels, plane)]
        return pixels

    def gradients(self, embedding, of_picture):
        """One list for each tensor, from the gradient with respect to the picture."""
        return [of_picture, *([feature * value for value in of_picture] for feature in embedding)]


class AdamW:
    """The usual optimizer, over lists of floats, with the gradient's norm clipped."""

    def __init__(self, tensors, learning_rate, weight_decay, max_norm):
        self.tensors, self.learning_rate, self.decay, self.max_norm = tensors, learning_rate, weight_decay, max_norm
        self.steps = 0
        self.means = [[0.0] * len(tensor) for tensor in tensors]
        self.squares = [[0.0] * len(tensor) for tensor in tensors]

    def step(self, gradients):
        """Change the tensors in place. Returns the norm of the gradient before it was clipped."""
        self.steps += 1
        norm = math.sqrt(sum(value * value for gradient in gradients for value in gradient))
        clip = min(1.0, self.max_norm / norm) if norm else 1.0
        keep = 1 - self.learning_rate * self.decay
        correction = math.sqrt(1 - 0.999**self.steps)
        rate, tiny = self.learning_rate * correction / (1 - 0.9**self.steps), 1e-8 * correction
        for tensor, gradient, means, squares in zip(self.tensors, gradients, self.means, self.squares):
            for at, value in enumerate(gradient):
                value *= clip
                means[at] = mean = 0.9 * means[at] + 0.1 * value
                squares[at] = square = 0.999 * squares[at] + 0.001 * value * value
                tensor[at] = keep * tensor[at] - rate * mean / (math.sqrt(square) + tiny)
        return norm
