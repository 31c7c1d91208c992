"""A small network on CIFAR-10, in Keras: what it looks at, by both toolkits, and what it responds to most.

The images (170 MB) are downloaded by Keras where there is a network connection, and the network is trained; without
one, or with `--weights none`, its weights are random and the image is a photograph, which is said loudly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from metannvis_methods import explain, explain_many
from metannvis_plot import grid, images
from shared import parser, photograph, shout

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def build() -> Any:
    """Images of 32×32 pixels, 0…1, to ten logits."""
    import keras
    from keras import layers

    stages = []
    for number, channels in enumerate((32, 64, 128), 1):
        stages += [
            layers.Conv2D(channels, 3, padding="same", activation="relu", name=f"conv{number}"),
            layers.BatchNormalization(name=f"norm{number}"),
            layers.MaxPooling2D(name=f"pool{number}"),
        ]
    head = [
        layers.GlobalAveragePooling2D(name="mean"),
        layers.Dropout(0.3, name="dropout"),
        layers.Dense(10, name="classes"),
    ]
    return keras.Sequential([keras.Input((32, 32, 3), name="image"), *stages, *head], name="cifar10")


def trained(net: Any, epochs: int) -> Any:
    """One test image of each class, shape ``(10, 32, 32, 3)``, 0…1; the network is trained on the training images."""
    import keras

    (x, y), (tests, answers) = keras.datasets.cifar10.load_data()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    net.fit(x.astype("float32") / 255, y, batch_size=128, epochs=epochs, validation_split=0.1, verbose=2)
    firsts = [int(np.flatnonzero(answers[:, 0] == k)[0]) for k in range(10)]
    return tests[firsts].astype("float32") / 255


def main() -> None:
    """Write a figure of the maps, and beside it one of what each class responds to."""
    made = parser(__doc__, "cifar10.png")
    made.add_argument("--weights", choices=("trained", "none"), default="trained")
    made.add_argument("--epochs", type=int, default=10, help="passes through the training images")
    made.add_argument("--target", choices=CLASSES, default="cat", help="which image, and which class of it")
    made.add_argument("--steps", type=int, default=200, help="steps of activation maximisation")
    made.add_argument("--classes", type=int, default=10, help="for how many classes an input is made")
    arguments = made.parse_args()
    target = CLASSES.index(arguments.target)

    import keras

    keras.utils.set_random_seed(0)
    net = build()
    if arguments.weights == "trained":
        try:
            x = trained(net, arguments.epochs)[target : target + 1]
        except Exception as error:  # noqa: BLE001  # Keras has no class for a download that fails
            shout(f"CIFAR-10 cannot be had: {error}")
            x = None
    else:
        shout("--weights none")
        x = None
    if x is None:
        picture = photograph(None)
        rows, columns = (np.linspace(0, edge - 1, 32).astype(int) for edge in picture.shape[:2])
        x = (picture[rows][:, columns][None] / 255).astype("float32")

    requests = [
        {"method": "integrated_gradients", "baselines": "black", "n_steps": 30, "toolset": "captum"},
        {"method": "grad_cam", "layer": "conv3", "toolset": "tf-keras-vis"},
        {"method": "occlusion", "sliding_window_shapes": (8, 8, 3), "strides": (4, 4, 3), "toolset": "captum"},
    ]
    found = explain_many(net, requests, x, target=target, labels=CLASSES)
    grid(found, path=arguments.output)

    made_images = [
        explain(
            net,
            "activation_maximization",
            np.full((1, 32, 32, 3), 0.5, "float32"),
            target=k,
            toolset="tf-keras-vis",
            steps=arguments.steps,
            input_range=(0.0, 1.0),
            regularizers={"total_variation": 1.0, "norm": {"weight": 0.3, "p": 1}},
            input_modifiers="jitter:2, rotate:1",
            seed=0,
        ).values[0]
        for k in range(arguments.classes)
    ]
    beside = arguments.output.with_stem(f"{arguments.output.stem}_classes")
    images(np.stack(made_images), axes="NHWC", sample_names=CLASSES[: arguments.classes], path=beside)
    print(f"wrote {arguments.output} and {beside}")


if __name__ == "__main__":
    main()
