"""Exported programs that would run code: one for every slot of the format, and for every way to read one archive as two."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Members = dict[str, bytes]


@dataclass(frozen=True)
class Attack:
    """One attack: what it makes of an honest archive's members, or of its bytes, and what the refusal says.

    ``refused`` is ``None`` where the file is opened, and what was put into it is a name or is left out.
    """

    name: str
    refused: str | None
    members: Callable[[Members, str], None] | None = None
    whole: Callable[[bytes, Members, str], bytes] | None = None


def touch(canary: str) -> str:
    """Python that leaves the canary."""
    return f"__import__('pathlib').Path({canary!r}).touch()"


class Bomb:
    """A pickle that leaves the canary."""

    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return (exec, (touch(self.canary),))


def pickled(canary: str) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(Bomb(canary), buffer)
    return buffer.getvalue()


def packed(members: Members) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def unpacked(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def place(members: Members, inner: str) -> str:
    root = next(iter(members)).partition("/")[0]
    return f"{root}/{inner}"


def in_graph(
    change: Callable[[dict[str, Any], str], None], model: str = "model.json"
) -> Callable[[Members, str], None]:
    """Change the graph's JSON, or a copy of it under another name."""

    def apply(members: Members, canary: str) -> None:
        graph = json.loads(members[place(members, "models/model.json")])
        change(graph, canary)
        members[place(members, f"models/{model}")] = json.dumps(graph).encode()

    return apply


def in_text(old: str, new: str, model: str = "model.json") -> Callable[[Members, str], None]:
    """Replace a text of the graph; ``CODE`` stands for Python, ``QUOTED`` for the same inside a JSON string."""

    def apply(members: Members, canary: str) -> None:
        text = members[place(members, "models/model.json")].decode()
        assert old in text
        changed = text.replace(old, new.replace("CODE", touch(canary)), 1)
        json.loads(changed)
        members[place(members, f"models/{model}")] = changed.encode()
        name = model[: -len(".json")]  # as PyTorch cuts it, whatever the ending is
        for inner in ("sample_inputs/{}.pt", "weights/{}_weights_config.json", "constants/{}_constants_config.json"):
            source = members[place(members, "data/" + inner.format("model"))]
            members[place(members, "data/" + inner.format(name))] = source

    return apply


def member(inner: str, content: Callable[[str], bytes] = pickled) -> Callable[[Members, str], None]:
    def apply(members: Members, canary: str) -> None:
        members[place(members, inner)] = content(canary)

    return apply


def config(kind: str, **entry: Any) -> Callable[[Members, str], None]:
    """An entry of weights or constants that names another member, which is a pickle."""

    def apply(members: Members, canary: str) -> None:
        inner = place(members, f"data/{kind}/model_{kind}_config.json")
        listed = json.loads(members[inner])
        first = next(iter(listed["config"].values()))
        first.update(entry)
        members[inner] = json.dumps(listed).encode()
        members[place(members, f"data/{kind}/{first['path_name']}")] = pickled(canary)

    return apply


def _nodes(graph: dict[str, Any]) -> list[dict[str, Any]]:
    return graph["graph_module"]["graph"]["nodes"]


def call(target: str, arguments: Callable[[str], list[dict[str, Any]]]) -> Callable[[dict[str, Any], str], None]:
    """A node that calls something, whose result nobody needs."""

    def change(graph: dict[str, Any], canary: str) -> None:
        inputs = [{"name": "", "arg": argument, "kind": 1} for argument in arguments(canary)]
        outputs = [{"as_none": True}]
        node = {"target": target, "inputs": inputs, "outputs": outputs, "metadata": {}, "name": "called"}
        _nodes(graph).insert(0, {**node, "is_hop_single_tensor_return": None})
        graph["verifiers"] = []  # the file says by which rules it is checked

    return change


def treespec(context: Any, kind: str = "builtins.dict") -> Callable[[dict[str, Any], str], None]:
    def change(graph: dict[str, Any], canary: str) -> None:
        spec = [1, {"type": kind, "context": context, "children_spec": []}]
        graph["graph_module"]["module_call_graph"][0]["signature"]["out_spec"] = json.dumps(spec)

    return change


