"""Direct-align: noise that is known is put into a picture, one step is taken, and the picture is recovered exactly.

So the reward of a clean picture has a gradient at any noise level, through one call of the model.
"""

from dataclasses import dataclass

from model import embed
from rewards import NEGATIVE, POSITIVE, imagine, relative_score

ENOUGH = 1.2  # a branch with this reward has nothing left to learn


@dataclass(frozen=True)
class Recipe:
    """How to train: `sigmas` for a rollout, the two levels between which it learns, and its branches."""

    sigmas: list
    levels: tuple
    timesteps: int
    stride: int
    discount_pos: list
    discount_inv: list
    guidance: float
    branches: int


def sigma_schedule(steps, shift):
    """`steps + 1` noise levels from 1 to 0, with more of them near 1 the greater the shift."""
    even = [1 - step / steps for step in range(steps + 1)]
    return [shift * sigma / (1 + (shift - 1) * sigma) for sigma in even]


def rollout(picture, noise, sigmas):
    """Follow the flow of a model that believes in `picture`, from noise to the end of the schedule."""
    seen = noise
    for sigma, following in zip(sigmas, sigmas[1:]):
        seen = _step(seen, picture, sigma, following)
    return seen


def learn(recipe, model, scene, caption, turn, dice):
    """What one caption teaches: the loss of the first branch, and the gradient of each tensor.

    Branches take turns. One denoises, and its reward wants the positive words; the other goes back towards noise, its
    reward wants the negative words, and its sign turns round on the way.
    """
    embedding = embed(caption)
    noise = [dice.gauss(0, 1) for _ in scene]
    start = rollout(model.picture(embedding, recipe.guidance), noise, recipe.sigmas)
    picture = model.picture(embedding)
    positive = imagine(f"{POSITIVE[turn % len(POSITIVE)]}. {caption}", scene)
    negative = imagine(f"{NEGATIVE[turn % len(NEGATIVE)]}. {caption}", scene)
    timestep = dice.randint(5, recipe.timesteps - recipe.stride - 5)
    part = timestep / recipe.timesteps
    high, low = (_between(recipe.levels, at / recipe.timesteps) for at in (timestep, timestep + recipe.stride))
    losses, gradient = [], [0.0] * len(scene)
    for branch in range(recipe.branches):
        if branch % 2 == 0:
            recovered, slope = _recover(picture, start, noise, high, low)
            reward, uphill = relative_score(recovered, positive, negative, _between(recipe.discount_pos, part))
        else:
            recovered, slope = _recover(picture, start, noise, low, high)
            reward, uphill = relative_score(recovered, negative, positive, _between(recipe.discount_inv, part))
        losses.append(max(0.0, ENOUGH - reward) / recipe.branches)
        if reward < ENOUGH:
            gradient = [total - slope / recipe.branches * up for total, up in zip(gradient, uphill)]
    return losses[0], model.gradients(embedding, gradient)


def _recover(picture, start, noise, sigma, following):
    """The picture after noise, one step and exact denoising; and its derivative with respect to the model's picture."""
    seen = [sigma * grain + (1 - sigma) * pixel for grain, pixel in zip(noise, start)]
    moved = _step(seen, picture, sigma, following)
    recovered = [(pixel - following * grain) / (1 - following) for pixel, grain in zip(moved, noise)]
    return recovered, (sigma - following) / (sigma * (1 - following))


def _step(seen, picture, sigma, following):
    """One Euler step; the flow's direction is what lies between here and the picture, over the noise level."""
    part = (following - sigma) / sigma
    return [here + part * (here - there) for here, there in zip(seen, picture)]


def _between(ends, part):
    first, last = ends
    return first + (last - first) * part
