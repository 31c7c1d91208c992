"""SavedModels, held against a list of operators before TensorFlow opens them.

``tf.saved_model.load`` runs initialisers and functions that restore, and importing or calling a signature runs the rest. Each
graph is a program, so every node of every function is looked at first, in the file itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from metannvis_translate.errors import DamagedFileError, InvalidModelError, UntrustedModelError
from metannvis_translate.frameworks.keras.tf_operators import OPERATORS, SAVING
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.process.limits import check_limit

__all__ = ["check_saved_model", "load_saved_model"]

KNOWN, SAVERS = frozenset(OPERATORS.split()), frozenset(SAVING.split())
#: Tensors of these types are handles, which a file cannot hold.
HANDLES = (20, 21)


def load_saved_model(path: Path, *, trust: bool) -> Any:
    """Open a SavedModel folder, checked first unless it is trusted.

    Raises
    ------
    DamagedFileError
        ``saved_model.pb`` cannot be read, or files of its variables are missing or damaged.
    InvalidModelError
        It can be read, and makes no model.
    UntrustedModelError, LimitError
        See :func:`check_saved_model`.
    """
    tf = require("tensorflow")
    if not trust:
        check_saved_model(path)
    try:
        return tf.saved_model.load(str(path))
    except (tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.OutOfRangeError, OSError, IndexError) as error:
        raise DamagedFileError(f"the SavedModel {path.name} is damaged: {_said(error)}") from error
    except Exception as error:  # of TensorFlow's reader, which takes a file for what it should be
        raise InvalidModelError(f"the SavedModel {path.name} makes no model: {_said(error)}") from error


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"


def check_saved_model(path: Path) -> None:
    """Refuse a SavedModel whose graphs could do more than compute.

    Parameters
    ----------
    path
        The folder.

    Raises
    ------
    DamagedFileError
        Its ``saved_model.pb`` cannot be read.
    UntrustedModelError
        The message names operators, and where they stand.
    LimitError
        A constant states more elements than the limit ``value_bytes`` allows, and does not hold them.
    """
    require("tensorflow")
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((path / "saved_model.pb").read_bytes())
    except (DecodeError, OSError, UnicodeDecodeError) as error:
        raise DamagedFileError(f"{path.name}/saved_model.pb cannot be read as a SavedModel: {error}") from error
    found: dict[str, None] = {}
    # as TensorFlow tells the two forms apart
    objects = len(model.meta_graphs) == 1 and model.meta_graphs[0].HasField("object_graph_def")
    for meta_graph in model.meta_graphs:
        found |= dict.fromkeys(_Check(meta_graph, objects=objects).reasons())
    if found:
        kinds: dict[str, str] = {}  # each operator once, at its first place: a graph has copies of its functions
        for reason in found:
            kinds.setdefault(reason.partition(" (node ")[0], reason)
        shown = "; ".join([*kinds.values()][:6]) + (f"; and {len(kinds) - 6} more" if len(kinds) > 6 else "")
        raise UntrustedModelError(
            f"the SavedModel {path.name} holds {shown}. Its graphs may only use operators that are known to compute and do "
            "nothing else. If you trust whoever made it, give trust=True (--trust)."
        )


class _Check:
    """One graph of a SavedModel with its functions."""

    def __init__(self, meta_graph: Any, *, objects: bool) -> None:
        self.meta = meta_graph
        #: Whether its objects say what is loaded and run; otherwise its graph itself is.
        self.objects = objects
        self.functions = {function.signature.name: function for function in meta_graph.graph_def.library.function}

    def reasons(self) -> Iterator[str]:
        from tensorflow.python.framework import op_def_registry

        for name in self.functions:
            if op_def_registry.get(name) is not None:
                yield f"a function that is named {name!r}, like an operator"
        if len(self.functions) != len(self.meta.graph_def.library.function):
            yield "two functions of one name"
        yield from self._assets()
        run = self._run_functions() if self.objects else set(self.functions)
        for name, function in self.functions.items():
            yield from self._nodes(function.node_def, f"function {name!r}", saving=name not in run)
        yield from self._nodes(self.meta.graph_def.node, "its graph", saving=True)
        if not self.objects:
            yield from self._early()

    def _nodes(self, nodes: Iterable[Any], where: str, *, saving: bool) -> Iterator[str]:
        for node in nodes:
            if node.op not in self.functions and node.op not in KNOWN and not (saving and node.op in SAVERS):
                yield f"the operator {node.op} (node {node.name!r} of {where})"
            for called in _called(node):
                if called not in self.functions:
                    yield f"a call of {called!r}, which is no function of its own (node {node.name!r} of {where})"
            if node.op == "Const":
                if node.attr["dtype"].type in HANDLES:
                    yield f"a handle as a constant (node {node.name!r} of {where})"
                sizes = [dim.size for dim in node.attr["value"].tensor.tensor_shape.dim]
                what = f"the SavedModel: bytes of the constant {node.name!r} of {where}:"
                held = node.attr["value"].tensor.ByteSize()
                check_limit("value_bytes", 8 * math.prod(max(size, 0) for size in sizes), what, at_least=8 * held)

    def _run_functions(self) -> set[str]:
        """Functions that something else than saving calls: those of objects, and what they call in turn."""
        graph = self.meta.object_graph_def
        left = list(graph.concrete_functions)
        for node in graph.nodes:
            left += node.function.concrete_functions
            left.append(node.bare_concrete_function.concrete_function_name)
        gradients = {entry.function_name: entry.gradient_func for entry in self.meta.graph_def.library.gradient}
        run: set[str] = set()
        while left:
            name = left.pop()
            if name in run or name not in self.functions:
                continue
            run.add(name)
            left.append(gradients.get(name, ""))
            for node in self.functions[name].node_def:
                left += [node.op, *_called(node)]
        return run

    def _assets(self) -> Iterator[str]:
        for asset in self.meta.asset_file_def:
            parts = asset.filename.replace("\\", "/").split("/")
            if ".." in parts or asset.filename.startswith(("/", "\\")) or ":" in asset.filename:
                yield f"an asset outside its folder, {asset.filename[:80]!r}"

    # --- the form of TensorFlow 1 -------------------------------------------------------------------------------------

    def _early(self) -> Iterator[str]:
        """Nodes that save and load must stand apart from what is run, and take their file's name from the loader."""
        saver = self.meta.saver_def
        run = self._variables()
        for signature in self.meta.signature_def.values():  # one of them may be that of the initialiser
            run |= {name for info in signature.outputs.values() for name in _tensors(info)}
        for collection in self.meta.collection_def.values():
            run |= set(collection.node_list.value)
        nodes = {node.name: node for node in self.meta.graph_def.node}
        for name in _ancestors(nodes, run):
            if nodes[name].op in SAVERS:
                yield f"the operator {nodes[name].op} (node {name!r}, which is run)"
        for name in _ancestors(nodes, {saver.restore_op_name}):
            node = nodes[name]
            if node.op in SAVERS and (
                node.op != "RestoreV2" or _node(node.input[0]) != _node(saver.filename_tensor_name)
            ):
                yield f"the operator {node.op} (node {name!r}, which is run when its variables are loaded)"

    def _variables(self) -> set[str]:
        """What gives variables their first values."""
        from google.protobuf.message import DecodeError
        from tensorflow.core.framework import variable_pb2

        names: set[str] = set()
        for collection in self.meta.collection_def.values():
            for content in collection.bytes_list.value:
                try:
                    variable = variable_pb2.VariableDef.FromString(content)
                except DecodeError:
                    continue
                names |= {variable.initial_value_name, variable.initializer_name, variable.snapshot_name}
        return names


def _called(node: Any) -> Iterator[str]:
    """Functions that a node names in its attributes."""
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        for function in value.list.func:
            yield function.name


def _tensors(info: Any) -> Iterator[str]:
    """The tensors that a value of a signature consists of."""
    sparse = info.coo_sparse
    yield from (info.name, sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name)
    for part in info.composite_tensor.components:
        yield from _tensors(part)


def _node(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]


def _ancestors(nodes: dict[str, Any], tensors: Iterable[str]) -> set[str]:
    """Nodes that have to run for these tensors."""
    left, found = [_node(tensor) for tensor in tensors], set()
    while left:
        name = left.pop()
        if name in nodes and name not in found:
            found.add(name)
            left += [_node(tensor) for tensor in nodes[name].input]
    return found
