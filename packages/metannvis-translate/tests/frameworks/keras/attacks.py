"""SavedModels and Keras files that would run code or touch files: one for every slot that is run."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate.frameworks.requirements import require

tf: Any = require("tensorflow")
keras: Any = require("keras")


@dataclass(frozen=True)
class Attack:
    """One attack: ``make(canary, path)`` writes it, ``refused`` is the reason that the refusal gives."""

    name: str
    refused: str
    make: Callable[[str, Path], None]
    suffix: str = ""


# --- SavedModels ------------------------------------------------------------------------------------------------------

SPEC = (tf.TensorSpec((None, 3), tf.float32),)


def saved(module: Any, path: Path, call: Callable[[Any], Any] = lambda x: x * 2.0) -> None:
    """Save a module whose signature is the function."""
    function = tf.function(call, input_signature=SPEC)
    module.call = function
    tf.saved_model.save(module, str(path), signatures=function.get_concrete_function())


class Resource(tf.saved_model.experimental.TrackableResource):
    """Something that is made and initialised when a model is loaded."""

    def __init__(self, canary: str) -> None:
        super().__init__()
        self.canary = canary

    def _create_resource(self) -> Any:
        return tf.raw_ops.MutableHashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="attack")

    def _initialize(self) -> None:
        tf.raw_ops.WriteFile(filename=self.canary, contents="x")


def initialiser(canary: str, path: Path) -> None:
    module = tf.Module()
    module.resource = Resource(canary)
    saved(module, path)


def signature(*steps: Callable[[str], Any]) -> Callable[[str, Path], None]:
    """A signature that does something first."""

    def make(canary: str, path: Path) -> None:
        def call(x: Any) -> Any:
            done = [step(canary) for step in steps]
            with tf.control_dependencies([tf.identity(d) if tf.is_tensor(d) else d for d in done]):
                return tf.identity(x) * 2.0

        saved(tf.Module(), path, call)

    return make


def write_file(canary: str) -> Any:
    return tf.raw_ops.WriteFile(filename=canary, contents="x")


def in_function(canary: str) -> Any:
    @tf.function
    def inner() -> Any:
        with tf.control_dependencies([write_file(canary)]):
            return tf.constant(1.0)

    @tf.function
    def outer() -> Any:
        return inner() + 1.0

    return outer()


def in_branch(canary: str) -> Any:
    def yes() -> Any:
        with tf.control_dependencies([write_file(canary)]):
            return tf.constant(1.0)

    return tf.cond(tf.random.uniform(()) < 2.0, yes, lambda: tf.constant(0.0))


def in_loop(canary: str) -> Any:
    def body(k: Any) -> Any:
        with tf.control_dependencies([write_file(canary)]):
            return [k + 1]

    return tf.while_loop(lambda k: k < 2, body, [tf.constant(0)])[0]


def debug_identity(canary: str) -> Any:
    return tf.raw_ops.DebugIdentityV2(input=tf.constant(1.0), debug_urls=[f"file://{canary}"], tensor_debug_mode=0)


def print_to_file(canary: str) -> Any:
    return tf.print("x", output_stream=f"file://{canary}")


def python(canary: str) -> Any:
    return tf.py_function(lambda: Path(canary).touch() or 1.0, [], tf.float32)


def save_variables(canary: str) -> Any:
    return tf.raw_ops.SaveV2(prefix=canary, tensor_names=["a"], shape_and_slices=[""], tensors=[tf.constant(1.0)])


def text_table(canary: str) -> Any:
    table = tf.raw_ops.MutableHashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
    return tf.raw_ops.InitializeTableFromTextFileV2(
        table_handle=table, filename=canary, key_index=-2, value_index=-1, vocab_size=-1, delimiter="\t"
    )


def files_of_data(canary: str) -> Any:
    return tf.data.experimental.get_single_element(tf.data.TextLineDataset([canary]).take(1))


def changed(change: Callable[[Any, str], None]) -> Callable[[str, Path], None]:
    """An honest model whose ``saved_model.pb`` was changed."""

    def make(canary: str, path: Path) -> None:
        from tensorflow.core.protobuf import saved_model_pb2

        module = tf.Module()
        module.weight = tf.Variable(np.ones((3,), np.float32))
        saved(module, path, lambda x: x * module.weight)
        model = saved_model_pb2.SavedModel()
        model.ParseFromString((path / "saved_model.pb").read_bytes())
        change(model, canary)
        (path / "saved_model.pb").write_bytes(model.SerializeToString())

    return make


def function_like_an_operator(model: Any, canary: str) -> None:
    library = model.meta_graphs[0].graph_def.library
    library.function.add().CopyFrom(library.function[0])
    library.function[-1].signature.name = "WriteFile"


def call_of_an_operator(model: Any, canary: str) -> None:
    """``PartitionedCall`` of what is no function of the file."""
    for function in model.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            for value in node.attr.values():
                if value.HasField("func"):
                    value.func.name = "WriteFile"


def asset_above(model: Any, canary: str) -> None:
    model.meta_graphs[0].asset_file_def.add(filename="../../etc/passwd")


def saver_called(model: Any, canary: str) -> None:
    """The function that saves, called by the signature."""
    meta = model.meta_graphs[0]
    saver = next(f for f in meta.graph_def.library.function if any(n.op == "SaveV2" for n in f.node_def))
    meta.object_graph_def.concrete_functions[saver.signature.name].SetInParent()


def early(*, run: str) -> Callable[[str, Path], None]:
    """A model in the form of TensorFlow 1."""

    def make(canary: str, path: Path) -> None:
        v1 = tf.compat.v1
        with tf.Graph().as_default(), v1.Session() as session:
            x = v1.placeholder(tf.float32, (None, 3), "x")
            weight = v1.get_variable("w", initializer=np.ones((3,), np.float32), use_resource=True)
            y = tf.identity(x * weight, "y")
            write = tf.raw_ops.WriteFile(filename=canary, contents="x")
            if run == "signature":
                with tf.control_dependencies([write]):
                    y = tf.identity(y)
            session.run(v1.global_variables_initializer())
            builder = v1.saved_model.Builder(str(path))
            signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
            builder.add_meta_graph_and_variables(
                session, ["serve"], {"serving_default": signature}, main_op=write if run == "main" else None
            )
            if run in ("saver", "other_file"):
                _twist(builder._saved_model, canary, run)
            builder.save()

    return make


def _twist(model: Any, canary: str, run: str) -> None:
    meta = model.meta_graphs[0]
    for node in list(meta.graph_def.node):
        if node.op == "WriteFile":
            meta.graph_def.node.remove(node)
    if run == "saver":
        meta.saver_def.restore_op_name = next(n.name for n in meta.graph_def.node if n.op == "SaveV2")
    else:
        node = next(n for n in meta.graph_def.node if n.op == "RestoreV2")
        constant = meta.graph_def.node.add(name="elsewhere", op="Const")
        constant.attr["dtype"].type = 7
        constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(canary))
        node.input[0] = "elsewhere"


# --- Keras files ------------------------------------------------------------------------------------------------------


def keras_file(layer: dict[str, Any]) -> Callable[[str, Path], None]:
    """A ``.keras`` file of one layer, whose configuration was changed."""

    def make(canary: str, path: Path) -> None:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, name="victim")])
        model.save(path)
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        config = json.loads(members["config.json"])
        victim = next(entry for entry in config["config"]["layers"] if entry["class_name"] == "Dense")
        victim.clear()
        victim.update(json.loads(json.dumps(layer).replace("CANARY", canary)))
        members["config.json"] = json.dumps(config).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return make


def named(name: str, module: str, config: dict[str, Any], registered: str | None = None) -> dict[str, Any]:
    return {"class_name": name, "module": module, "config": config, "registered_name": registered}


def lambda_h5(canary: str, path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x * 2)])
    model.save(path)


def linked_h5(how: str) -> Callable[[str, Path], None]:
    """Weights that are another file's."""

    def make(canary: str, path: Path) -> None:
        import h5py

        keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, name="d")]).save(path)
        secret = path.with_name("secret.bin")
        secret.write_bytes(b"\0" * 36)
        with h5py.File(path, "r+") as file:
            places: list[str] = []
            file["model_weights"].visititems(lambda n, x: places.append(n) if n.endswith("kernel") else None)
            del file["model_weights"][places[0]]
            if how == "storage":
                file["model_weights"].create_dataset(places[0], (3, 3), "f4", external=[(str(secret), 0, 36)])
            else:
                file["model_weights"][places[0]] = h5py.ExternalLink(str(secret), "/x")

    return make


