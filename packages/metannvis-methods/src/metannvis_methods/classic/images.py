"""The classes of nn_interpretability that make images: what a class or a layer responds to most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metannvis_methods.classic.interpreter import Array, Interpreter
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.visualization import L2, Adam, Expert, GeneratorCode, Pixels, Regularizer

__all__ = ["ActivationMaximization", "ActivationMaximizationCodespace", "DeepDream"]

#: λ of λ‖z‖² whose gradient is that of the weight decay of 0.005 which codes have there.
CODE_WEIGHT = 0.0025


class _Ascent(Interpreter):
    """An image that a class responds to most: log p of the class, less ``reg_term`` times the squared distance to an image.

    ``class_mean`` is that image, in the model's numbers, ``None``: grey. ``lr`` is Adam's rate, ``epochs`` are its steps at
    most, and a probability of ``threshold`` ends it earlier.
    """

    method, toolset = "activation_maximization", "metannvis"

    def __init__(
        self,
        model: Any,
        classes: Any,
        preprocess: Any,
        *,
        input_size: Sequence[int] | None,
        class_num: Any,
        lr: float,
        reg_term: float,
        epochs: int,
        class_mean: Any,
        threshold: float | None,
        verbose: bool,
        parameterization: Any,
        expert: Any,
        **words: Any,
    ):
        if class_num is not None:
            if words.get("target") is not None:
                raise InvalidArgumentError("class_num is the class that is explained, and so is target: give one")
            words = {**words, "target": class_num}
        super().__init__(model, classes, preprocess, **words)
        if verbose:
            raise InvalidArgumentError("verbose: nothing is printed here; progress=function is told of every step")
        self.class_mean = class_mean
        penalties: list[Regularizer] = [L2(reg_term)] if reg_term else []
        if expert is not None:
            penalties.append(expert if isinstance(expert, Regularizer) else Expert(expert))
        self.options = {
            "parameterization": parameterization,
            "transforms": [],
            "regularizers": penalties,
            "optimizer": Adam(lr),
            "steps": epochs,
            **({} if threshold is None else {"probability": threshold}),
        }
        self.input_size = None if input_size is None else tuple(input_size)

    def request(self, image: Any) -> dict[str, Any]:
        """With the image that it is pulled to, and the size where it begins with none."""
        asked = super().request(image)
        if image is None and self.input_size is not None:
            asked["options"]["shape"] = self.input_size
        return {**asked, "baselines": self.class_mean}

    def last_probability(self) -> float | None:
        """Probability of the class for the last image that was made; ``None`` before the first."""
        found = getattr(self.explanation, "probabilities", None)
        return None if found is None else float(found[0])


class ActivationMaximization(_Ascent):
    """General activation maximization, of pixels.

    Parameters
    ----------
    input_size
        Shape of an image without the batch, such as ``(1, 28, 28)``, where it begins with noise.
    start_img
        An image to begin with, as ``preprocess`` takes it; ``None``: noise.
    class_num
        The class that the image is to be of.
    lr
        Adam's rate, as a share of the range from black to white.
    reg_term, class_mean
        Weight of the squared distance to that image; ``None``: to grey.
    epochs, threshold
        Most steps, and the probability of the class that ends it.
    expert
        What an image is like, beside or instead of the mean: anything with ``log_likelihood(images)``, or an
        :class:`~metannvis_methods.visualization.Expert` with its weight.

    Raises
    ------
    InvalidArgumentError
        As for :class:`Interpreter`; or ``verbose``, as nothing is printed here.
    """

    def __init__(
        self,
        model: Any,
        classes: Any = None,
        preprocess: Any = None,
        input_size: Sequence[int] | None = None,
        start_img: Any = None,
        class_num: Any = None,
        lr: float = 0.05,
        reg_term: float = 0.0,
        class_mean: Any = None,
        epochs: int = 200,
        verbose: bool = False,
        threshold: float | None = 0.999,
        *,
        expert: Any = None,
        **words: Any,
    ):
        super().__init__(
            model,
            classes,
            preprocess,
            input_size=input_size,
            class_num=class_num,
            lr=lr,
            reg_term=reg_term,
            epochs=epochs,
            class_mean=class_mean,
            threshold=threshold,
            verbose=verbose,
            parameterization=Pixels(),
            expert=expert,
            **words,
        )
        self.start_img = start_img

    def interpret(self, image: Any = None) -> Array:
        """The image that was made, shape ``(1, …)``, in the model's layout and numbers.

        Parameters
        ----------
        image
            One to begin with instead of ``start_img``.
        """
        return super().interpret(self.start_img if image is None else image)

    def each_class(self, image: Any = None, classes: Sequence[int] | None = None) -> dict[str, Explanation]:
        """An image a class, by its name: see the base."""
        return super().each_class(self.start_img if image is None else image, classes)

    def preprocessed(self, image: Any) -> Any:
        """What it begins with: see the base; nothing stays nothing."""
        return None if image is None else super().preprocessed(image)


class ActivationMaximizationCodespace(_Ascent):
    """Activation maximization of the code of a generator, which makes the image.

    Parameters
    ----------
    input_size
        Shape of an image without the batch, such as ``(1, 28, 28)``.
    class_num, lr, reg_term, class_mean, epochs, threshold
        As for :class:`ActivationMaximization`; ``lr`` is that of the code.
    generator
        A network of any framework, or its file. It runs in inference mode and is left as it was.
    latent_dim, is_dcgan
        Numbers of a code, which is of shape ``(latent_dim, 1, 1)`` for a DCGAN.
    image_range
        What the generator returns for black and white: ``(-1, 1)`` behind a tanh.
    code_weight
        λ of λ‖z‖², which keeps the code where the generator knows it.

    Raises
    ------
    InvalidArgumentError
        As for :class:`ActivationMaximization`; there is no generator.
    """

    def __init__(
        self,
        model: Any,
        classes: Any = None,
        preprocess: Any = None,
        input_size: Sequence[int] | None = None,
        class_num: Any = None,
        lr: float = 0.05,
        reg_term: float = 0.0,
        epochs: int = 200,
        generator: Any = None,
        latent_dim: int = 100,
        class_mean: Any = None,
        verbose: bool = False,
        threshold: float | None = 0.99,
        is_dcgan: bool = False,
        *,
        image_range: tuple[float, float] = (0.0, 1.0),
        code_weight: float = CODE_WEIGHT,
        **words: Any,
    ):
        if generator is None:
            raise InvalidArgumentError("generator is a network that makes images of codes, or its file: give one")
        code = GeneratorCode(
            generator,
            code=(latent_dim, 1, 1) if is_dcgan else latent_dim,
            weight=code_weight,
            image_range=image_range,
        )
        super().__init__(
            model,
            classes,
            preprocess,
            input_size=input_size,
            class_num=class_num,
            lr=lr,
            reg_term=reg_term,
            epochs=epochs,
            class_mean=class_mean,
            threshold=threshold,
            verbose=verbose,
            parameterization=code,
            expert=None,
            **words,
        )

    def interpret(self, image: None = None) -> Array:
        """The image that was made, shape ``(1, …)``, in the model's layout and numbers; it begins with a random code."""
        return super().interpret(image)

    def each_class(self, image: None = None, classes: Sequence[int] | None = None) -> dict[str, Explanation]:
        """An image a class, by its name: see the base."""
        return super().each_class(image, classes)

    def preprocessed(self, image: Any) -> Any:
        """Nothing: it begins with a code.

        Raises
        ------
        InvalidArgumentError
            An image was given.
        """
        if image is not None:
            raise InvalidArgumentError("in code space it begins with a random code, and takes no image")


