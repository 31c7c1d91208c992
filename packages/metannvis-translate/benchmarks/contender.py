"""What every contender of the benchmark can be asked: one conversion, one run, the memory of a conversion."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import networks
import psutil

__all__ = ["Contender"]


class Contender(ABC):
    """One way to make a network in the other framework. Seconds are of processor time."""

    def __init__(self, who: str, network: str) -> None:
        self.network = network
        self.way = self.ways()[who]
        self.source = self.make_source()
        self.x = networks.example()
        self.model: Any = None
        self.calls: dict[str, Callable[[], Any]] = {}

    @abstractmethod
    def ways(self) -> dict[str, Callable[[Any, Any], Any]]:
        """What makes the model of the source and an example of its input, by the contender's name."""

    @abstractmethod
    def make_source(self) -> Any:
        """The network in its own framework."""

    @abstractmethod
    def small(self) -> tuple[Any, Any]:
        """A small network and its input: converting it loads what is loaded on first use."""

    @abstractmethod
    def weights(self) -> int:
        """Bytes of the source's weights."""

    @abstractmethod
    def expected(self, x: Any) -> Any:
        """What the source puts out for a channels-first image."""

    @abstractmethod
    def found(self, x: Any) -> Any:
        """What the model puts out for a channels-first image."""

    @abstractmethod
    def runs(self) -> dict[str, Callable[[], Any]]:
        """Ways to run the model."""

    def convert(self) -> dict[str, Any]:
        start = time.process_time()
        self.model = self.way(self.source, self.x)
        return {"seconds": time.process_time() - start}

    def check(self) -> dict[str, Any]:
        """Relative error of the outputs, on an input that the conversion has not seen."""
        x = networks.example(1, 1)
        expected, found = self.expected(x), self.found(x)
        return {"error": float(abs(found - expected).max() / abs(expected).max())}

    def prepare(self) -> dict[str, Any]:
        self.calls = self.runs()
        for call in self.calls.values():
            call()
        return {}

    def time(self, what: str) -> dict[str, Any]:
        call = self.calls[what]
        start = time.process_time()
        call()
        return {"seconds": time.process_time() - start}

    def memory(self) -> dict[str, Any]:
        """Peak of the resident set above what the process holds with the source, in multiples of the weights."""
        self.way(*self.small())
        process = psutil.Process()
        weights = self.weights()
        before = peak = process.memory_info().rss
        done = threading.Event()

        def sample() -> None:
            nonlocal peak
            while not done.wait(0.005):
                peak = max(peak, process.memory_info().rss)

        thread = threading.Thread(target=sample, daemon=True)
        thread.start()
        try:
            seconds = self.convert()["seconds"]
        finally:
            done.set()
            thread.join()
        after = process.memory_info().rss
        return {
            "megabytes": weights / 2**20,
            "peak": (peak - before) / weights,
            "kept": (after - before) / weights,
            "seconds": seconds,
        }