def metadata(key: str, value: str) -> Callable[[dict[str, Any], str], None]:
    def change(graph: dict[str, Any], canary: str) -> None:
        for node in _nodes(graph):
            node["metadata"][key] = value.replace("CODE", touch(canary))

    return change


def guards(graph: dict[str, Any], canary: str) -> None:
    graph["guards_code"] = [f"{touch(canary)} is None"]


def ranges(graph: dict[str, Any], canary: str) -> None:
    graph["range_constraints"][touch(canary)] = {"min_val": 2, "max_val": None}


def parameter(graph: dict[str, Any], canary: str) -> None:
    spec = next(s for s in graph["graph_module"]["signature"]["input_specs"] if "parameter" in s)
    spec["parameter"]["parameter_name"] = f'fc", {touch(canary)}, "weight'


def argument_names(graph: dict[str, Any], canary: str) -> None:
    graph["graph_module"]["module_call_graph"][0]["signature"]["forward_arg_names"] = [f"x={touch(canary)}"]


# --- one archive, two readings ----------------------------------------------------------------------------------------


def evil(members: Members, canary: str) -> Members:
    """The same archive with a pickle for its sample inputs."""
    return {n: pickled(canary) if "sample_inputs" in n else content for n, content in members.items()}


def entry(name: bytes, content: bytes, offset: int, **fields: int) -> tuple[bytes, bytes]:
    """A member as its header and content, and its entry in the directory."""
    extra = fields.pop("extra", b"")
    f = {"flags": 0, "method": 0, "crc": zlib.crc32(content), "packed": len(content), "size": len(content), **fields}
    middle = struct.pack(
        "<HHHHHIIIHH", 20, f["flags"], f["method"], 0, 33, f["crc"], f["packed"], f["size"], len(name), len(extra)
    )
    header = b"PK\x03\x04" + middle + name + extra + content
    listed = b"PK\x01\x02" + struct.pack("<H", 20) + middle + struct.pack("<HHHII", 0, 0, 0, 0, offset) + name + extra
    return header, listed


def built(members: Members, **odd: Any) -> bytes:
    """An archive by hand, the first of whose members has odd fields."""
    body = table = b""
    for name, content in members.items():
        fields, odd = odd, {}
        header, listed = entry(name.encode(), content, len(body), **fields)
        body, table = body + header, table + listed
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(table), len(body), 0)
    return body + table + b"PK\x05\x06" + end


def ending_in_comment(raw: bytes, members: Members, canary: str) -> bytes:
    """Python takes the last end of a directory, PyTorch's reader may take one that stands in a comment."""
    inner = packed(evil(members, canary))
    outer = raw[:-2] + struct.pack("<H", len(inner))
    return outer + inner


def behind(raw: bytes, members: Members, canary: str) -> bytes:
    return packed(evil(members, canary)) + raw


def moved_directory(raw: bytes, members: Members, canary: str) -> bytes:
    """The end names a place for the directory; Python goes by its length instead, and finds another.

    Both archives are as long as each other, by a text of the user's own, so that each reader finds every member.
    """
    bad, good = evil(members, canary), dict(members)
    lengths = [sum(map(len, one.values())) for one in (bad, good)]
    for one, length in zip((bad, good), lengths, strict=True):
        one[place(members, "extra/pad")] = b" " * (max(lengths) - length)
    return packed(bad) + packed(good)  # the end of the second says where the directory of the first stands


def zip64_elsewhere(raw: bytes, members: Members, canary: str) -> bytes:
    """The directory of 64 bits is another one than that of 32."""
    bad, good = packed(evil(members, canary)), packed(members)
    count, size, start = struct.unpack("<HII", bad[-12:-2])
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, start)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, len(bad) + len(good) - 22, 1)
    return bad + good[:-22] + record + locator + good[-22:]


def other_local_name(raw: bytes, members: Members, canary: str) -> bytes:
    name = next(name for name in members if "sample_inputs" in name).encode()
    at = raw.index(name)
    return raw[:at] + b"X" * len(name) + raw[at + len(name) :]