class DeepDream(Interpreter):
    """What a layer sees in an image, made stronger.

    Parameters
    ----------
    selected_layer
        The number of a layer, from 0 in the order in which they run, or its name.
    selected_channel
        A channel of it; ``slice(None)``: all.
    lr
        Size of a step, as a share of the range from black to white.
    reg_term, noise
        0: here is neither a penalty nor noise in each octave.
    iteration
        Steps in each octave.
    tile_size
        Pixels that the image is rolled by at most; ``None``: 32 of 224. Images pass whole.
    octaves, octave_scale
        How many sizes, and by how much each is larger than the one before.

    Raises
    ------
    InvalidArgumentError
        As for :class:`Interpreter`; or a word that it does not have.
    """

    method, toolset = "deep_dream", "metannvis"

    def __init__(
        self,
        model: Any,
        preprocess: Any = None,
        selected_layer: int | str = 0,
        selected_channel: int | slice | None = None,
        lr: float = 1.5 / 255,
        reg_term: float = 0.0,
        iteration: int = 10,
        noise: float = 0.0,
        tile_size: int | None = None,
        *,
        octaves: int = 4,
        octave_scale: float = 1.4,
        **words: Any,
    ):
        super().__init__(model, None, preprocess, **words)
        if reg_term or noise:
            raise InvalidArgumentError(
                "reg_term and noise of DeepDream are 0 here: activation_maximization has penalties (regularizers=…)"
            )
        if not isinstance(selected_layer, str) and (isinstance(selected_layer, bool) or selected_layer < 0):
            raise InvalidArgumentError(f"selected_layer counts layers from 0, or is a name, not {selected_layer!r}")
        if isinstance(selected_channel, slice):
            if selected_channel != slice(None):
                raise InvalidArgumentError(f"selected_channel is one channel, or slice(None), not {selected_channel}")
            selected_channel = None
        self.selected_layer = selected_layer
        self.options = {
            "rate": lr,
            "steps": iteration,
            "octaves": octaves,
            "octave_scale": octave_scale,
            **({} if selected_channel is None else {"channel": selected_channel}),
            **({} if tile_size is None else {"jitter": tile_size}),
        }

    def request(self, image: Any) -> dict[str, Any]:
        """With the layer."""
        return {**super().request(image), "layer": self._name(image)}

    def _name(self, image: Any) -> str:
        if isinstance(self.selected_layer, str):
            return self.selected_layer
        names = [row.source.name for row in self._layers(self.method, self.toolset, image)]
        if self.selected_layer >= len(names):
            raise InvalidArgumentError(f"there is no layer {self.selected_layer}: {', '.join(names)}")
        return names[self.selected_layer]
