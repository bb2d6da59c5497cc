"""A miniature of reward-gradient finetuning: it learns a picture in seconds, without a GPU, and never ends by itself."""

import argparse
import functools
import json
import logging
import os
import random
import signal
import sys
import time

from agent import end_on_term, launch, meet
from align import Recipe, learn, rollout, sigma_schedule
from checkpoint import load_checkpoint, save_checkpoint
from faults import enter_process, enter_step, enter_worker, read_faults
from model import AdamW, Generator, embed
from png import encode_png
from rewards import sunset

CAPTIONS = ("a sunset over the sea", "evening light on calm water", "the sun at the horizon", "dusk on the coast")


def parse_arguments():
    """Flags as upstream has them, those that nothing reads included."""
    parser = argparse.ArgumentParser()
    # where it runs
    parser.add_argument("--nnodes", type=int, required=True)
    parser.add_argument("--nproc_per_node", type=int, required=True)
    parser.add_argument("--node_rank", type=int, required=True)
    parser.add_argument("--master_addr", type=str, required=True)
    parser.add_argument("--master_port", type=int, default=29601)
    parser.add_argument("--rdzv_id", type=str, default="456")
    # data and model
    parser.add_argument("--data_json_path", type=str, required=True, help="`builtin`, or a JSON list of `caption`s")
    parser.add_argument("--train_batch_size", type=int, default=16)
    parser.add_argument("--pretrained_model_name_or_path", type=str, help="`builtin`, or a checkpoint's folder")
    parser.add_argument("--vae_model_path", type=str, default=None)
    parser.add_argument("--cache_dir", type=str, default="./cache_dir")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--h", type=int, default=None, help="height in pixels")
    parser.add_argument("--w", type=int, default=None, help="width in pixels")
    # results
    parser.add_argument("--output_dir", type=str, default=None)
    parser.add_argument("--image_p", type=str, help="folder of the previews, in ./images")
    parser.add_argument("--vis_size", type=int, default=192, help="width of the previews in pixels")
    parser.add_argument("--preview_steps", type=int, default=0, help="a preview each so many steps while it learns")
    parser.add_argument("--checkpointing_steps", type=int, default=50)
    parser.add_argument("--logging_dir", type=str, default="logs")
    # optimization
    parser.add_argument("--max_train_steps", type=int, default=None, help="steps of an epoch; epochs do not end")
    parser.add_argument("--gradient_accumulation_steps", type=int, default=8, help="branches, in turn forth and back")
    parser.add_argument("--gradient_checkpointing", action="store_true")
    parser.add_argument("--learning_rate", type=float, default=1e-4)
    parser.add_argument("--weight_decay", type=float, default=0.01)
    parser.add_argument("--max_grad_norm", type=float, default=2.0)
    parser.add_argument("--allow_tf32", action="store_true")
    parser.add_argument("--mixed_precision", type=str, default=None, choices=["no", "fp16", "bf16"])
    parser.add_argument("--lora_rank", type=int, default=0)
    parser.add_argument("--ema_decay", type=float, default=0.995)
    # direct-align
    parser.add_argument("--sampling_steps", type=int, default=None)
    parser.add_argument("--shift", type=float, default=1.0)
    parser.add_argument("--timestep_length", type=int, default=100)
    parser.add_argument("--groundtruth_ratio", type=float, default=0.9)
    parser.add_argument("--train_timestep", type=int, nargs=2, default=[5, 20])
    parser.add_argument("--discount_pos", type=float, nargs=2, default=[0.1, 0.25])
    parser.add_argument("--discount_inv", type=float, nargs=2, default=[0.3, 0.01])
    parser.add_argument("--train_guidence", type=int, default=3.5)
    parser.add_argument("--vis_guidence", type=int, default=1)
    # pace
    parser.add_argument("--step_seconds", type=float, default=0.5, help="no step is shorter than this")
    return parser.parse_args()


def main(args):
    """The agent of one node. Returns the exit status."""
    faults = read_faults(os.environ.get("DEMO_FAULT", ""))
    end_on_term()
    enter_process(faults)
    if args.nproc_per_node < 1:
        sys.exit("--nproc_per_node must be at least 1")
    place = f"node {args.node_rank} of {args.nnodes}, workers: {args.nproc_per_node}, run: {args.rdzv_id}"
    print(f"{place}, chief: {args.master_addr}:{args.master_port}", flush=True)
    meet(args.nnodes, args.node_rank, args.master_addr, args.master_port, args.rdzv_id)
    return launch(args.nproc_per_node, lambda local_rank: work(args, faults, local_rank))