def twice(raw: bytes, members: Members, canary: str) -> bytes:
    name = next(name for name in members if "sample_inputs" in name)
    content = pickled(canary)
    body = table = b""
    for key, value in [*members.items(), (name, content)]:
        header, line = entry(key.encode(), value, len(body))
        body, table = body + header, table + line
    count = len(members) + 1
    return body + table + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, len(table), len(body), 0)


def odd(**fields: Any) -> Callable[[bytes, Members, str], bytes]:
    return lambda raw, members, canary: built(members, **fields)


def named(text: str) -> Callable[[Members, str], None]:
    """One more member, of a name that readers take differently."""

    def apply(members: Members, canary: str) -> None:
        inner = next(name for name in members if "sample_inputs" in name)
        members[text.replace("INNER", inner).replace("UPPER", inner.upper())] = pickled(canary)

    return apply


SIZE = '"expr_str": "Symbol'
TWO = "more than one way"
ATTACKS = (
    # sizes
    Attack("size", "no arithmetic", in_text(SIZE, '"expr_str": "CODE or Symbol')),
    Attack("size_of_another_graph", "no arithmetic", in_text(SIZE, '"expr_str": "CODE or Symbol', "other.json")),
    Attack("size_in_jsox", "jsox", in_text(SIZE, '"expr_str": "CODE or Symbol', "x.jsox")),
    Attack("size_in_a_folder", "sub/x.json", in_text(SIZE, '"expr_str": "CODE or Symbol', "sub/x.json")),
    Attack("size_without_ending", "models/xxxxxx", in_text(SIZE, '"expr_str": "CODE or Symbol', "xxxxxx")),
    Attack("size_escaped", "no arithmetic", in_text(SIZE, '"expr\\u005fstr": "CODE or Symbol')),
    Attack("size_by_attribute", "no arithmetic", in_text(SIZE, '"expr_str": "Symbol(\'s0\').__class__ or Symbol')),
    Attack("size_of_a_tower", "no arithmetic", in_text(SIZE, '"expr_str": "9**9**9*Symbol')),
    Attack("size_of_pows", "no arithmetic", in_text(SIZE, '"expr_str": "Pow(9, Pow(9, 9))*Symbol')),
    Attack("size_nested", "no arithmetic", in_text(SIZE, '"expr_str": "' + "(" * 300 + "1" + ")" * 300 + "*Symbol")),
    Attack("range", "is no name", in_graph(ranges)),
    Attack("guard", None, in_graph(guards)),
    # names
    Attack("node_name", "is no name", in_text('"relu"', '"relu = 1\\n    CODE"')),
    Attack("parameter_name", "is no name", in_graph(parameter)),
    Attack("argument_name", "is no name", in_graph(argument_names)),
    Attack(
        "module_path",
        "is no name",
        in_graph(metadata("nn_module_stack", 'L__self__,,N;L__self___fc,fc"][CODE],Linear')),
    ),
    Attack("stack_trace", None, in_graph(metadata("stack_trace", 'File "x.py", line 1, in f\n    x\nCODE\n'))),
    Attack("functions_looked_up", None, in_graph(metadata("source_fn_stack", "fc,torch.os.system"))),
    # operators
    Attack("os_system", "torch.os.system", in_graph(call("torch.os.system", lambda c: [{"as_string": f"touch {c}"}]))),
    Attack(
        "builtins_exec",
        "torch.builtins.exec",
        in_graph(call("torch.builtins.exec", lambda c: [{"as_string": touch(c)}])),
    ),
    Attack(
        "functorch_os", "torch.jit.os", in_graph(call("torch.jit.os.system", lambda c: [{"as_string": f"touch {c}"}]))
    ),
    Attack(
        "from_file",
        "from_file",
        in_graph(
            call("torch.ops.aten.from_file.default", lambda c: [{"as_string": c}, {"as_bool": True}, {"as_int": 4}])
        ),
    ),
    Attack("aten_save", "aten.save", in_graph(call("torch.ops.aten.save.default", lambda c: [{"as_string": c}]))),
    Attack(
        "hop_print", "higher_order.print", in_graph(call("torch.ops.higher_order.print", lambda c: [{"as_string": c}]))
    ),
    Attack(
        "operator_as_argument",
        "torch.os.system",
        in_graph(call("torch.ops.higher_order.cond", lambda c: [{"as_operator": "torch.os.system"}])),
    ),
    Attack("extension", "#x:y", in_graph(call("#x:y", lambda c: []))),
    # structures
    Attack(
        "factory",
        "defaultdict",
        in_graph(
            treespec(
                {"default_factory_module": "antigravity", "default_factory_name": "x", "dict_context": []},
                "collections.defaultdict",
            )
        ),
    ),
    Attack(
        "factory_breakpoint",
        "defaultdict",
        in_graph(
            treespec(
                {"default_factory_module": "builtins", "default_factory_name": "breakpoint", "dict_context": []},
                "collections.defaultdict",
            )
        ),
    ),
    Attack(
        "enumeration",
        "enumeration",
        in_graph(treespec(json.dumps([{"__enum__": True, "fqn": "antigravity:X", "name": "x"}]))),
    ),
    # pickles and compiled code
    Attack("sample_inputs", "more than tensors", member("data/sample_inputs/model.pt")),
    Attack("sample_inputs_of_another", "more than tensors", member("data/sample_inputs/other.pt")),
    Attack("weights_of_earlier_versions", "pickle", member("data/weights/model.pt")),
    Attack("constants_of_earlier_versions", "pickle", member("data/constants/model.pt")),
    Attack("weight_pickle", "is a pickle", config("weights", use_pickle=True)),
    Attack("constant_pickle", "is a pickle", config("constants", use_pickle=True)),
    Attack("custom_object", "is an object", config("constants", path_name="custom_obj_0")),
    Attack("opaque_object", "is an object", config("constants", path_name="opaque_obj_0")),
    Attack("weight_outside", TWO, config("weights", path_name="../sample_inputs/model.pt")),
    Attack("compiled", "compiled code", member("data/aotinductor/model/x.so", lambda c: b"\x7fELF")),
    Attack("executorch", "data/executorch", member("data/executorch/x.pte", lambda c: b"x")),
    # two readings
    Attack("directory_in_comment", TWO, whole=ending_in_comment),
    Attack("data_before", TWO, whole=behind),
    Attack("directory_moved", TWO, whole=moved_directory),
    Attack("directory_of_64_bits", TWO, whole=zip64_elsewhere),
    Attack("data_after", "does not stand at its end", whole=lambda raw, members, canary: raw + b"x"),
    Attack("local_name", TWO, whole=other_local_name),
    Attack("twice", "2 times", whole=twice),
    Attack("case", "2 times", named("UPPER")),
    Attack("absolute", TWO, named("/INNER")),
    Attack("above", TWO, named("n/../INNER")),
    Attack("backslash", TWO, named("n\\models\\x.json")),
    Attack("unicode", TWO, named("INNER\u200b")),
    Attack("full_width", TWO, named("n/\uff4dodels/x.json")),
    Attack("another_root", "outside the folder", named("zzz/models/x.json")),
    Attack("another_root_with_a_space", "several folders", named("z z/models/x.json")),
    Attack("another_root_in_unicode", "several folders", named("\u6a21/models/x.json")),
    Attack("root_that_cannot_be_seen", "is no name of a member", named("n\u200b/models/x.json")),
    Attack("deflate64", "method 9", whole=odd(method=9)),
    Attack("encrypted", "encrypted", whole=odd(flags=1)),
    Attack("strongly_encrypted", "encrypted", whole=odd(flags=1 << 6)),
    Attack("two_sizes", TWO, whole=odd(packed=1)),
    Attack("second_name", TWO, whole=odd(extra=struct.pack("<HHBI", 0x7075, 6, 1, 0) + b"x")),
    Attack("sizes_of_64_bits", TWO, whole=odd(extra=struct.pack("<HHQ", 1, 8, 1))),
)


def write(attack: Attack, honest: Path, folder: Path) -> Path:
    """The attack's file; its canary is ``canary-<name>`` beside it."""
    path = folder / f"{attack.name}.pt2"
    canary = str(folder / f"canary-{attack.name}")
    members = unpacked(honest)
    if attack.members is not None:
        attack.members(members, canary)
        path.write_bytes(packed(members))
    elif attack.whole is not None:
        path.write_bytes(attack.whole(packed(members), members, canary))
    return path
