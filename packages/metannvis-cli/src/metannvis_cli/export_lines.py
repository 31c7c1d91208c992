"""Lines that make a model file of a file that is none: of weights, a pickled module, a TorchScript archive, TensorFlow Lite."""

from __future__ import annotations

import json
import pickletools
import shlex
import zipfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["lines_for", "needs_lines"]


@dataclass(frozen=True)
class _Kind:
    """What a file is, the lines that make a model file of it, and that file's ending; none where it is opened as it is."""

    what: str
    lines: str
    ending: str = ""


EXPORT = """\
x = torch.randn(2, 3, 224, 224)  # an example of what it takes: two samples, so that their number stays free
batch = torch.export.Dim("batch")
program = torch.export.export(net.eval(), (x,), dynamic_shapes=({{0: batch}},))
torch.export.save(program, {new})
"""
STATE = _Kind(
    "These are weights alone: they do not say what is computed of them.",
    """\
# Run this where the network's class is:
import torch
from my_package import Net

net = Net()
net.load_state_dict(torch.load({file}, weights_only=True))
"""
    + EXPORT,
    ".pt2",
)
PICKLED = _Kind(
    "A pickled module runs whatever code it holds when it is opened, and needs its class.",
    """\
# Run this where {cls} can be imported, if you trust whoever made the file:
import torch

net = torch.load({file}, weights_only=False)
"""
    + EXPORT,
    ".pt2",
)
EITHER = _Kind(
    "These are weights, or a pickled module that runs code when it is opened: not what is computed.",
    STATE.lines.replace(
        "weights_only=True))", "weights_only=True))  # a pickled module: net = torch.load(…, weights_only=False)"
    ),
    ".pt2",
)
SCRIPT = _Kind(
    "A TorchScript archive runs code when it is opened, and torch.export takes none. ONNX can hold it.",
    """\
import torch

net = torch.jit.load({file}).eval()
x = torch.randn(2, 3, 224, 224)  # an example of what it takes
torch.onnx.export(net, (x,), {new}, input_names=["x"], dynamic_axes={{"x": {{0: "batch"}}}}, dynamo=False)
""",
    ".onnx",
)
SAFETENSORS = _Kind(
    "safetensors holds weights; it does not say what is computed.",
    STATE.lines.replace("torch.load({file}, weights_only=True)", "load_file({file})").replace(
        "import torch\n", "import torch\nfrom safetensors.torch import load_file\n"
    ),
    ".pt2",
)
KERAS_WEIGHTS = _Kind(
    "These are the weights of a Keras model alone: they do not say what is computed of them.",
    """\
# Run this where the network is made:
from my_package import make_net

net = make_net()
net.load_weights({file})
net.save({new})
""",
    ".keras",
)
KERAS_EITHER = _Kind(
    "HDF5 holds a whole Keras model, opened as it is, or weights alone, which are not enough.",
    KERAS_WEIGHTS.lines,
    ".keras",
)
LITE = _Kind(
    "TensorFlow Lite holds a network for devices; ONNX can hold it too.",
    "# In a shell:\npython -m tf2onnx.convert --tflite {typed} --output {typed_new}\n",
    ".onnx",
)
KERAS = _Kind(
    "A whole Keras model: it is opened as it is, unless it has classes of its own, or a Lambda. Then where those are known:",
    """\
import keras
import my_package  # which registers the classes

net = keras.saving.load_model({file})  # with a Lambda that you trust: safe_mode=False
net.export({new})  # a SavedModel folder
""",
    "_saved",
)
AS_IT_IS = "metannvis layers {typed}\n"
OTHER = """\
# From PyTorch:
#   torch.export.save(torch.export.export(net.eval(), (x,)), "net.pt2")
# From Keras:
#   net.save("net.keras")
# From any framework that writes ONNX: the .onnx file as it is.
"""
#: What a file of an ending is, where it cannot be looked into.
KINDS = {
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt", ".pkl"), EITHER),
    ".safetensors": SAFETENSORS,
    ".pt2": _Kind("An exported program: it is opened as it is.", AS_IT_IS),
    ".onnx": _Kind("ONNX holds the whole network: it is opened as it is.", AS_IT_IS),
    ".keras": KERAS,
    **dict.fromkeys((".h5", ".hdf5"), KERAS_EITHER),
    ".tflite": LITE,
}
#: Modules whose classes a state dict is made of.
OF_TENSORS = ("torch", "collections", "numpy", "builtins", "_codecs", "copyreg")
#: Bytes of a pickle that are looked at.
LONGEST = 1 << 26


