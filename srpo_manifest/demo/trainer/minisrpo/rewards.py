"""The reward model: how much a picture looks like what a caption describes. It knows one place, a sunset at sea."""

import math

POSITIVE = ("Natural-lighting", "Detailed", "Real")
NEGATIVE = ("Poster", "Neon", "Oversaturated")
TEMPERATURE = 0.05


def sunset(width, height):
    """The scene: floats, 0 to 1, row by row, three a pixel."""
    pixels = []
    for row in range(height):
        for column in range(width):
            pixels += _shade((column + 0.5) / width, (row + 0.5) / height)
    return pixels


def imagine(caption, scene):
    """What the caption describes: the scene, or a garish print of it for a caption that a negative word leads."""
    if caption.startswith(NEGATIVE):
        return [float(value > 0.5) for value in scene]
    return scene


def score(picture, wanted):
    """The reward, 1 for the wanted picture and towards 0 far from it, and its gradient with respect to `picture`."""
    misses = [pixel - ideal for pixel, ideal in zip(picture, wanted)]
    width = len(misses) * TEMPERATURE
    reward = math.exp(-sum(miss * miss for miss in misses) / width)
    return reward, [-2 * reward / width * miss for miss in misses]


def relative_score(picture, wanted, unwanted, weight):
    """The reward of `wanted`, raised by `weight`, less that of `unwanted`; and its gradient."""
    more, upwards = score(picture, wanted)
    less, downwards = score(picture, unwanted)
    gradient = [(1 + weight) * up - down for up, down in zip(upwards, downwards)]
    return (1 + weight) * more - less, gradient


def _shade(x, y):
    horizon, sun = 0.62, (0.5, 0.56)
    if y < horizon:
        if math.hypot(x - sun[0], y - sun[1]) < 0.16:
            return 1.0, 0.86, 0.45
        return _blend((0.18, 0.16, 0.42), (0.96, 0.47, 0.22), y / horizon)
    depth = (y - horizon) / (1 - horizon)
    if abs(x - sun[0]) < 0.08 * (1 - depth / 2) and math.sin(30 * depth) > -0.3:
        return 0.98, 0.7, 0.36
    return _blend((0.55, 0.3, 0.3), (0.08, 0.1, 0.25), depth)


def _blend(first, second, part):
    return tuple((1 - part) * one + part * other for one, other in zip(first, second))
