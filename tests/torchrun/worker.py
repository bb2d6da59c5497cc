"""What torchrun starts here: a rank does the acts of `$ACTS` one after the other, the second one those of `$SECOND` if it is set."""

import argparse
import json
import os
import signal
import sys
import time

RANK = os.environ["RANK"]


def say(text):
    """In one write: under `python -u`, as torchrun starts it, `print` takes two, and the lines of two ranks run together."""
    os.write(1, f"{text}\n".encode())


def write_down(number, frame):
    """Each TERM; there is time for another one."""
    with open(f"told-{RANK}", "a") as file:
        file.write("TERM\n")
    time.sleep(0.5)
    sys.exit(0)


def save(folder, is_slow):
    """Write a checkpoint as upstream does: in place, its marker last; a slow one stands still in the middle until it may go on."""
    say("--> saving checkpoint at step 1")
    os.makedirs(folder)
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    with open(os.path.join(folder, "model.safetensors"), "wb", buffering=0) as file:
        file.write(len(header).to_bytes(8, "little") + header)
        if is_slow:
            wait_for_go()
        file.write(b"1234")
    with open(os.path.join(folder, "config.json"), "w") as file:
        file.write("{}")


def wait_for_go():
    while not os.path.exists("go"):
        time.sleep(0.02)


def reduce():
    """One collective of all ranks."""
    import torch
    import torch.distributed

    torch.distributed.init_process_group("gloo")
    number = torch.tensor([int(RANK) + 1.0])
    torch.distributed.all_reduce(number)
    torch.distributed.destroy_process_group()
    say(f"the sum of all ranks is {number.item():g}")


def hear(act, folder):
    """What a TERM does, if *act* says so."""
    if act == "counts":
        signal.signal(signal.SIGTERM, write_down)
    elif act == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif act == "saves-at-end":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(save(folder, is_slow=True)))


def do(act, value, folder):
    """One act."""
    if act == "save":
        save(folder, is_slow=False)
    elif act == "save-slowly":
        save(folder, is_slow=True)
    elif act == "await-go":
        wait_for_go()
    elif act == "reduce":
        reduce()
    elif act == "exit":
        sys.exit(int(value))
    elif act == "forever":
        while True:
            time.sleep(60)


def main(args):
    words = (word.partition(":") for word in os.environ["SECOND" if RANK == "1" else "ACTS"].split())
    acts = [(act, value, os.path.join(args.output_dir, f"checkpoint-{value}-1")) for act, _, value in words]
    for act, _, folder in acts:
        hear(act, folder)
    say(f"rank {RANK} is process {os.getpid()}")
    for act, value, folder in acts:
        do(act, value, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pretrained_model_name_or_path", type=str, required=True)
    parser.add_argument("--output_dir", type=str, required=True)
    main(parser.parse_args())
