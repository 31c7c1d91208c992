"""Graphs of exported programs, as JSON: everything in one that PyTorch would evaluate, import or write into code.

PyTorch's reader looks the functions that a graph calls up by attribute (``torch.os.system`` is found that way), evaluates
sizes, imports the factories and enumerations that structures of inputs name, compiles guards, and makes Python of the names
of nodes and modules. Here each of these is held against what an honest exporter writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from metannvis_translate.errors import DamagedFileError
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.frameworks.torch.program_sizes import rewritten_size

__all__ = ["read_json", "rewritten_graph"]

#: What becomes a name in generated code: no quotes, no spaces, no line ends.
NAMES = """
name as_name parameter_name buffer_name tensor_constant_name custom_obj_name user_input_name fqn class_fqn forward_arg_names
"""
#: Objects whose keys are names.
TABLES = "tensor_values sym_int_values sym_bool_values sym_float_values custom_obj_values range_constraints"
NAME = re.compile(r"[\w.@\-]*")
PLAIN = re.compile(r"[a-z][a-z0-9_]*")
#: Paths of modules, which end up between quotes in code.
STACK = re.compile(r"[^\"\\\x00-\x1f\x7f-\x9f\u2028\u2029]*")
#: Metadata that names functions to look up; nothing here needs it.
LOOKED_UP = ("source_fn_stack", "from_node")
#: Libraries of operators on tensors. ``aten`` has a few beside that touch files.
LIBRARIES = ("aten", "prims", "quantized_decomposed", "torchvision")
FILES = ("save", "from_file")
#: Operators of aten that take numbers only.
OF_NUMBERS = ("_assert_scalar", "_functional_assert_scalar", "sym_constrain_range", "sym_constrain_range_for_size")
#: Operators that run graphs of the same file.
OF_GRAPHS = """
associative_scan cond scan while_loop map_impl strict_mode switch invoke_subgraph hints_wrapper wrap out_dtype
wrap_with_autocast wrap_with_set_grad_enabled wrap_activation_checkpoint tag_activation_checkpoint flex_attention
auto_functionalized auto_functionalized_v2
"""
#: Arithmetic of sizes, and the switches that some graphs still hold as calls.
FUNCTIONS = """
_operator.eq _operator.ne _operator.le _operator.ge _operator.lt _operator.gt _operator.neg _operator.pos _operator.mul
_operator.add _operator.sub _operator.floordiv _operator.mod _operator.pow _operator.truediv _operator.and_ _operator.or_
_operator.lshift _operator.rshift _operator.getitem math.trunc math.ceil math.floor math.sqrt math.pow
torch.sym_not torch.sym_int torch.sym_float torch.sym_ite torch.sym_max torch.sym_min torch.sym_sqrt torch.sym_sum
torch._sym_sqrt torch._C._set_grad_enabled torch.amp.autocast_mode._enter_autocast torch.amp.autocast_mode._exit_autocast
"""
#: Factories of a ``defaultdict``.
FACTORIES = ("list", "dict", "set", "tuple", "int", "float", "bool", "str")


def read_json(content: bytes, name: str) -> Any:
    """A JSON text, in which no key stands twice.

    Raises
    ------
    DamagedFileError
        It is none.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    try:
        return json.loads(content.decode(), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise DamagedFileError(f"{name} cannot be read as JSON: {error}") from error


def rewritten_graph(value: Any, refuse: Callable[[str], None]) -> Any:
    """The same graph without guards and names to look up, every size in our own spelling.

    Parameters
    ----------
    value
        What :func:`read_json` returned.
    refuse
        Told of everything that is not what an exporter writes.
    """
    return _rewritten(value, "", refuse)


def _rewritten(value: Any, key: str, refuse: Callable[[str], None]) -> Any:
    if isinstance(value, dict):
        if key == "metadata":
            return _metadata(value, refuse)
        if key in TABLES.split():
            for name in value:
                _check_name(name, refuse)
        return {name: _rewritten(item, name, refuse) for name, item in value.items() if name != "guards_code"}
    if isinstance(value, list):
        return [_rewritten(item, key, refuse) for item in value]
    if key == "expr_str":
        size = rewritten_size(value) if isinstance(value, str) else None
        if size is None:
            refuse(f"the size {str(value)[:60]!r} is no arithmetic")
        return size
    if isinstance(value, str):
        if key in NAMES.split():
            _check_name(value, refuse)
        elif key in ("target", "as_operator"):
            _check_operator(value, refuse)
        for reason in _imports(value):
            refuse(reason)
    return value


def _metadata(entries: dict[str, Any], refuse: Callable[[str], None]) -> dict[str, Any]:
    stack = entries.get("nn_module_stack")
    if isinstance(stack, str) and not STACK.fullmatch(stack):
        refuse(f"the module path {stack[:60]!r} is no name")
    return {name: item for name, item in entries.items() if name not in LOOKED_UP}


def _check_name(text: str, refuse: Callable[[str], None]) -> None:
    if not NAME.fullmatch(text):
        refuse(f"the name {text[:60]!r} is no name")


def _check_operator(text: str, refuse: Callable[[str], None]) -> None:
    if text in FUNCTIONS.split() or not text:
        return
    parts = text.split(".")
    if parts[:2] == ["torch", "ops"]:
        if len(parts) == 4 and parts[2] == "higher_order" and parts[3] in OF_GRAPHS.split():
            return
        if len(parts) == 5 and parts[2] in LIBRARIES and _is_of_tensors(*parts[2:]):
            return
    refuse(f"it calls {text[:80]!r}, which is none of the operators on tensors that are known to do nothing else")


def _is_of_tensors(library: str, name: str, overload: str) -> bool:
    """Whether PyTorch has such an operator, and it computes with tensors and touches no file."""
    torch = require("torch")
    if name in FILES:
        return False
    schemas = torch._C._jit_get_schemas_for_operator(f"{library}::{name}")
    wanted = "" if overload == "default" else overload
    found = [schema for schema in schemas if schema.overload_name == wanted]
    if not found:  # a library that is not loaded: PyTorch says so, if the name is one
        return library != "aten" and PLAIN.fullmatch(name) is not None and PLAIN.fullmatch(overload) is not None
    values = [*found[0].arguments, *found[0].returns]
    return (library == "aten" and name in OF_NUMBERS) or any("Tensor" in str(value.type) for value in values)


def _imports(value: Any, depth: int = 0) -> Iterator[str]:
    """What a structure of inputs or outputs would import: texts in it may be JSON themselves."""
    if depth > 100:
        yield "a structure of its inputs is nested more than 100 deep"
    elif isinstance(value, dict):
        if "__enum__" in value:
            yield f"it imports the enumeration {str(value.get('fqn'))[:60]!r}"
        if "default_factory_module" in value:
            factory = value.get("default_factory_name")
            if value["default_factory_module"] != "builtins" or factory not in FACTORIES:
                yield f"it imports the factory {str(factory)[:60]!r} of a defaultdict"
        for item in value.values():
            yield from _imports(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _imports(item, depth + 1)
    elif isinstance(value, str) and value.strip()[:1] in ("{", "[", '"'):
        try:
            inner = json.loads(value)
        except (ValueError, RecursionError):
            return
        yield from _imports(inner, depth + 1)
