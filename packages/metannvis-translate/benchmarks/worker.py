"""One contender in a process of its own: ``worker.py WHO NETWORK``. Takes a request a line, answers with a JSON object.

Seconds are of processor time: every contender computes in one thread, and a busy machine does not count.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what a converter prints does not get among the answers
warnings.simplefilter("ignore")
WHO, NETWORK = sys.argv[1:3]
if WHO != "nobuco":
    from metannvis_translate.frameworks import require

    require("torch")
    require("tensorflow")  # in an order that is safe

import networks  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)


def metannvis(model: Any, x: Any, **options: Any) -> Any:
    from metannvis_translate import translate

    return translate(model, "keras", example_inputs=x, **options).model


def onnx2keras(model: Any, x: Any) -> Any:
    """As its documentation does it: exported by ``torch.onnx``, then converted."""
    import onnx
    from onnx2keras import onnx_to_keras

    buffer = io.BytesIO()
    torch.onnx.export(model, torch.from_numpy(x), buffer, dynamo=False, input_names=["input"], opset_version=17)
    proto = onnx.load_from_string(buffer.getvalue())
    return onnx_to_keras(proto, ["input"], verbose=False, change_ordering=True)


def nobuco(model: Any, x: Any) -> Any:
    import nobuco as package

    order = package.ChannelOrder.TENSORFLOW
    return package.pytorch_to_keras(
        model, args=[torch.from_numpy(x)], inputs_channel_order=order, outputs_channel_order=order
    )


def twin(model: Any, x: Any) -> Any:
    import keras

    cls = getattr(keras.applications, networks.KERAS[NETWORK])
    made = cls(weights=None, classifier_activation=None, input_shape=(224, 224, 3))
    networks.copy_weights(model, made)
    return made


CONVERT: dict[str, Callable[..., Any]] = {
    "metannvis": lambda model, x: metannvis(model, x, verify=False),
    "metannvis-verify": metannvis,
    "onnx2keras": onnx2keras,
    "nobuco": nobuco,
    "twin": twin,
}


class Contender:
    def __init__(self) -> None:
        self.source = networks.make(NETWORK)
        self.x = networks.example()
        self.model: Any = None
        self.calls: dict[str, Callable[[Any], Any]] = {}

    def convert(self) -> dict[str, Any]:
        start = time.process_time()
        self.model = CONVERT[WHO](self.source, self.x)
        return {"seconds": time.process_time() - start}

    def check(self) -> dict[str, Any]:
        """Relative error of the outputs, on an input that the conversion has not seen."""
        x = networks.example(1, 1)
        with torch.no_grad():
            expected = self.source(torch.from_numpy(x)).numpy()
        found = np.asarray(self.model(x.transpose(0, 2, 3, 1), training=False))
        return {"error": float(np.abs(found - expected).max() / np.abs(expected).max())}

    def prepare(self) -> dict[str, Any]:
        import tensorflow as tf

        model = self.model

        def forward(x: Any) -> Any:
            return model(x, training=False)

        def gradient(x: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.reduce_sum(forward(x))
            return tape.gradient(y, x)

        self.calls = {
            "forward eager": forward,
            "gradient eager": gradient,
            "forward function": tf.function(forward),
            "gradient function": tf.function(gradient),
        }
        self.tensor = tf.constant(self.x.transpose(0, 2, 3, 1))
        for call in self.calls.values():
            call(self.tensor)
        return {}

    def time(self, what: str) -> dict[str, Any]:
        call = self.calls[what]
        start = time.process_time()
        call(self.tensor)
        return {"seconds": time.process_time() - start}

    def memory(self) -> dict[str, Any]:
        """Peak of the resident set above what the process holds with the source, in multiples of the weights."""
        import psutil

        small = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.Flatten(), torch.nn.Linear(72, 2)).eval()
        CONVERT[WHO](small, np.zeros((1, 3, 8, 8), np.float32))  # what is loaded on first use is not the model's
        process = psutil.Process()
        weights = sum(tensor.numel() * tensor.element_size() for tensor in self.source.parameters())
        before = peak = process.memory_info().rss
        done = threading.Event()

        def sample() -> None:
            nonlocal peak
            while not done.wait(0.005):
                peak = max(peak, process.memory_info().rss)

        thread = threading.Thread(target=sample)
        thread.start()
        start = time.process_time()
        self.model = CONVERT[WHO](self.source, self.x)
        seconds = time.process_time() - start
        done.set()
        thread.join()
        after = process.memory_info().rss
        return {
            "megabytes": weights / 2**20,
            "peak": (peak - before) / weights,
            "kept": (after - before) / weights,
            "seconds": seconds,
        }


def main() -> None:
    contender = Contender()
    print(json.dumps({"ready": True}), file=ANSWERS, flush=True)
    for line in sys.stdin:
        request = line.strip()
        try:
            method, _, argument = request.partition(" ")
            answer = getattr(contender, method)(*([argument] if argument else []))
        except Exception as error:  # noqa: BLE001
            # a contender that fails is a row of the table
            traceback.print_exc()
            answer = {
                "failed": f"{type(error).__name__}: {str(error).strip().splitlines()[0][:120] if str(error) else ''}"
            }
        print(json.dumps(answer), file=ANSWERS, flush=True)


if __name__ == "__main__":
    main()
