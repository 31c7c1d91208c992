"""Vision transformers that people bring, tiny and with random weights: images of 32 × 48 in patches of 8, no square."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["KERAS", "TORCH", "Transformer", "randomized"]

WIDTH: dict[str, Any] = {"embed_dim": 24, "depth": 3, "num_heads": 2, "num_classes": 5}
IMAGE: dict[str, Any] = {"img_size": (32, 48), "patch_size": 8}


@dataclass(frozen=True)
class Transformer:
    """A vision transformer.

    Attributes
    ----------
    make
        Makes it.
    named
        A layer whose tokens reach the output, beside the one that ``"auto"`` finds.
    grid
        Height and width in patches at that layer.
    prefix
        Tokens before those of patches.
    output, score
        Which output is explained, and a function of it in the stead of a class.
    """

    make: Callable[[], Any]
    named: str
    grid: tuple[int, int] = (4, 6)
    prefix: int = 1
    output: str | None = None
    score: Callable[[Any], Any] | None = None


def randomized(model: Any) -> Any:
    """Double precision; biases, scales and tokens that are neither zero nor one; ready to be asked."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim <= 1 or parameter.shape[0] == 1:
                parameter.copy_(0.3 + 0.3 * noise)
            else:
                parameter.copy_(noise * parameter[0].numel() ** -0.5)
    return model.double().eval()


def _vit(**options: Any) -> Any:
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(**IMAGE, **WIDTH, **options)


def _deit() -> Any:
    from timm.models.deit import VisionTransformerDistilled

    return VisionTransformerDistilled(**IMAGE, **WIDTH)


def _swin() -> Any:
    from timm.models.swin_transformer import SwinTransformer

    return SwinTransformer(
        img_size=(32, 48), patch_size=2, window_size=4, embed_dim=16, depths=(1, 2), num_heads=(2, 4), num_classes=5
    )


def _beit() -> Any:
    from timm.models.beit import Beit

    return Beit(**IMAGE, **WIDTH, use_rel_pos_bias=True)


def _cait() -> Any:
    from timm.models.cait import Cait

    return Cait(**IMAGE, **WIDTH)


class Tower(torch.nn.Module):
    """CLIP's vision tower: it returns a Hugging Face output of embeddings and tokens."""

    def __init__(self) -> None:
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        super().__init__()
        config = CLIPVisionConfig(
            hidden_size=24,
            intermediate_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=48,
            patch_size=8,
            projection_dim=6,
        )
        self.tower = CLIPVisionModelWithProjection(config)

    def forward(self, x: torch.Tensor) -> Any:
        return self.tower(pixel_values=x, interpolate_pos_encoding=True)


def resembles(embedding: Any) -> Any:
    """How near an embedding is to a direction, which a text would be."""
    direction = torch.linspace(-1, 1, 6, dtype=embedding.dtype, device=embedding.device)
    return (embedding * direction).sum(-1) / embedding.norm(dim=-1)


TORCH: dict[str, Transformer] = {
    "vit": Transformer(_vit, "blocks.2.norm1"),
    "vit without a class token": Transformer(lambda: _vit(class_token=False, global_pool="avg"), "blocks.1", prefix=0),
    "deit, distilled": Transformer(_deit, "blocks.2.norm1", prefix=2),
    "dinov2 with registers": Transformer(
        lambda: _vit(reg_tokens=4, no_embed_class=True, init_values=1.0), "blocks.2.norm1", prefix=5
    ),
    "beit": Transformer(_beit, "blocks.2.norm1"),
    "cait": Transformer(_cait, "blocks.1.norm1", prefix=0),
    "swin": Transformer(_swin, "layers.1.blocks.0", grid=(8, 12), prefix=0),
    "clip's tower": Transformer(
        Tower,
        "tower.vision_model.encoder.layers.2.layer_norm1",
        output="image_embeds",
        score=resembles,
    ),
}


def _keras_vit() -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)

    class Token(layers.Layer):  # type: ignore[misc]
        def build(self, shape: Any) -> None:
            self.table = self.add_weight(shape=(1, 1, shape[-1]), name="table", initializer="glorot_uniform")

        def call(self, x: Any) -> Any:
            token = keras.ops.broadcast_to(self.table, (keras.ops.shape(x)[0], 1, x.shape[-1]))
            return keras.ops.concatenate([token, x], 1)

    given = keras.Input((32, 48, 3))
    x = Token(name="token")(layers.Reshape((24, 16))(layers.Conv2D(16, 8, 8, name="patches")(given)))
    for k in range(2):
        y = layers.LayerNormalization(name=f"norm{k}a")(x)
        x = x + layers.MultiHeadAttention(2, 8, name=f"attention{k}")(y, y)
        y = layers.LayerNormalization(name=f"norm{k}b")(x)
        x = x + layers.Dense(16)(layers.Dense(24, activation="gelu")(y))
    return keras.Model(given, layers.Dense(5)(layers.LayerNormalization(name="norm")(x)[:, 0]))


def _hub_vit() -> Any:
    import keras
    from keras_hub.models import ViTBackbone, ViTImageClassifier

    keras.utils.set_random_seed(0)
    backbone = ViTBackbone(image_shape=(32, 48, 3), patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=24)
    return ViTImageClassifier(backbone, num_classes=5)


KERAS: dict[str, Transformer] = {
    "a keras vit": Transformer(_keras_vit, "norm1a"),
    "keras-hub's vit": Transformer(_hub_vit, "vi_t_backbone/vit_encoder/transformer_block_2/ln_1"),
}
