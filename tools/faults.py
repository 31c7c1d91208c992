"""Faults put into a copy of the sources, one at a time: the core's tests have to notice each.

``python tools/faults.py`` says which were caught and by which test; ``--full`` asks the tests of ``tox -e full`` instead.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("translate", "methods", "plot", "cli")
TRANSLATE = "packages/metannvis-translate/tests/"


@dataclass(frozen=True)
class Fault:
    """One mistake: in a file below ``src`` of a package, a text (which stands there once) becomes another.

    ``first`` are the files of the core that ought to notice it; they are asked before all others.
    """

    name: str
    file: str
    right: str
    wrong: str
    first: tuple[str, ...]

    @property
    def package(self) -> str:
        """Whose source, and whose tests: ``translate`` or another."""
        return self.file.partition("/")[0].removeprefix("metannvis_")


FAULTS = (
    Fault(
        "a concatenation along an axis of the other layout", "metannvis_translate/frameworks/keras/importer/operators/slice.py",
        "position = layout.physical_axis(order, axis)", "position = axis % len(order)",
        (TRANSLATE + "test_dynamic_axes.py", TRANSLATE + "pairs/test_torch_to_keras.py"),
    ),
    Fault(
        "a transposed convolution without its bias", "metannvis_translate/frameworks/torch/importer/operators/conv.py",
        "return y if bias is None else y + bias.reshape(-1, *[1] * (x.ndim - 2))", "return y",
        (TRANSLATE + "frameworks/torch/importer/test_operators.py",),
    ),
    Fault(
        "a wrong default", "metannvis_translate/frameworks/keras/importer/operators/activation.py",
        "alpha: float = 0.01", "alpha: float = 0.02",
        (TRANSLATE + "importing/test_defaults.py",),
    ),
    Fault(
        "padding of a max pool that is zero", "metannvis_translate/frameworks/keras/importer/operators/pool.py",
        "*amounts, (0, 0)], constant_values=-np.inf)\n    return", "*amounts, (0, 0)], constant_values=0.0)\n    return",
        (TRANSLATE + "frameworks/keras/importer/test_operators.py",),
    ),
    Fault(
        "gates of a recurrent layer in another order", "metannvis_translate/frameworks/keras/exporter/layers/recurrent.py",
        "return np.concatenate([parts[k] for k in order], axis)", "return np.concatenate(parts, axis)",
        (TRANSLATE + "frameworks/keras/exporter/test_layers.py",),
    ),
    Fault(
        "two directions added that are to be averaged", "metannvis_translate/frameworks/keras/exporter/layers/recurrent.py",
        'if mode == "ave" else y]', 'if mode == "average" else y]',
        (TRANSLATE + "frameworks/keras/exporter/test_layers.py",),
    ),
    Fault(
        "a smallest variance that is forgotten", "metannvis_translate/frameworks/keras/exporter/layers/normalization.py",
        """        epsilon=float(layer.epsilon),
        exact={"epsilon": layer.epsilon},
    )
    return e.transpose(y, layout.inverse(order))


@keras_layer("LayerNormalization")""",
        """    )
    return e.transpose(y, layout.inverse(order))


@keras_layer("LayerNormalization")""",
        (TRANSLATE + "frameworks/keras/exporter/test_layers.py",),
    ),
    Fault(
        "a part written one place too far", "metannvis_translate/frameworks/torch/exporter/custom_operators.py",
        "pieces = [cut(0, start)] if start != 0 else []", "pieces = [cut(0, start + 1)] if start != 0 else []",
        (TRANSLATE + "frameworks/torch/exporter/test_custom_operators.py", TRANSLATE + "pairs/test_torch_to_keras.py",),
    ),
    Fault(
        "an average pool that counts its padding", "metannvis_translate/frameworks/torch/exporter/custom_operators.py",
        "count_include_pad=int(counts_padding)", "count_include_pad=1",
        (TRANSLATE + "frameworks/torch/exporter/test_custom_operators.py",),
    ),
    Fault(
        "a check that compares a single sample", "metannvis_translate/equivalence/report.py",
        """max_rel.max()))
        self.rel_l2 = float(np.maximum(self.rel_l2, rel_l2.max()))""",
        """max_rel[0]))
        self.rel_l2 = float(np.maximum(self.rel_l2, rel_l2[0]))""",
        (TRANSLATE + "equivalence/test_report.py",),
    ),
    Fault(
        "a mask lost in a layer that holds another", "metannvis_translate/frameworks/keras/exporter/layers/wrapping.py",
        'given["mask"] = e.reshape(mask', 'given["Mask"] = e.reshape(mask',
        (TRANSLATE + "frameworks/keras/exporter/test_layers.py",),
    ),
    Fault(
        "a gradient that flows where the source stops it", "metannvis_translate/frameworks/torch/exporter/stop_gradient.py",
        "return operator(tensor)", "return tensor",
        (TRANSLATE + "frameworks/torch/exporter/test_stop_gradient.py",),
    ),
    Fault(
        "an argument in the layout of the other framework", "metannvis_methods/running/convert.py",
        """if role in ("window", "stride"):
        one_each""",
        """if role in ("window", "stride"):
        return value
        one_each""",
        ("packages/metannvis-methods/tests/test_methods.py", "packages/metannvis-methods/tests/test_compare.py",),
    ),
    Fault(
        "a result left in the translated model's layout", "metannvis_methods/running/restore.py",
        'return _in_source(array, port.permutation), axes', "return array, axes",
        ("packages/metannvis-methods/tests/test_methods.py",),
    ),
)  # fmt: skip


def copied(into: Path) -> list[Path]:
    """Source folders of all packages, copied."""
    folders = []
    for package in PACKAGES:
        folder = into / package
        shutil.copytree(ROOT / f"packages/metannvis-{package}/src", folder)
        folders.append(folder)
    return folders


def caught_by(fault: Fault, folders: Sequence[Path], *, full: bool) -> str | None:
    """The first test that fails, or None. The sources are as they were afterwards."""
    (file,) = (folder / fault.file for folder in folders if (folder / fault.file).exists())
    text = file.read_text()
    if text.count(fault.right) != 1:
        raise SystemExit(f"{fault.name}: {fault.file} holds the text {text.count(fault.right)} times, not once")
    file.write_text(text.replace(fault.right, fault.wrong))
    everything = [f"packages/metannvis-{fault.package}/tests"] + (["tests"] if fault.package == "methods" else [])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    try:
        return _first_failure(fault.first, environment, full=full) or _first_failure(everything, environment, full=full)
    finally:
        file.write_text(text)


def _first_failure(paths: Sequence[str], environment: dict[str, str], *, full: bool) -> str | None:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "2", "--dist", "worksteal", *paths]
    command += [f"--ignore=tests/{folder}" for folder in ("extras", "wheels", "writers")]
    command += [] if full else ["-m", "not full"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, errors="replace")
    if done.returncode not in (0, 1, 2):
        raise SystemExit(f"pytest ended with {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return failed[0] if failed else None


def main() -> int:
    """Put every fault in; 1 if one of them was not caught."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="all tests, not those of the core alone")
    parser.add_argument("--only", nargs="+", type=int, metavar="K", help="these faults only, counted from 1")
    arguments = parser.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        folders = copied(Path(folder))
        for k, fault in enumerate(FAULTS, 1):
            if arguments.only and k not in arguments.only:
                continue
            test = caught_by(fault, folders, full=arguments.full)
            missed += test is None
            sys.stdout.write(f"{k:2} {fault.name}: {test or 'NOT CAUGHT'}\n")
            sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
