"""The same PyTorch networks in the ways people write them, and as one has to write them for methods that hook on modules.

Every way has the same weights under the same names, so a state dict carries them over.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from captum.attr._utils.custom_modules import Addition_Module
from torch import Tensor, nn

__all__ = ["SHAPES", "STYLES", "made"]


class Plain(nn.Module):
    """(N, 3, 14, 12) to logits (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 10, 3)
        self.fc1 = nn.Linear(10 * 2 * 2, 16)
        self.fc2 = nn.Linear(16, 5)


class PlainModules(Plain):
    """One module an activation: the twin."""

    def __init__(self) -> None:
        super().__init__()
        self.relu1, self.relu2, self.relu3 = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.pool1, self.pool2 = nn.MaxPool2d(2), nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        return self.fc2(self.relu3(self.fc1(x.flatten(1))))


class PlainFunctional(Plain):
    """Functions and methods of tensors."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(torch.relu(self.conv2(x)), 2)
        return self.fc2(self.fc1(torch.flatten(x, 1)).relu())


class PlainShared(Plain):
    """One activation and one pool for all, and a module that flattens."""

    def __init__(self) -> None:
        super().__init__()
        self.relu, self.pool, self.flatten = nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.conv1(x)))
        x = self.flatten(self.pool(self.relu(self.conv2(x))))
        return self.fc2(self.relu(self.fc1(x)))


class PlainInPlace(Plain):
    """Activations that overwrite what they are given, as modules, functions and methods."""

    def __init__(self) -> None:
        super().__init__()
        self.relu1, self.pool1, self.pool2 = nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(F.relu(self.conv2(x), inplace=True))
        return self.fc2(self.fc1(x.flatten(1)).relu_())


class PlainInPlaceModules(PlainModules):
    """The twin, but every activation works in place."""

    def __init__(self) -> None:
        super().__init__()
        for relu in (self.relu1, self.relu2, self.relu3):
            relu.inplace = True


class Residual(nn.Module):
    """(N, 3, 14, 12) to logits (N, 5), with batch normalisation and two skip connections."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.conv1, self.conv2 = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.norm1, self.norm2 = nn.BatchNorm2d(6), nn.BatchNorm2d(6)
        self.conv3, self.conv4 = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.norm3, self.norm4 = nn.BatchNorm2d(6), nn.BatchNorm2d(6)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(6, 5)


class ResidualModules(Residual):
    """One module an activation and an addition: the twin."""

    def __init__(self) -> None:
        super().__init__()
        for k in range(5):
            self.add_module(f"relu{k}", nn.ReLU())
        self.add1, self.add2 = Addition_Module(), Addition_Module()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu0(self.norm(self.stem(x)))
        y = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        x = self.relu2(self.add1(y, x))
        y = self.norm4(self.conv4(self.relu3(self.norm3(self.conv3(x)))))
        x = self.relu4(self.add2(y, x))
        return self.fc(self.pool(x).flatten(1))


class ResidualFunctional(Residual):
    """Functions, sums by operator."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)))
        x = F.relu(self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))) + x)
        y = self.norm4(self.conv4(torch.relu(self.norm3(self.conv3(x)))))
        x = torch.relu(torch.add(y, x))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class ResidualShared(Residual):
    """One activation for everything, and a module that flattens."""

    def __init__(self) -> None:
        super().__init__()
        self.relu, self.flatten = nn.ReLU(), nn.Flatten()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.stem(x)))
        x = self.relu(self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x))))) + x)
        x = self.relu(self.norm4(self.conv4(self.relu(self.norm3(self.conv3(x))))) + x)
        return self.fc(self.flatten(self.pool(x)))


class ResidualInPlace(Residual):
    """As torchvision writes it: one activation, in place, and sums that overwrite."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.stem(x)))
        y = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        y += x
        x = self.relu(y)
        y = self.norm4(self.conv4(self.norm3(self.conv3(x)).relu_()))
        y += x
        return self.fc(torch.flatten(self.pool(F.relu_(y)), 1))


class Curves(nn.Module):
    """Signals (N, 3, 14) to probabilities (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(3, 6, 3, padding=1), nn.Conv1d(6, 6, 3, padding=1)
        self.fc1, self.fc2, self.fc3 = nn.Linear(6 * 7, 12), nn.Linear(12, 12), nn.Linear(12, 12)
        self.fc4 = nn.Linear(12, 5)


class CurvesModules(Curves):
    """One module an activation: the twin."""

    def __init__(self) -> None:
        super().__init__()
        self.act1, self.act2, self.pool = nn.LeakyReLU(0.1), nn.ELU(0.8), nn.MaxPool1d(2)
        self.act3, self.act4, self.act5 = nn.Tanh(), nn.Sigmoid(), nn.Softplus()
        self.last = nn.Softmax(1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.act2(self.conv2(self.act1(self.conv1(x))))).flatten(1)
        x = self.act5(self.fc3(self.act4(self.fc2(self.act3(self.fc1(x))))))
        return self.last(self.fc4(x))


class CurvesFunctional(Curves):
    """Functions and methods of tensors."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool1d(F.elu(self.conv2(F.leaky_relu(self.conv1(x), 0.1)), 0.8), 2).flatten(1)
        x = F.softplus(self.fc3(torch.sigmoid(self.fc2(self.fc1(x).tanh()))))
        return self.fc4(x).softmax(1)


#: The twin of each network, and the ways to write it.
STYLES: dict[str, dict[str, type[nn.Module]]] = {
    "plain": {
        "modules": PlainModules,
        "functional": PlainFunctional,
        "shared": PlainShared,
        "in place": PlainInPlace,
        "in place, modules": PlainInPlaceModules,
    },
    "residual": {
        "modules": ResidualModules,
        "functional": ResidualFunctional,
        "shared": ResidualShared,
        "in place": ResidualInPlace,
    },
    "curves": {"modules": CurvesModules, "functional": CurvesFunctional},
}
#: Shape of a sample of each network.
SHAPES = {"plain": (3, 14, 12), "residual": (3, 14, 12), "curves": (3, 14)}


def made(network: str, style: str, dtype: str) -> nn.Module:
    """A network in one style, with the weights that all its styles have."""
    twin = STYLES[network]["modules"]()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, tensor in (*twin.named_parameters(), *twin.named_buffers()):
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2.0, generator=generator)
            elif tensor.is_floating_point() and tensor.ndim < 2:
                tensor.uniform_(-0.4, 0.6, generator=generator)
            elif tensor.is_floating_point():
                tensor.normal_(0, tensor[0].numel() ** -0.5, generator=generator)
    model = STYLES[network][style]()
    model.load_state_dict(twin.state_dict())
    return model.to(getattr(torch, dtype)).eval()
