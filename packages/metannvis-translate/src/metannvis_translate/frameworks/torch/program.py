"""Exported programs and model files of PyTorch: opened without running code that they carry."""

from __future__ import annotations

import contextlib
import importlib
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_translate.errors import (
    DamagedFileError,
    InvalidArgumentError,
    InvalidModelError,
    MissingArgumentError,
    UntrustedModelError,
)
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.torch.archive import checked_archive
from metannvis_translate.frameworks.torch.model_state import ModelState
from metannvis_translate.frameworks.torch.remembered_program import (
    PROGRAM,
    Remembered,
    remembered_program,
    restore_kinds,
)
from metannvis_translate.frameworks.type_names import is_a
from metannvis_translate.process.limits import check_limit
from metannvis_translate.writing import deferring

if TYPE_CHECKING:
    import torch

__all__ = ["PORTS", "as_module", "declared_inputs", "example_arrays", "is_program", "load_file", "save_file"]

Array = np.ndarray[Any, Any]
#: Key in a module's ``meta`` under which it says what it takes: a list of (name, shape, dtype).
PORTS = "metannvis.inputs"
WHY = "it is a pickle, and opening a pickle runs whatever code it holds"
HOW = (
    "Load it where it was made and save torch.export.export(model, args) as .pt2 (`metannvis export-help FILE` has the lines), "
    "or its state_dict(), to be opened with architecture=."
)


def is_program(model: Any) -> bool:
    """Whether it is a ``torch.export.ExportedProgram``; imports nothing."""
    return is_a(model, "torch.export.exported_program.ExportedProgram")


def as_module(model: Any) -> torch.nn.Module:
    """The model itself, or the module of an exported program: a tree of submodules with their original paths.

    The result shares nothing with the program and can be copied.
    """
    if not is_program(model):
        return model
    torch = require("torch")
    ports = declared_inputs(model)
    module = torch.export.unflatten(model)
    for part in module.modules():
        if hasattr(part, "meta"):
            part.meta = {}  # fake tensors, which cannot be copied
        graph = getattr(part, "graph", None)
        if graph is None:
            continue
        for node in list(graph.nodes):
            node.meta.clear()
            if node.target is torch.ops.aten._assert_tensor_metadata.default:  # would forbid a copy in double precision
                graph.erase_node(node)
        if hasattr(part, "finalize"):
            part.finalize()
    module.check_input_constraints = False
    module.training = False
    for part in module.modules():
        part.training = False
    module.meta[PORTS] = ports
    _take_one_by_one(module, len(ports))
    return module


def _take_one_by_one(module: Any, count: int) -> None:
    """Let the module of a program that was exported with tensors in lists and dicts take them one by one."""
    from torch.utils import _pytree

    signature = module.module_call_graph[0].signature
    if signature.in_spec.num_leaves != count:
        return  # numbers among them
    args, kwargs = _pytree.tree_unflatten(range(count), signature.in_spec)
    if not all(isinstance(place, int) for place in (*args, *kwargs.values())):
        signature.in_spec = _pytree.tree_structure((tuple(range(count)), {}))


def declared_inputs(model: Any) -> list[tuple[str, tuple[int | None, ...], str]]:
    """Name, shape (``None`` a free size) and type of each input that a model declares; empty if it declares none."""
    if not is_program(model):
        return list((getattr(model, "meta", None) or {}).get(PORTS, ()))
    names = set(model.graph_signature.user_inputs)
    ports = []
    for node in model.graph.nodes:
        value = node.meta.get("val")
        # A program that was loaded from a file may have renamed the node; its target keeps the name.
        if node.op == "placeholder" and not names.isdisjoint((node.name, node.target)) and hasattr(value, "shape"):
            shape = tuple(size if isinstance(size, int) else None for size in value.shape)
            ports.append((str(node.target), shape, str(value.dtype).removeprefix("torch.")))
    return ports


def example_arrays(model: Any, batch: int, seed: int) -> list[Array]:
    """Random inputs of the declared shapes, normally distributed; integers are 0 or 1.

    Raises
    ------
    MissingArgumentError
        The model declares none, or a size beside the batch is free.
    """
    ports = declared_inputs(model)
    if not ports:
        raise MissingArgumentError(
            "a PyTorch module does not say what it takes: give example_inputs=, e.g. torch.randn(1, 3, 224, 224)"
        )
    random = np.random.default_rng(seed)
    arrays = []
    for name, shape, dtype in ports:
        if None in shape[1:]:
            raise MissingArgumentError(f"input {name!r} has free sizes {shape}: give example_inputs=")
        sizes = [batch if size is None else size for size in shape]
        kind = np.dtype(dtype if dtype != "bfloat16" else "float32")
        values = random.standard_normal(sizes) if kind.kind == "f" else random.integers(0, 2, sizes)
        arrays.append(np.asarray(values).astype(kind))
    return arrays


