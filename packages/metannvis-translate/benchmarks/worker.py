"""One contender in a process of its own: ``worker.py DIRECTION WHO NETWORK GIBIBYTES``.

Takes a request a line, answers with a JSON object. It gives up where it holds more than so much memory.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
import warnings

ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what a converter prints does not get among the answers
warnings.simplefilter("ignore")
DIRECTION, WHO, NETWORK, GIBIBYTES = sys.argv[1:5]
if WHO != "nobuco":
    from metannvis_translate.frameworks.requirements import require

    require("torch")
    require("tensorflow")  # in an order that is safe

import psutil  # noqa: E402
import torch  # noqa: E402

if DIRECTION == "keras":
    from to_keras import ToKeras as Chosen
else:
    from to_torch import ToTorch as Chosen

torch.set_num_threads(1)


def answer(value: object) -> None:
    print(json.dumps(value), file=ANSWERS, flush=True)


def guard() -> None:
    """End the process before it takes the machine's memory from the others."""
    process = psutil.Process()
    while process.memory_info().rss < float(GIBIBYTES) * 2**30:
        time.sleep(0.1)
    answer({"failed": f"it takes more than {GIBIBYTES} GiB of memory"})
    os._exit(1)


def main() -> None:
    threading.Thread(target=guard, daemon=True).start()
    contender = Chosen(WHO, NETWORK)
    answer({"ready": True})
    for line in sys.stdin:
        method, _, argument = line.strip().partition(" ")
        try:
            answer(getattr(contender, method)(*([argument] if argument else [])))
        except Exception as error:  # noqa: BLE001
            # a contender that fails is a row of the table
            traceback.print_exc()
            first = str(error).strip().splitlines()[0][:120] if str(error) else ""
            answer({"failed": f"{type(error).__name__}: {first}"})


if __name__ == "__main__":
    main()
