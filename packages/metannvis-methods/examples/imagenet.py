"""An ImageNet network of torchvision, timm or keras.applications on a photograph, with its own preprocessing and class names.

Weights are downloaded where there is a network connection; without one, or with `--weights none`, they are random,
which is said loudly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from metannvis_methods import Preprocessing, explain_many
from metannvis_methods.inputs import preprocessing, read_labels
from metannvis_plot import grid
from shared import parser, photograph, shout

NETWORKS = {"torchvision": "resnet18", "timm": "mobilenetv3_small_050", "keras": "MobileNetV2"}
#: What the networks of keras.applications want, by how their names begin; the rest begin with layers that do it.
KERAS = {
    "imagenet-caffe": ("VGG", "ResNet50", "ResNet101", "ResNet152"),
    "imagenet": ("DenseNet",),
    "symmetric": ("MobileNet", "Inception", "Xception", "NASNet"),
}
NAMES = "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json"


def of_torchvision(name: str, size: int, pretrained: bool) -> tuple[Any, Any, tuple[str, ...]]:
    """A network, its preprocessing and the names of its classes."""
    from torchvision import models

    weights = models.get_model_weights(name).DEFAULT
    net = models.get_model(name, weights=weights if pretrained else None).eval()
    done = weights.transforms()
    wanted = Preprocessing(255.0, tuple(done.mean), tuple(done.std), size=(size, size), crop=True)
    return net, wanted, tuple(weights.meta["categories"])


def of_timm(name: str, size: int, pretrained: bool) -> tuple[Any, Any, tuple[str, ...]]:
    """A network, its preprocessing and the names of its classes."""
    import timm
    from timm.data import ImageNetInfo, resolve_data_config

    net = timm.create_model(name, pretrained=pretrained).eval()
    done = resolve_data_config(model=net)
    wanted = Preprocessing(255.0, tuple(done["mean"]), tuple(done["std"]), size=(size, size), crop=True)
    info = ImageNetInfo()
    return net, wanted, tuple(info.index_to_description(index) for index in range(net.num_classes))


def of_keras(name: str, size: int, pretrained: bool) -> tuple[Any, Any, tuple[str, ...]]:
    """A network, its preprocessing and the names of its classes."""
    import keras

    weights = "imagenet" if pretrained else None
    net = getattr(keras.applications, name)(input_shape=(size, size, 3), weights=weights)
    known = [scale for scale, begins in KERAS.items() if name.startswith(begins)]
    scale = "symmetric" if name.startswith("ResNet") and name.endswith("V2") else next(iter(known), "none")
    scale = "none" if name.startswith("MobileNetV3") else scale
    path = keras.utils.get_file("imagenet_class_index.json", NAMES) if pretrained else None
    names = read_labels(Path(path)) if path else tuple(f"class {index}" for index in range(net.output_shape[-1]))
    return net, preprocessing(scale), names


LIBRARIES = {"torchvision": of_torchvision, "timm": of_timm, "keras": of_keras}


def opened(library: str, name: str, size: int, weights: str) -> tuple[Any, Any, tuple[str, ...]]:
    """A network with its weights if they can be had, else with random ones."""
    make = LIBRARIES[library]
    if weights == "none":
        shout("--weights none")
        return make(name, size, False)
    try:
        return make(name, size, True)
    except Exception as error:  # noqa: BLE001  # each library has its own way to say that it cannot download
        shout(f"the pretrained ones cannot be had: {error}")
        return make(name, size, False)


def main() -> None:
    """Write the figure."""
    made = parser(__doc__, "imagenet.png")
    made.add_argument("--library", choices=LIBRARIES, default="torchvision")
    made.add_argument("--network", help=f"name of the network; by default {', '.join(NETWORKS.values())}")
    made.add_argument("--weights", choices=("pretrained", "none"), default="pretrained")
    made.add_argument("--image", type=Path, help="a photograph; by default a flower that comes with scikit-learn")
    made.add_argument("--size", type=int, default=224, help="pixels at an edge that the network gets")
    made.add_argument("--steps", type=int, default=50, help="steps of integrated gradients")
    arguments = made.parse_args()

    name = arguments.network or NETWORKS[arguments.library]
    net, wanted, names = opened(arguments.library, name, arguments.size, arguments.weights)
    requests = [
        {"method": "grad_cam", "layer": "auto", "toolset": "captum"},
        {"method": "grad_cam++", "layer": "auto", "toolset": "tf-keras-vis"},
        {"method": "integrated_gradients", "baselines": "black", "n_steps": arguments.steps, "toolset": "captum"},
    ]
    found = explain_many(net, requests, photograph(arguments.image), preprocess=wanted, labels=names, batch_size=10)
    failed = [one for one in found if isinstance(one, Exception)]
    if failed:
        raise failed[0]
    seen = found[0].prediction[0]
    print(f"{name}: {seen['name']}" + (f", {seen['probability']:.1%}" if seen["probability"] is not None else ""))
    grid(found, path=arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
