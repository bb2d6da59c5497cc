"""What torchrun is to a trainer: nodes meet, each starts its workers, the first to fail ends the others."""

import multiprocessing
import signal
import socket
import sys
import time
from multiprocessing.connection import wait


def meet(nodes, node, address, port, run_id):
    """Return when all nodes of this run are there. A node that never comes is waited for without an end."""
    if nodes == 1 and node == 0:
        return
    if node == 0:
        _receive(nodes - 1, address, port, run_id)
    else:
        _join(address, port, run_id)


def launch(count, work):
    """Run `work(local_rank)` in `count` processes. Returns the exit status: 1 as soon as one of them failed."""
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=work, args=(local_rank,)) for local_rank in range(count)]
    try:
        for worker in workers:
            worker.start()
        return _watch(workers)
    finally:
        begun = [worker for worker in workers if worker.pid]
        for worker in begun:
            worker.terminate()
        for worker in begun:
            worker.join(30)
            worker.kill()


def end_on_term():
    """Let a TERM unwind this process, so that it takes its workers along."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def _watch(workers):
    running = list(workers)
    while running:
        wait([worker.sentinel for worker in running])
        running = [worker for worker in workers if worker.exitcode is None]
        for local_rank, worker in enumerate(workers):
            if worker.exitcode:
                message = f"failed (exitcode: {worker.exitcode}) local_rank: {local_rank} (pid: {worker.pid})"
                print(message, file=sys.stderr, flush=True)
                return 1
    return 0


def _receive(missing, address, port, run_id):
    here = []
    with socket.create_server((address, port)) as server:
        while len(here) < missing:
            peer, _ = server.accept()
            if _introduces_itself(peer, run_id):
                here.append(peer)
            else:
                peer.close()
        for peer in here:
            peer.sendall(b"go\n")
            peer.close()


def _introduces_itself(peer, run_id):
    """Whether it is a node of this run: a stranger that says nothing must not hold up the others."""
    peer.settimeout(5)
    try:
        with peer.makefile("rb") as lines:
            return lines.readline(1000).strip() == run_id.encode()
    except OSError:
        return False
    finally:
        peer.settimeout(None)


def _join(address, port, run_id):
    while True:
        try:
            peer = socket.create_connection((address, port))
            break
        except ConnectionRefusedError:
            time.sleep(0.2)
    with peer, peer.makefile("rb") as lines:
        peer.sendall(f"{run_id}\n".encode())
        if lines.readline() != b"go\n":
            sys.exit(f"node 0 at {address}:{port} does not run {run_id}")