def work(args, faults, local_rank):
    """One worker. Every rank learns a model of its own; the first one logs and saves."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    rank = args.node_rank * args.nproc_per_node + local_rank
    enter_process(faults)
    enter_worker(faults, rank)
    say = functools.partial(print, flush=True) if rank == 0 else lambda text: None
    say("Initializing sunset reward model...")
    scene = sunset(args.w, args.h)
    say(f"--> loading model from {args.pretrained_model_name_or_path}")
    model = read_model(args)
    say("--> model loaded")
    captions = read_captions(args)
    recipe = make_recipe(args)
    optimizer = AdamW(model.tensors, args.learning_rate, args.weight_decay, args.max_grad_norm)
    dice = random.Random(None if args.seed is None else args.seed + rank)
    os.makedirs(args.output_dir, exist_ok=True)
    log = open_log(os.path.join(args.output_dir, "train.log"))
    say("***** Running training *****")
    say(f"  Num examples = {len(captions)}")
    say(f"  Instantaneous batch size per device = {args.train_batch_size}")
    say(f"  Total optimization steps per epoch = {args.max_train_steps}")

    for epoch in range(1000000):
        for step in range(1, args.max_train_steps + 1):
            started = time.monotonic()
            enter_step(faults, rank, step)
            if step == args.checkpointing_steps and rank == 0:
                say(f"--> saving checkpoint at step {step}")
                folder = os.path.join(args.output_dir, f"checkpoint-{step}-{epoch}")
                save_checkpoint(model, folder, faults.get("slow-checkpoint", 0.0), marker="no-marker" not in faults)
                say(f"--> checkpoint saved at step {step}")
            watching = step >= args.checkpointing_steps
            if not watching:
                loss, norm = train_one_step(args, recipe, model, optimizer, scene, captions, step, dice)
            if watching or (args.preview_steps and (step - 1) % args.preview_steps == 0):
                preview(args, recipe, model, captions[0], dice, step, rank)
            time.sleep(max(0.0, args.step_seconds - (time.monotonic() - started)))
            if rank == 0:
                seconds = time.monotonic() - started
                show(f"\rSteps:   0%|          | {step}/100000 [{seconds:.2f}s/it]")
                if not watching:
                    say(f"final loss {loss}")
                    details = {"loss_hps": f"{loss:.4f}", "step_time": f"{seconds:.2f}s", "grad_norm": round(norm, 4)}
                    log.info(f"Progress: {step}/{args.max_train_steps} | Details: {details}")


def train_one_step(args, recipe, model, optimizer, scene, captions, step, dice):
    """One update from one batch. Returns the loss, and the gradient's norm before it was clipped."""
    batch = [captions[(step * args.train_batch_size + item) % len(captions)] for item in range(args.train_batch_size)]
    losses, gradients = zip(*(learn(recipe, model, scene, caption, step, dice) for caption in batch))
    mean = [[sum(values) / len(batch) for values in zip(*tensor)] for tensor in zip(*gradients)]
    return sum(losses) / len(batch), optimizer.step(mean)


def preview(args, recipe, model, caption, dice, step, rank):
    """What the model makes of the caption now; kept for the first steps of an epoch alone, over that of the last."""
    noise = [dice.gauss(0, 1) for _ in range(3 * model.width * model.height)]
    picture = rollout(model.picture(embed(caption), args.vis_guidence), noise, recipe.sigmas)
    show(f"\rSampling Progress: 100%|##########| {args.sampling_steps}/{args.sampling_steps}\n")
    if step < 40:
        folder = os.path.join("./images", args.image_p)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"{step}_{rank}.png"), "wb") as file:
            file.write(encode_png(picture, model.width, model.height, max(1, args.vis_size // model.width)))


def read_model(args):
    if args.pretrained_model_name_or_path == "builtin":
        return Generator.untrained(args.w, args.h, args.seed)
    model = load_checkpoint(args.pretrained_model_name_or_path)
    if (model.width, model.height) != (args.w, args.h):
        raise ValueError(f"--w {args.w} --h {args.h}: the model is {model.width} by {model.height}")
    return model


def read_captions(args):
    if args.data_json_path == "builtin":
        return CAPTIONS
    with open(args.data_json_path, encoding="utf-8") as file:
        return [entry["caption"] for entry in json.load(file)]


def make_recipe(args):
    sigmas = sigma_schedule(args.sampling_steps, args.shift)
    return Recipe(
        sigmas=sigmas,
        levels=tuple(sigmas[step] for step in args.train_timestep),
        timesteps=args.timestep_length,
        stride=int((1 - args.groundtruth_ratio) * args.timestep_length) + 1,
        discount_pos=args.discount_pos,
        discount_inv=args.discount_inv,
        guidance=args.train_guidence,
        branches=args.gradient_accumulation_steps,
    )


def open_log(path):
    """Lines as loguru writes them, to stderr and to the file."""
    line = "%(asctime)s.%(msecs)03d | %(levelname)-8s | __main__:%(funcName)s:%(lineno)d - %(message)s"
    handlers = [logging.StreamHandler(), logging.FileHandler(path)]
    logging.basicConfig(level=logging.INFO, format=line, datefmt="%Y-%m-%d %H:%M:%S", handlers=handlers)
    return logging.getLogger("train")


def show(text):
    """A progress bar: no end of line but its own."""
    print(text, end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(parse_arguments()))