DENSE = {"name": "d", "units": 3}
ATTACKS = (
    Attack("initialiser", "WriteFile", initialiser),
    Attack("signature", "WriteFile", signature(write_file)),
    Attack("inner_function", "WriteFile", signature(in_function)),
    Attack("branch", "WriteFile", signature(in_branch)),
    Attack("loop", "WriteFile", signature(in_loop)),
    Attack("read_file", "ReadFile", signature(lambda c: tf.raw_ops.ReadFile(filename=__file__))),
    Attack("matching_files", "MatchingFiles", signature(lambda c: tf.raw_ops.MatchingFiles(pattern="/*"))),
    Attack("debug_identity", "DebugIdentityV2", signature(debug_identity)),
    Attack("print", "PrintV2", signature(print_to_file)),
    Attack("python", "EagerPyFunc", signature(python)),
    Attack("save", "SaveV2", signature(save_variables)),
    Attack("restore", "RestoreV2", signature(
        lambda c: tf.raw_ops.RestoreV2(prefix=c, tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32])[0])),
    Attack("text_table", "InitializeTableFromTextFileV2", signature(text_table)),
    Attack("data_set", "TextLineDataset", signature(files_of_data)),
    Attack("function_like_an_operator", "named 'WriteFile'", changed(function_like_an_operator)),
    Attack("call_of_an_operator", "call of 'WriteFile'", changed(call_of_an_operator)),
    Attack("asset_above", "asset outside", changed(asset_above)),
    Attack("saver_called", "SaveV2", changed(saver_called)),
    Attack("early_main", "WriteFile", early(run="main")),
    Attack("early_signature", "WriteFile", early(run="signature")),
    Attack("early_saver", "SaveV2", early(run="saver")),
    Attack("early_other_file", "RestoreV2", early(run="other_file")),
    Attack("tfsm", "TFSMLayer", keras_file(named("TFSMLayer", "keras.layers", {"filepath": "CANARY", "call_endpoint": "serve"})), ".keras"),
    Attack("lambda", "Lambda layer", keras_file(
        named("Lambda", "keras.layers", {"name": "l", "function": {"class_name": "__lambda__", "config": {"value": "x"}}})), ".keras"),
    Attack("lambda_inside", "Python lambda", keras_file(
        named("Dense", "keras.layers", {**DENSE, "activation": {"class_name": "__lambda__", "config": {"value": "x"}}})), ".keras"),
    Attack("vocabulary", "vocabulary", keras_file(
        named("StringLookup", "keras.layers", {"name": "l", "vocabulary": "/etc/passwd"})), ".keras"),
    Attack("get_file", "no part of a model|cannot be loaded", keras_file(
        named("Dense", "keras.layers", {**DENSE, "activation": {
            "class_name": "function", "config": "get_file", "module": "keras.utils", "registered_name": "get_file"}})), ".keras"),
    Attack("module", "cannot be loaded", keras_file(named("Popen", "subprocess", {"args": ["touch", "CANARY"]})), ".keras"),
    Attack("module_of_keras", "cannot be loaded", keras_file(named("os", "keras.src.saving.saving_lib", {})), ".keras"),
    Attack("import", "cannot be loaded", keras_file(named("X", "antigravity", {})), ".keras"),
    Attack("registered", "cannot be loaded", keras_file(named("Dense", "builtins", DENSE, "subprocess>Popen")), ".keras"),
    Attack("lambda_h5", "lambda|Lambda", lambda_h5, ".h5"),
    Attack("link_h5", "cannot be loaded", linked_h5("link"), ".h5"),
    Attack("storage_h5", "cannot be loaded", linked_h5("storage"), ".h5"),
)  # fmt: skip


def write(attack: Attack, folder: Path) -> Path:
    """The attack's file; its canary is ``canary-<name>`` beside it, which writing it may have left."""
    path, canary = folder / f"{attack.name}{attack.suffix}", folder / f"canary-{attack.name}"
    attack.make(str(canary), path)
    canary.unlink(missing_ok=True)
    return path