def lines_for(file: Path) -> str:
    """What a file is, and the lines that make a model file of it.

    Parameters
    ----------
    file
        Need not exist: then its ending says what it is. If it does, the names in it are read; no code of it is run.
    """
    kind, cls = _looked_at(file)
    if kind is None:
        return f"# {file.suffix or 'No ending'}: no kind of model file that is known.\n{OTHER}"
    new = str(file.with_name(file.name.removesuffix(file.suffix).removesuffix(".weights") + kind.ending))
    head = f"# {kind.what}" + (f" The lines that make {new}:" if kind.ending and kind is not KERAS else "")
    lines = kind.lines.format(
        file=json.dumps(str(file), ensure_ascii=False),
        new=json.dumps(new, ensure_ascii=False),
        typed=shlex.quote(str(file)),
        typed_new=shlex.quote(new),
        cls=cls,
    )
    return f"{head}\n{lines}"


def needs_lines(file: Path) -> bool:
    """Whether a file, or one of its ending, holds what a model file could be made of."""
    kind, _ = _looked_at(file)
    return kind is not None and bool(kind.ending)


def _looked_at(file: Path) -> tuple[_Kind | None, str]:
    """What a file is, and the class of a pickled module."""
    kind = KINDS.get(file.suffix.lower())
    if (file / "saved_model.pb").is_file():
        return _Kind("A SavedModel: it is opened as it is.", AS_IT_IS), ""
    if not file.is_file():
        return kind, ""
    if kind is EITHER:
        return _of_torch(file)
    if kind is KERAS_EITHER:
        return _of_hdf5(file), ""
    return kind, ""


def _of_torch(file: Path) -> tuple[_Kind, str]:
    try:
        with zipfile.ZipFile(file) as archive:
            members = {name.partition("/")[2]: name for name in archive.namelist()}
            if "constants.pkl" in members:
                return SCRIPT, ""
            with archive.open(members["data.pkl"]) as data:
                names = _classes(data.read(LONGEST))
    except Exception:  # noqa: BLE001  # of an older format, or damaged: then it is one or the other
        return EITHER, ""
    own = [name for name in names if name.partition(".")[0] not in OF_TENSORS or name.startswith("torch.nn.modules.")]
    return (PICKLED, own[0]) if own else (STATE, "")


def _classes(pickle: bytes) -> list[str]:
    """Names of the classes and functions in a pickle, in their order; none of them is called."""
    found: list[str] = []
    texts: list[str] = []
    for opcode, argument, _ in pickletools.genops(pickle):
        if opcode.name == "GLOBAL":
            found.append(str(argument).replace(" ", "."))
        elif opcode.name == "STACK_GLOBAL":
            found.append(".".join(texts[-2:]))
        elif isinstance(argument, str):
            texts.append(argument)
    return found


def _of_hdf5(file: Path) -> _Kind:
    import h5py

    try:
        with h5py.File(file, "r") as opened:
            if "model_config" in opened.attrs:
                return _Kind("HDF5 that holds a whole Keras model: it is opened as it is.", AS_IT_IS)
            return KERAS_WEIGHTS
    except OSError:  # damaged, or no HDF5
        return KERAS_EITHER
