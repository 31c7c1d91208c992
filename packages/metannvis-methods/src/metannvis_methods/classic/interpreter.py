"""What all classes of nn_interpretability have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from metannvis_translate import LayerRow

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.explain import WORDS, explain
from metannvis_methods.explain_many import explain_many
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.maps import end_points
from metannvis_methods.results.plotter import find_plotter
from metannvis_methods.running.execute import layers_for
from metannvis_methods.running.request import resolve
from metannvis_methods.running.words import Words

__all__ = ["Interpreter"]

Array = np.ndarray[Any, Any]


class Interpreter:
    """A method for one model: :meth:`interpret` explains an image, :meth:`each_class` every class of it.

    Parameters
    ----------
    model
        As for :func:`metannvis_methods.explain`: of any framework. It is left as it was, and runs in inference mode.
    classes
        Names of all classes, in order; a whole number, which class is explained; ``"predicted"``, ``None`` or an empty list:
        no names, the predicted class.
    preprocess
        A function of the image, such as transforms of torchvision, that returns one image of shape ``(1, …)`` as the model
        takes it; or what ``explain`` takes under that name.
    target
        Which class is explained, as for ``explain``; ``None``: the predicted one.
    normalize
        Whether what :meth:`interpret` returns is brought to 0…1; ``None``: as nn_interpretability does for the method.
    **words
        Other words of ``explain``, such as ``seed`` or ``device``.

    Raises
    ------
    InvalidArgumentError
        A word is none of ``explain``, or is set by the class.
    """

    #: Whether end points are brought to 0…1 unless said otherwise.
    normalized = False
    #: Words of ``explain`` that every call of the class has.
    method: str = ""
    toolset: str = ""
    options: Mapping[str, Any] = {}

    def __init__(
        self,
        model: Any,
        classes: Sequence[str] | int | str | None = None,
        preprocess: Any = None,
        *,
        target: Any = None,
        normalize: bool | None = None,
        **words: Any,
    ) -> None:
        self.model, self.target = model, target
        self.labels: tuple[str, ...] | None = None
        if isinstance(classes, int) and not isinstance(classes, bool):
            if target is not None:
                raise InvalidArgumentError(
                    "classes is a number, the class that is explained, and so is target: give one"
                )
            self.target = classes
        elif isinstance(classes, str) and classes != "predicted":
            raise InvalidArgumentError(
                f"classes are the names of all classes, a number or 'predicted', not {classes!r}"
            )
        elif not isinstance(classes, (str, bool)) and classes:
            self.labels = tuple(map(str, classes))
        own = {"method", "toolset", "options", "labels", "inputs", "layer", "noise", "baselines"}
        unknown = sorted(name for name in words if name not in WORDS or name in own)
        if unknown:
            raise InvalidArgumentError(
                f"{type(self).__name__} takes words of explain that it does not set itself; {', '.join(unknown)} is none"
            )
        self._function = preprocess if callable(preprocess) else None
        self.words = {**words, **({} if callable(preprocess) or preprocess is None else {"preprocess": preprocess})}
        self.normalize = self.normalized if normalize is None else normalize
        #: The last explanation, with the prediction; ``None`` before the first.
        self.explanation: Explanation | None = None

    def interpret(self, image: Any) -> Array:
        """The end point: the map of an image's target, brought to 0…1 where the class does that.

        Parameters
        ----------
        image
            One image, shape ``(1, …)`` in the model's own layout, or what ``preprocess`` makes one of.

        Returns
        -------
        Array of shape ``(1, …)``, of the axes that the method's map has: :attr:`explanation` names them.

        Raises
        ------
        InvalidArgumentError
            It is not one image.
        MetannvisError
            As for ``explain``.
        """
        self.explanation = self._explained(self.preprocessed(image))
        return self.end_point(self.explanation)

    def last_prediction(self) -> int:
        """The class that the model took the last image for; −1 before the first."""
        found = self._seen().get("class", -1)
        return int(found)

    def last_probability(self) -> float | None:
        """What the model said of that class, as a probability; ``None`` before the first image, or of logits."""
        return self._seen().get("probability")

    def each_class(self, image: Any, classes: Sequence[int] | None = None) -> dict[str, Explanation]:
        """An explanation a class, by its name, from one translation and one prediction.

        Parameters
        ----------
        image
            As for :meth:`interpret`.
        classes
            Which ones; ``None``: all that have names.

        Raises
        ------
        InvalidArgumentError
            ``classes`` are needed, as there are no names.
        MetannvisError
            What explaining one of them ended in.
        """
        if classes is None:
            if self.labels is None:
                raise InvalidArgumentError("say which classes: the interpreter was given no names of all")
            classes = range(len(self.labels))
        given = self.preprocessed(image)
        asked = [{**self.request(given), "target": int(number)} for number in classes]
        found: dict[str, Explanation] = {}
        for number, result in zip(classes, explain_many(self.model, asked, given, **self._common()), strict=True):
            if isinstance(result, Exception):
                raise result
            assert isinstance(result, Explanation)
            found[str(number) if self.labels is None else self.labels[number]] = result
            self.explanation = result
        return found

    def each_image(self, images: Sequence[Any]) -> list[Explanation]:
        """An explanation an image, such as one of each class, each of its own target."""
        found = [self._explained(self.preprocessed(image)) for image in images]
        self.explanation = found[-1] if found else self.explanation
        return found

    def plot(self, found: Mapping[str, Explanation] | Sequence[Explanation], **options: Any) -> Any:
        """A grid of what :meth:`each_class` or :meth:`each_image` gave, titled by class and probability.

        Options are those of a grid of ``metannvis_plot``; nothing is shown.
        """
        alone = not isinstance(found, Mapping)  # of several images none can stand for all
        return find_plotter()(found, kind="grid", **{"show_input": not alone, **options})

    def preprocessed(self, image: Any) -> Any:
        """What goes into ``explain``.

        Raises
        ------
        InvalidArgumentError
            It is an array or tensor of another number of images than one.
        """
        given = image if self._function is None else self._function(image)
        shape = tuple(getattr(given, "shape", ()))
        if shape and shape[0] != 1 and "preprocess" not in self.words:
            raise InvalidArgumentError(f"interpret takes one image, shape (1, …), not {shape}: give image[None]")
        return given

    def request(self, image: Any) -> dict[str, Any]:
        """Method, toolset and words of ``explain`` that the class stands for."""
        return {"method": self.method, "toolset": self.toolset, "options": dict(self.options)}

    def end_point(self, explanation: Explanation) -> Array:
        """What :meth:`interpret` returns of an explanation."""
        values = np.asarray(explanation.values)
        return end_points(values) if self.normalize else values

    def _explained(self, image: Any) -> Explanation:
        asked = {"target": self.target, **self.request(image)}
        method = asked.pop("method")
        return explain(self.model, method, image, **{**self._common(), **asked})

    def _common(self) -> dict[str, Any]:
        return {**self.words, "labels": self.labels}

    def _seen(self) -> Mapping[str, Any]:
        found = self.explanation
        return {} if found is None or not found.prediction else found.prediction[0]

    def _layers(self, method: str, toolset: str, image: Any) -> tuple[LayerRow, ...]:
        """Layers of the model for a method, in the order in which they run."""
        words = Words(**{**self.words, "inputs": image, "layer": "auto", "toolset": toolset})
        return layers_for(resolve(self.model, method, words, may_find_target=True))
