"""Modes and generators that TensorFlow keeps for a thread or for the process. Imports nothing that is not loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["generators", "plain_mode"]

#: Under which Keras keeps the generator that draws where none is named; it has no public name.
SHARED_GENERATOR = "global_seed_generator"


@contextmanager
def plain_mode() -> Iterator[None]:
    """Eager, on record for gradients, in full precision, whatever graph and whatever layers the caller's code is making."""
    if "tensorflow" not in sys.modules:
        yield
        return
    import tensorflow as tf
    from tensorflow.python import pywrap_tfe as bindings

    with ExitStack() as stack:
        if not tf.executing_eagerly():
            stack.enter_context(tf.__internal__.eager_context.eager_mode())  # tf.init_scope does not leave a tf.Graph
        if bindings.TFE_Py_TapeSetIsStopped():  # within tf.init_scope no tape records, ours neither
            bindings.TFE_Py_TapeSetRestartOnThread()
            stack.callback(bindings.TFE_Py_TapeSetStopOnThread)
        if "keras" in sys.modules:
            config = sys.modules["keras"].config
            policy = config.dtype_policy()  # of layers that name none; each thread has its own
            if policy.name.startswith("mixed_"):
                config.set_dtype_policy(policy.variable_dtype)
                stack.callback(config.set_dtype_policy, policy)
        yield


@contextmanager
def generators(seed: int | None) -> Iterator[None]:
    """The global seeds and what they have given are put back; seeded inside if there is a seed."""
    if "tensorflow" not in sys.modules:
        yield
        return
    import tensorflow as tf
    from tensorflow.python.eager import context  # the only place that can say what the seed was

    eager = context.context()
    before, generator = eager._seed, getattr(eager, "_rng", None)
    state = generator.getstate() if generator is not None else None
    try:
        with _keras_generator(seed):
            if seed is not None:
                tf.random.set_seed(seed)
            yield
    finally:
        eager._seed = before
        if generator is not None:
            generator.setstate(state)
            eager._rng = generator


@contextmanager
def _keras_generator(seed: int | None) -> Iterator[None]:
    """The generator of whatever in Keras draws without one of its own."""
    if "keras.src.random.seed_generator" not in sys.modules:
        yield
        return
    import keras
    from keras.src.backend.common import global_state

    known = global_state.get_global_attribute(SHARED_GENERATOR)
    state = None if known is None else known.state.numpy()
    if seed is not None:
        global_state.set_global_attribute(SHARED_GENERATOR, keras.random.SeedGenerator(seed % 2**32))
    try:
        yield
    finally:
        global_state.set_global_attribute(SHARED_GENERATOR, known)
        if known is not None:
            known.state.assign(state)