def load_file(path: Path, *, trust: bool, architecture: str | None) -> torch.nn.Module:
    """Load an exported program, a state dict (into ``architecture``), or, with ``trust``, a pickled module."""
    torch = require("torch")
    if path.suffix.lower() == ".pt2":
        return _open_program(path, trust=trust)
    if _is_script(path):
        if not trust:
            raise UntrustedModelError(
                f"{path.name} is a TorchScript archive: it carries code of its own, which PyTorch compiles when it is opened. "
                f"Give trust=True (--trust) if you know where it comes from. {HOW}"
            )
        return torch.jit.load(str(path), map_location="cpu").eval()
    content = _unpickle(path, trust=trust)
    if is_a(content, "torch.nn.modules.module.Module"):
        return content.eval()
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise InvalidArgumentError(
            f"{path.name} holds neither a state dict nor a module, but a {type(content).__name__}"
        )
    if architecture is None:
        raise MissingArgumentError(
            f"{path.name} holds weights alone: say what they belong to by architecture='package.module:factory' "
            "(a class or function that is called without arguments and returns the module), or make a model file of both "
            "(`metannvis export-help FILE` has the lines)"
        )
    model = _factory(architecture)()
    if not is_a(model, "torch.nn.modules.module.Module"):
        raise InvalidArgumentError(
            f"architecture={architecture!r} makes a {type(model).__name__}, not a torch.nn.Module"
        )
    try:
        model.load_state_dict(content)
    except RuntimeError as error:
        raise InvalidArgumentError(f"the weights in {path.name} are not those of {architecture!r}: {error}") from error
    return model.eval()


def _open_program(path: Path, *, trust: bool) -> torch.nn.Module:
    """The module of an exported program, which remembers the program itself."""
    torch = require("torch")
    with contextlib.ExitStack() as stack:
        file: Any = str(path) if trust else stack.enter_context(checked_archive(path))
        try:
            program = torch.export.load(file)
            module = as_module(program)
        except Exception as error:  # of PyTorch's reader, which has no class for it
            raise InvalidModelError(
                f"{path.name} cannot be opened as an exported program: {type(error).__name__}: {str(error)[:500]}"
            ) from error
    module.meta[PROGRAM] = Remembered(program)
    return module


def _unpickle(path: Path, *, trust: bool) -> Any:
    import pickle

    torch = require("torch")
    try:
        with warnings.catch_warnings():  # a pickle that PyTorch did not write: what it holds decides, not its protocol
            warnings.filterwarnings("ignore", message="Detected pickle protocol", category=UserWarning)
            # the restricted unpickler: tensors and containers, no code
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        if not trust:
            raise UntrustedModelError(
                f"{path.name} holds more than tensors: {WHY}. {HOW} If you trust whoever made it, give trust=True (--trust)."
            ) from None
    except Exception as error:  # bytes that are no pickle raise whatever they happen to be taken for
        raise DamagedFileError(f"{path.name} cannot be read: {type(error).__name__}: {str(error)[:400]}") from error
    return torch.load(path, map_location="cpu", weights_only=False)


def _is_script(path: Path) -> bool:
    """Whether it is a TorchScript archive, which runs in PyTorch's own interpreter instead of Python's."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError):  # an early form, or no archive at all
        return False
    total = sum(member.file_size for member in members)
    check_limit("unpacked_bytes", total, f"{path.name} unpacks to bytes:", at_least=path.stat().st_size)
    names = [member.filename.partition("/")[2] for member in members]
    return "constants.pkl" in names and any(name.startswith("code/") for name in names)


def _factory(architecture: str) -> Any:
    module, _, name = architecture.partition(":")
    if not module or not name:
        raise InvalidArgumentError(f"architecture={architecture!r}: it reads 'package.module:factory'")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InvalidArgumentError(f"architecture={architecture!r} is not there: {error}") from error
    return found


def save_file(model: Any, path: Path, *, inputs: Sequence[Array] | None) -> None:
    """Save as an exported program with a free batch (``.pt2``), or the state dict alone.

    Raises
    ------
    MissingArgumentError
        A ``.pt2`` file needs example inputs, and the model declares none.
    """
    torch = require("torch")
    if path.suffix.lower() != ".pt2":
        with deferring(path) as file:
            torch.save(model.state_dict(), file)
        return
    program = model if is_program(model) else remembered_program(model)
    if program is None:
        program = _exported(model, inputs)
    with deferring(path) as file:
        torch.export.save(program, file)


def _exported(model: Any, inputs: Sequence[Array] | None) -> Any:
    """A module as an exported program whose batch is free."""
    torch = require("torch")
    arrays = example_arrays(model, 2, 0) if inputs is None else list(inputs)
    # a batch of one would be taken for a size that is always one
    arrays = [np.repeat(a, 2, axis=0) if a.ndim and a.shape[0] == 1 else a for a in arrays]
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), None)
    tensors = tuple(torch.from_numpy(np.array(array)) for array in arrays)
    tensors = tuple(t.to(dtype) if dtype is not None and t.is_floating_point() else t for t in tensors)
    shapes: Any = tuple({0: torch.export.Dim.AUTO} if tensor.ndim else None for tensor in tensors)
    if is_a(model, "torch.export.unflatten.UnflattenedModule"):
        shapes = {"args": shapes}  # its forward is written (*args)
    flags = {module: module.training for module in model.modules()}
    state = ModelState(model)
    try:
        for module in flags:
            module.training = False
        program = torch.export.export(model, tensors, dynamic_shapes=shapes)
    finally:
        state.put_back()
        for module, training in flags.items():
            module.training = training
    restore_kinds(program, model)
    return program
