"""Members of the keras-hub table: every backbone and task of the package at a tiny configuration, and what each is fed.

A member is a function that makes the model and what its inputs are beside what the model itself declares. Weights are random:
nothing is downloaded. A class of keras-hub that has no row and no reason in ``WITHOUT`` fails a test.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

__all__ = ["MEMBERS", "WITHOUT", "Member", "classes"]

Array = np.ndarray[Any, Any]
Values = Callable[[np.random.Generator, tuple[int, ...]], Array]

#: Settings that most transformers of text share.
TEXT = {"vocabulary_size": 37, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 24}
POSITIONS = TEXT | {"max_sequence_length": 12}
GROUPED = {
    "vocabulary_size": 37, "num_layers": 2, "num_query_heads": 4, "num_key_value_heads": 2, "hidden_dim": 16,
    "intermediate_dim": 24,
}  # fmt: skip
GEMMA = GROUPED | {"num_query_heads": 2, "num_key_value_heads": 1, "head_dim": 8}
EXPERTS = {"num_experts": 4, "top_k": 2, "moe_intermediate_dim": 12}
LINEAR = GROUPED | {
    "num_layers": 2, "head_dim": 8, "layer_types": ["linear_attention", "full_attention"], "partial_rotary_factor": 0.5,
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 4, "linear_value_head_dim": 4,
    "linear_conv_kernel_dim": 3,
}  # fmt: skip
RESNET = {
    "input_conv_filters": [64], "input_conv_kernel_sizes": [7], "stackwise_num_filters": [64, 12, 16], "stackwise_num_blocks": [1, 2, 1],
    "stackwise_num_strides": [1, 2, 2], "block_type": "basic_block",
}  # fmt: skip
MIT = {
    "layerwise_depths": [1, 2], "image_shape": (32, 32, 3), "hidden_dims": [4, 8], "num_layers": 2, "layerwise_num_heads": [1, 2],
    "layerwise_sr_ratios": [4, 2], "max_drop_path_rate": 0.1, "layerwise_patch_sizes": [7, 3], "layerwise_strides": [4, 2],
}  # fmt: skip
VIT = {"image_shape": (24, 24, 3), "num_layers": 2, "hidden_dim": 16, "num_heads": 2}
HGNET = {
    "stem_channels": [3, 4, 8], "stackwise_stage_filters": [[8, 4, 12, 1, 2, 3], [12, 8, 16, 1, 2, 3]], "depths": [1, 1],
    "apply_downsample": [False, True], "use_lightweight_conv_block": [False, True], "hidden_sizes": [12, 16], "embedding_size": 8,
    "use_learnable_affine_block": True, "hidden_act": "relu",
}  # fmt: skip
T5GEMMA = {
    "vocabulary_size": 37, "cross_attention_hidden_size": 16, "attn_logit_softcapping": 50.0, "sliding_window": 3,
    "query_pre_attn_scalar": 8.0, "rms_norm_eps": 1e-6, "tie_word_embeddings": True, "hidden_activation": "gelu_approximate",
    "initializer_range": 0.04, "attention_bias": False, "dropout_rate": 0.1, "attention_dropout": 0.1, "rope_max_wavelength": 10000.0,
    **{f"{part}_{name}": value for part in ("encoder", "decoder") for name, value in {
        "hidden_dim": 16, "intermediate_dim": 24, "num_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4,
        "layer_types": ["sliding_attention", "full_attention"],
    }.items()},
}  # fmt: skip


def _part(path: str) -> Any:
    """A class or function that keras-hub has but does not export."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"keras_hub.src.models.{module}"), name)


def _models() -> Any:
    return importlib.import_module("keras_hub.models")


def _padding(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    mask = np.ones(shape, "int32")
    mask[0, -2:] = 0
    return mask


def _integers(stop: int, start: int = 0) -> Values:
    return lambda random, shape: random.integers(start, stop, shape)


def _uniform(start: float, stop: float) -> Values:
    return lambda random, shape: random.uniform(start, stop, shape)


def _always(value: Any) -> Values:
    """The same sample again and again."""
    return lambda random, shape: np.broadcast_to(np.asarray(value), (shape[0], *np.shape(value))).copy()


@dataclass(frozen=True)
class Member:
    """A backbone or task of keras-hub.

    Attributes
    ----------
    make
        Makes it.
    steps
        Of a sequence whose length the model leaves free.
    image
        Height and width where the model leaves them free.
    shapes
        Of a sample, by input, where the model leaves other sizes free.
    values
        What an input is filled with that is neither tokens nor a mask of padding nor noise.
    tokens
        How many there are.
    batches
        Sizes of the batch that it is translated and tried with.
    is_fixed
        Its code asks for the number of steps, or of images: the translation is for that of the example alone, and says so.
    """

    make: Callable[[], Any]
    steps: int = 7
    image: tuple[int, int] = (32, 32)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    values: Mapping[str, Values] = field(default_factory=dict)
    tokens: int = 37
    batches: tuple[int, int] = (2, 3)
    is_fixed: bool = False

    def model(self) -> Any:
        """The model with random weights."""
        import keras

        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        model = self.make()
        random = np.random.default_rng(0)
        for weight in model.weights:  # what is initialised to one number would hide an error
            array = np.asarray(weight.value)
            if array.dtype.kind == "f" and array.size and (array == array.flat[0]).all():
                weight.assign(array + random.uniform(0, 0.1, array.shape).astype(array.dtype))
        return model

    def inputs(self, model: Any, batch: int, seed: int) -> Any:
        """Fresh inputs: by name where the model takes them so."""
        random = np.random.default_rng([seed, batch])
        names = [x._keras_history.operation.name for x in model.inputs]
        found = {name: self._input(random, name, x, batch) for name, x in zip(names, model.inputs, strict=True)}
        if isinstance(model._inputs_struct, dict):
            return found
        return list(found.values()) if len(found) > 1 else found[names[0]]

    def _input(self, random: np.random.Generator, name: str, x: Any, batch: int) -> Array:
        sizes = self.shapes.get(name, x.shape[1:])
        if len(sizes) == 3 and sizes[:2] == (None, None):
            sizes = (*self.image, sizes[2])
        shape = (batch, *(self.steps if size is None else size for size in sizes))
        if name in self.values:
            values = self.values[name](random, shape)
        elif name.endswith("padding_mask"):
            values = _padding(random, shape)
        elif name == "segment_ids":
            values = random.integers(0, 2, shape)
        elif name == "mask_positions":
            values = random.integers(0, self.steps, shape)
        elif "int" in x.dtype:
            values = random.integers(3, self.tokens, shape)
        else:
            values = random.standard_normal(shape)
        return values.astype(x.dtype)


def _backbone(name: str, **settings: Any) -> Callable[[], Any]:
    return lambda: getattr(_models(), name)(**settings)


def classes() -> set[str]:
    """The names of all backbones and tasks, without those that are there for others to build upon."""
    models = _models()
    found: dict[int, str] = {}
    for name in sorted(dir(models), key=len, reverse=True):  # of two names of one class the shorter one is left
        thing = getattr(models, name)
        if isinstance(thing, type) and issubclass(thing, (models.Backbone, models.Task)):
            found[id(thing)] = thing.__name__
    return set(found.values()) - WITHOUT.keys()


#: Classes that have no row, and why.
WITHOUT = {
    **dict.fromkeys(
        (
            "Backbone", "FeaturePyramidBackbone", "Task", "CausalLM", "Seq2SeqLM", "MaskedLM", "TextClassifier", "TextEmbedder",
            "ImageClassifier", "ImageSegmenter", "ObjectDetector", "DepthEstimator", "ImageToImage", "Inpaint", "TextToImage",
        ),
        "others are built upon it",
    ),
    "PARSeqCausalLM": "it asks the tokenizer of its preprocessor while it is made",
    "BLIP2Seq2SeqLM": "BLIP2CausalLM with another language model",
    "Gemma4AssistantCausalLM": "it drafts for another model and has no call of its own",
}  # fmt: skip

_RESNET = _backbone("ResNetBackbone", **RESNET)
_MIT = _backbone("MiTBackbone", **MIT)
_VIT = _backbone("ViTBackbone", **VIT, patch_size=8, mlp_dim=24)
_HGNET = _backbone("HGNetV2Backbone", **HGNET)
_DINO = {
    "patch_size": 8,
    "num_layers": 4,
    "hidden_dim": 16,
    "num_heads": 2,
    "intermediate_dim": 24,
    "layer_scale_init_value": 1.0,
}


def _two_encoders(name: str) -> Any:
    models = _models()
    sides: dict[str, Any] = {"hidden_dim": 16, "num_layers": 2, "num_heads": 2, "intermediate_dim": 24}
    vision = getattr(models, f"{name}VisionEncoder")(
        patch_size=8, image_shape=(24, 24, 3), name="vision_encoder", **sides
    )
    text = getattr(models, f"{name}TextEncoder")(
        vocabulary_size=37, embedding_dim=16, max_sequence_length=9, name="text_encoder", **sides
    )
    more = {} if name == "SigLIP" else {"projection_dim": 12}
    return getattr(models, f"{name}Backbone")(vision_encoder=vision, text_encoder=text, **more)


def _basnet() -> Any:
    encoder = _models().ResNetBackbone(
        **RESNET
        | {
            "stackwise_num_filters": [64, 8, 12, 16],
            "stackwise_num_blocks": [1] * 4,
            "stackwise_num_strides": [1, 2, 2, 2],
        }
    )
    return _models().BASNetBackbone(image_encoder=encoder, num_classes=1, prediction_heads=None)


def _blip2(*, flan: bool = False) -> Any:
    vision = _part("blip2.blip2_vision_encoder.BLIP2VisionEncoder")(
        image_size=16, patch_size=4, num_layers=2, num_heads=2, hidden_dim=8, intermediate_dim=16, use_patch_bias=True,
        use_class_token=True, use_mha_bias=True, use_mlp_bias=True, dropout_rate=0.0, layer_norm_epsilon=1e-6,
        initializer_range=0.02,
    )  # fmt: skip
    qformer = _part("blip2.blip2_qformer.BLIP2QFormer")(
        num_query_tokens=3, num_layers=2, num_heads=2, hidden_dim=8, intermediate_dim=12, vision_dim=8, cross_attention_frequency=1,
        dropout=0.0, layer_norm_epsilon=1e-6,
    )  # fmt: skip
    shared: dict[str, Any] = {
        "vocabulary_size": 37, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12, "num_query_tokens": 3,
        "qformer_hidden_dim": 8, "dropout": 0.0,
    }  # fmt: skip
    if flan:
        language = _part("blip2.blip2_flan_t5.BLIP2FlanT5")(**shared)
    else:
        language = _part("blip2.blip2_custom_opt.BLIP2CustomOPT")(**shared, max_sequence_length=12)
    return _models().BLIP2Backbone(vision_encoder=vision, qformer=qformer, language_model=language)


def _d_fine() -> Any:
    backbone = _models().HGNetV2Backbone(**HGNET | {"out_features": ["stage1", "stage2"]})
    return _models().DFineBackbone(
        backbone=backbone, decoder_in_channels=[16, 16], encoder_hidden_dim=16, num_denoising=0, num_labels=4, hidden_dim=16,
        learn_initial_query=False, num_queries=6, anchor_image_size=(32, 32), feat_strides=[4, 8], num_feature_levels=2,
        encoder_in_channels=[12, 16], encode_proj_layers=[1], num_attention_heads=2, encoder_ffn_dim=24, num_encoder_layers=1,
        hidden_expansion=0.5, depth_multiplier=0.5, eval_idx=-1, num_decoder_layers=2, decoder_attention_heads=2,
        decoder_ffn_dim=24, decoder_n_points=[2, 2], lqe_hidden_dim=16, num_lqe_layers=2, out_features=["stage1", "stage2"],
        image_shape=(32, 32, 3), seed=0,
    )  # fmt: skip


def _deeplab() -> Any:
    return _models().DeepLabV3Backbone(
        image_encoder=_RESNET(), low_level_feature_key="P2", spatial_pyramid_pooling_key="P4", dilation_rates=[2, 4],
        upsampling_size=4, image_shape=(48, 48, 3), spatial_pyramid_pooling_filters=8,
        low_level_feature_reduced_filters=6, low_level_feature_filters=8,
    )  # fmt: skip


def _depth_anything() -> Any:
    encoder = _models().DINOV2Backbone(
        **_DINO, num_register_tokens=0, image_shape=(64, 64, 3), apply_layernorm=True, name="image_encoder"
    )
    return _models().DepthAnythingBackbone(
        image_encoder=encoder, reassemble_factors=[4, 2, 1, 0.5], neck_hidden_dims=[4, 8, 12, 16], fusion_hidden_dim=8,
        head_hidden_dim=6, head_in_index=-1, feature_keys=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip


def _gemma3(*, vision: bool) -> Any:
    encoder = None
    if vision:
        encoder = _part("gemma3.gemma3_vision_encoder.Gemma3VisionEncoder")(
            image_size=16,
            patch_size=4,
            pool_size=2,
            num_layers=2,
            num_heads=2,
            hidden_dim=8,
            intermediate_dim=16,
            output_dim=16,
        )
    return _models().Gemma3Backbone(
        **GEMMA, image_size=16, query_head_dim_normalize=True, use_query_key_norm=True, use_post_ffw_norm=True,
        use_post_attention_norm=True, use_sliding_window_attention=True, sliding_window_size=3, vision_encoder=encoder,
    )  # fmt: skip


def _gemma3n(*, multimodal: bool) -> Any:
    settings: dict[str, Any] = {
        "text_vocab_size": 37, "text_hidden_size": 8, "num_hidden_layers": 2, "pad_token_id": 0, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 4, "intermediate_size": [12, 12], "hidden_activation": "gelu_approximate",
        "layer_types": ["sliding_attention", "full_attention"], "sliding_window": 3, "rope_theta": 10000.0,
        "max_position_embeddings": 12, "vocab_size_per_layer_input": 37, "hidden_size_per_layer_input": 4, "altup_num_inputs": 2,
        "laurel_rank": 2,
    }  # fmt: skip
    if multimodal:
        arguments = _part("mobilenetv5.mobilenetv5_builder.convert_arch_def_to_stackwise")([["er_r1_k3_s1_e1_c8"]])
        vision = _models().MobileNetV5Backbone(**arguments, num_features=4, image_shape=(16, 16, 3), use_msfa=False)
        audio = _part("gemma3n.gemma3n_audio_encoder.Gemma3nAudioEncoder")(
            hidden_size=4, input_feat_size=16, sscp_conv_channel_size=[2, 4], sscp_conv_kernel_size=[(1, 1), (1, 1)],
            sscp_conv_stride_size=[(2, 2), (2, 2)], sscp_conv_group_norm_eps=1e-5, num_hidden_layers=1, rms_norm_eps=1e-6,
            gradient_clipping=1.0, residual_weight=0.5, num_attention_heads=1, attention_chunk_size=2,
            num_attention_context_right=1, num_attention_context_left=1, attention_logit_cap=50.0, conv_kernel_size=3,
            reduction_factor=1,
        )  # fmt: skip
        settings |= {
            "vision_encoder_config": vision.get_config(), "vision_hidden_size": 8, "audio_encoder_config": audio.get_config(),
            "audio_hidden_size": 4,
        }  # fmt: skip
    return _models().Gemma3nBackbone(**settings)


def _gemma4(*, vision: bool) -> Any:
    encoder = None
    if vision:
        encoder = _part("gemma4.gemma4_vision_encoder.Gemma4VisionEncoder")(
            image_size=16, patch_size=4, pool_size=2, num_layers=2, num_heads=2, head_dim=4, num_key_value_heads=2, hidden_dim=8,
            intermediate_dim=16, output_dim=16,
        )  # fmt: skip
    return _models().Gemma4Backbone(
        **GEMMA, image_size=16, use_sliding_window_attention=True, sliding_window_size=3, vision_encoder=encoder
    )


def _sam() -> Any:
    encoder = _models().ViTDetBackbone(
        hidden_size=16, num_layers=2, intermediate_dim=24, num_heads=2, global_attention_layer_indices=[1], patch_size=4,
        num_output_channels=16, window_size=2, image_shape=(16, 16, 3),
    )  # fmt: skip
    prompt = _part("sam.sam_prompt_encoder.SAMPromptEncoder")(
        hidden_size=16, image_embedding_size=(4, 4), input_image_size=(16, 16), mask_in_channels=16
    )
    # a quarter of its width is what its upscaling normalizes over: two entries would come out as their signs, rounding and all
    decoder = _part("sam.sam_mask_decoder.SAMMaskDecoder")(
        num_layers=2, hidden_size=16, intermediate_dim=16, num_heads=2, embedding_dim=16, num_multimask_outputs=3, iou_head_depth=3,
        iou_head_hidden_dim=8,
    )  # fmt: skip
    return _models().SAMBackbone(image_encoder=encoder, prompt_encoder=prompt, mask_decoder=decoder)


def _sam3() -> Any:
    shared: dict[str, Any] = {"num_layers": 2, "hidden_dim": 16, "intermediate_dim": 24, "num_heads": 2}
    vision = _part("sam3.sam3_vision_encoder.SAM3VisionEncoder")(
        **shared, image_shape=(28, 28, 3), patch_size=14, fpn_hidden_dim=16, fpn_scale_factors=[4.0, 2.0, 1.0, 0.5],
        pretrain_image_shape=(42, 42, 3), window_size=2, global_attn_indexes=[1, 2],
    )  # fmt: skip
    return _models().SAM3PromptableConceptBackbone(
        vision_encoder=vision,
        text_encoder=_part("sam3.sam3_text_encoder.SAM3TextEncoder")(vocabulary_size=37, embedding_dim=16, **shared),
        geometry_encoder=_part("sam3.sam3_geometry_encoder.SAM3GeometryEncoder")(**shared, roi_size=7),
        detr_encoder=_part("sam3.sam3_detr_encoder.SAM3DetrEncoder")(**shared),
        detr_decoder=_part("sam3.sam3_detr_decoder.SAM3DetrDecoder")(
            **shared, image_shape=(28, 28, 3), patch_size=14, num_queries=6
        ),
        mask_decoder=_part("sam3.sam3_mask_decoder.SAM3MaskDecoder")(
            num_upsampling_stages=3, hidden_dim=16, num_heads=2
        ),
    )


def _vae(**settings: Any) -> Any:
    filters = {
        f"{part}_num_{what}": [n] * 4 for part in ("encoder", "decoder") for what, n in (("filters", 32), ("blocks", 1))
    }
    return _part("vae.vae_backbone.VAEBackbone")(**filters, sampler_method="mode", **settings)


def _diffusion() -> Any:
    def text(width: int, activation: str, name: str) -> Any:
        return _models().CLIPTextEncoder(20, width, width, 2, 2, 24, activation, -2, name=name)

    return _models().StableDiffusion3Backbone(
        mmdit_patch_size=2, mmdit_hidden_dim=32, mmdit_num_layers=2, mmdit_num_heads=2, mmdit_position_size=16, mmdit_qk_norm=None,
        mmdit_dual_attention_indices=None, vae=_vae(name="vae"), clip_l=text(16, "quick_gelu", "clip_l"),
        clip_g=text(24, "gelu", "clip_g"), image_shape=(32, 32, 3),
    )  # fmt: skip


def _retinanet() -> Any:
    encoder = _models().ResNetBackbone(
        **RESNET
        | {
            "stackwise_num_filters": [64, 8, 12, 16],
            "stackwise_num_blocks": [1] * 4,
            "stackwise_num_strides": [1, 2, 2, 2],
        }
    )
    return _models().RetinaNetBackbone(
        image_encoder=encoder, min_level=3, max_level=5, use_p5=False, image_shape=(64, 64, 3)
    )


def _parseq() -> Any:
    encoder = _models().ViTBackbone(
        image_shape=(8, 32, 3), patch_size=(4, 8), num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=24, use_class_token=False,
        name="image_encoder",
    )  # fmt: skip
    return _models().PARSeqBackbone(
        image_encoder=encoder, vocabulary_size=37, max_label_length=7, decoder_hidden_dim=16, num_decoder_layers=1,
        num_decoder_heads=2, decoder_mlp_dim=24, dropout_rate=0.0, attention_dropout=0.0,
    )  # fmt: skip


BACKBONES: dict[str, Member] = {
    # vision
    "BASNetBackbone": Member(_basnet, image=(64, 64)),
    "CSPNetBackbone": Member(_backbone("CSPNetBackbone", stem_filters=8, stem_kernel_size=3, stem_strides=1, stackwise_strides=2, stackwise_depth=[1, 2], stackwise_num_filters=[8, 12], image_shape=(32, 32, 3), down_growth=True, bottle_ratio=(0.5, 1.0), block_ratio=(1.0, 0.5), expand_ratio=(2.0, 1.0), block_type="dark_block", stage_type="csp", stem_padding="same")),
    "DFineBackbone": Member(_d_fine),
    "DINOV2Backbone": Member(_backbone("DINOV2Backbone", **_DINO, num_register_tokens=2, image_shape=(24, 24, 3))),
    "DINOV3Backbone": Member(_backbone("DINOV3Backbone", **_DINO, num_register_tokens=2, image_shape=(24, 32, 3))),
    "DeepLabV3Backbone": Member(_deeplab),
    "DeiTBackbone": Member(_backbone("DeiTBackbone", **VIT, patch_size=8, intermediate_dim=24)),
    "DenseNetBackbone": Member(_backbone("DenseNetBackbone", stackwise_num_repeats=[2, 2, 1], compression_ratio=0.5, growth_rate=4, image_shape=(32, 32, 3))),
    "DepthAnythingBackbone": Member(_depth_anything),
    "EfficientNetBackbone": Member(_backbone("EfficientNetBackbone", stackwise_kernel_sizes=[3, 5, 3], stackwise_num_repeats=[1, 2, 1], stackwise_input_filters=[8, 8, 12], stackwise_output_filters=[8, 12, 16], stackwise_expansion_ratios=[1, 4, 4], stackwise_squeeze_and_excite_ratios=[0.0, 0.25, 0.25], stackwise_strides=[1, 2, 2], stackwise_block_types=["fused", "unfused", "v1"], stackwise_force_input_filters=[0] * 3, stackwise_nores_option=[False] * 3, width_coefficient=1.0, depth_coefficient=1.0, image_shape=(32, 32, 3))),
    "HGNetV2Backbone": Member(_backbone("HGNetV2Backbone", **HGNET, image_shape=(32, 32, 3))),
    "MiTBackbone": Member(_MIT),
    "MobileNetBackbone": Member(_backbone("MobileNetBackbone", stackwise_expansion=[[8, 12], [16]], stackwise_num_blocks=[2, 1], stackwise_num_filters=[[8, 8], [12]], stackwise_kernel_size=[[3, 3], [5]], stackwise_num_strides=[[2, 1], [2]], stackwise_se_ratio=[[None, None], [0.25]], stackwise_activation=[["relu", "relu6"], ["hard_swish"]], stackwise_padding=[[1, 1], [2]], output_num_filters=16, input_activation="hard_swish", output_activation="hard_swish", input_num_filters=8, image_shape=(32, 32, 3), depthwise_filters=8, depthwise_stride=2, depthwise_residual=False, squeeze_and_excite=0.5, last_layer_filter=12)),
    "MobileNetV5Backbone": Member(_backbone("MobileNetV5Backbone", stackwise_block_types=[["er"], ["uir", "mqa"]], stackwise_num_blocks=[1, 2], stackwise_num_filters=[[8], [12, 12]], stackwise_strides=[[2], [2, 1]], stackwise_act_layers=[["relu"], ["relu", "relu"]], stackwise_exp_ratios=[[2.0], [2.0, 0.0]], stackwise_se_ratios=[[0.0], [0.0, 0.0]], stackwise_dw_kernel_sizes=[[0], [5, 3]], stackwise_dw_start_kernel_sizes=[[0], [3, 0]], stackwise_dw_end_kernel_sizes=[[0], [0, 0]], stackwise_exp_kernel_sizes=[[3], [0, 0]], stackwise_pw_kernel_sizes=[[1], [0, 0]], stackwise_num_heads=[[0], [0, 2]], stackwise_key_dims=[[0], [0, 4]], stackwise_value_dims=[[0], [0, 4]], stackwise_kv_strides=[[0], [0, 2]], stackwise_use_cpe=[[False], [False, False]], image_shape=(32, 32, 3), stem_size=8, use_msfa=False)),
    "ResNetBackbone": Member(_RESNET),
    "ResNetBackbone, bottlenecks before activations": Member(_backbone("ResNetBackbone", **RESNET | {"block_type": "bottleneck_block", "use_pre_activation": True})),
    "ResNetBackbone, vd": Member(_backbone("ResNetBackbone", **RESNET | {"block_type": "basic_block_vd", "input_conv_filters": [4, 4, 64], "input_conv_kernel_sizes": [3, 3, 3]})),
    "RetinaNetBackbone": Member(_retinanet),
    "SAMBackbone": Member(_sam, is_fixed=True, shapes={"points": (2, 2), "labels": (2,), "boxes": (1, 2, 2), "masks": (0, 16, 16, 1)}, values={"labels": _integers(2)}),
    # a mask of one axis less than its attention takes lets it run one image at a time
    "SAM3PromptableConceptBackbone": Member(_sam3, batches=(1, 1), is_fixed=True, values={"box_labels": _integers(2), "boxes": _uniform(0.2, 0.8)}),
    "SegFormerBackbone": Member(lambda: _models().SegFormerBackbone(image_encoder=_MIT(), projection_filters=8)),
    "SwinTransformerBackbone": Member(_backbone("SwinTransformerBackbone", image_shape=(32, 32, 3), embed_dim=8, depths=(2, 2), num_heads=(2, 4), window_size=4)),
    "VGGBackbone": Member(_backbone("VGGBackbone", stackwise_num_repeats=[1, 2], stackwise_num_filters=[4, 8], image_shape=(32, 32, 3))),
    "ViTBackbone": Member(_VIT),
    "ViTDetBackbone": Member(_backbone("ViTDetBackbone", image_shape=(24, 24, 3), patch_size=4, hidden_size=8, num_layers=2, global_attention_layer_indices=[1], intermediate_dim=16, num_heads=2, num_output_channels=4, window_size=4)),
    "VideoPrismBackbone": Member(_backbone("VideoPrismBackbone", image_shape=(16, 16, 3), num_frames=4, patch_size=4, hidden_dim=16, intermediate_dim=24, num_heads=2, num_spatial_layers=1, num_temporal_layers=1, num_auxiliary_layers=1, vocabulary_size=0, num_text_layers=0)),
    "VideoPrismBackbone, with text": Member(_backbone("VideoPrismBackbone", image_shape=(16, 16, 3), num_frames=2, patch_size=4, hidden_dim=16, intermediate_dim=24, num_heads=2, num_spatial_layers=1, num_temporal_layers=1, num_auxiliary_layers=1, vocabulary_size=37, num_text_layers=1)),
    "XceptionBackbone": Member(_backbone("XceptionBackbone", stackwise_conv_filters=[[8, 12], [16, 16]], stackwise_pooling=[True, False], image_shape=(32, 32, 3))),
    "VAEBackbone": Member(_vae),
    # text
    "AlbertBackbone": Member(_backbone("AlbertBackbone", **POSITIONS, num_groups=1, num_inner_repetitions=1, embedding_dim=8)),
    "BartBackbone": Member(_backbone("BartBackbone", **POSITIONS)),
    "BertBackbone": Member(_backbone("BertBackbone", **POSITIONS)),
    "BloomBackbone": Member(_backbone("BloomBackbone", **TEXT)),
    "DebertaV3Backbone": Member(_backbone("DebertaV3Backbone", **POSITIONS, bucket_size=4)),
    "DistilBertBackbone": Member(_backbone("DistilBertBackbone", **POSITIONS)),
    "ESMBackbone": Member(_backbone("ESMBackbone", **TEXT)),
    "EdRecBackbone": Member(_backbone("EdRecBackbone", vocab_size=37, num_layers_enc=2, num_layers_dec=2, num_heads=2, hidden_dim=16, intermediate_dim=24, dropout=0.1)),
    "ElectraBackbone": Member(_backbone("ElectraBackbone", **{k: v for k, v in POSITIONS.items() if k != "vocabulary_size"}, vocab_size=37, embedding_dim=8)),
    "FNetBackbone": Member(_backbone("FNetBackbone", **{k: v for k, v in POSITIONS.items() if k != "num_heads"})),
    "FalconBackbone": Member(_backbone("FalconBackbone", **{k: v for k, v in TEXT.items() if k != "num_heads"}, num_attention_heads=2)),
    "GPT2Backbone": Member(_backbone("GPT2Backbone", **POSITIONS)),
    "GPTNeoXBackbone": Member(_backbone("GPTNeoXBackbone", **POSITIONS)),
    "GemmaBackbone": Member(_backbone("GemmaBackbone", **GEMMA)),
    "GemmaBackbone, second": Member(_backbone("GemmaBackbone", **GEMMA, query_head_dim_normalize=False, use_post_ffw_norm=True, use_post_attention_norm=True, final_logit_soft_cap=30, attention_logit_soft_cap=50, sliding_window_size=3, use_sliding_window_attention=True)),
    "Gemma3Backbone": Member(partial(_gemma3, vision=False)),
    "Gemma3nBackbone": Member(partial(_gemma3n, multimodal=False)),
    "Gemma4Backbone": Member(partial(_gemma4, vision=False)),
    "GptOssBackbone": Member(_backbone("GptOssBackbone", **GROUPED, num_experts=4, top_k=2, sliding_window=3)),
    "LlamaBackbone": Member(_backbone("LlamaBackbone", **GROUPED)),
    "Llama3Backbone": Member(_backbone("Llama3Backbone", **GROUPED)),
    "MistralBackbone": Member(_backbone("MistralBackbone", **GROUPED, sliding_window=3)),
    "MixtralBackbone": Member(_backbone("MixtralBackbone", **GROUPED, num_experts=4, top_k=2, sliding_window=3)),
    "OPTBackbone": Member(_backbone("OPTBackbone", **POSITIONS)),
    "Phi3Backbone": Member(_backbone("Phi3Backbone", **GROUPED)),
    "Phi3Backbone, su": Member(_backbone("Phi3Backbone", **GROUPED, max_sequence_length=10, pretraining_sequence_length=5, rope_scaling_type="su", rope_scaling_short_factor=[1.2, 1.4], rope_scaling_long_factor=[0.8, 0.6])),
    "QwenBackbone": Member(_backbone("QwenBackbone", **GROUPED)),
    "QwenMoeBackbone": Member(_backbone("QwenMoeBackbone", **GROUPED, **EXPERTS, shared_expert_intermediate_dim=12, norm_top_k_prob=True)),
    "Qwen3Backbone": Member(_backbone("Qwen3Backbone", **GROUPED, head_dim=8)),
    "Qwen3MoeBackbone": Member(_backbone("Qwen3MoeBackbone", **GROUPED, **EXPERTS, head_dim=8, norm_top_k_prob=True)),
    "Qwen3_5Backbone": Member(_backbone("Qwen3_5Backbone", **LINEAR), is_fixed=True),
    "Qwen3_5MoeBackbone": Member(_backbone("Qwen3_5MoeBackbone", **{k: v for k, v in LINEAR.items() if k != "intermediate_dim"}, **EXPERTS, shared_expert_intermediate_size=12), is_fixed=True),
    "RWKV7Backbone": Member(_backbone("RWKV7Backbone", vocabulary_size=37, hidden_size=16, num_layers=2, head_size=4, intermediate_dim=24, gate_lora=8, mv_lora=8, aaa_lora=8, decay_lora=8), steps=16, is_fixed=True),
    "RobertaBackbone": Member(_backbone("RobertaBackbone", **POSITIONS)),
    "RoformerV2Backbone": Member(_backbone("RoformerV2Backbone", **TEXT, head_size=8)),
    "SmolLM3Backbone": Member(_backbone("SmolLM3Backbone", vocabulary_size=37, hidden_dim=16, intermediate_dim=24, num_layers=2, num_attention_heads=4, num_key_value_heads=2, attention_bias=False, attention_dropout=0.0, rope_layer_enabled_list=[True, False], layer_types=["attention", "attention"], mlp_bias=False, layer_norm_epsilon=1e-5, max_position_embeddings=16, rope_theta=10000.0, partial_rotary_factor=1.0)),
    "T5Backbone": Member(_backbone("T5Backbone", **TEXT)),
    "T5GemmaBackbone": Member(_backbone("T5GemmaBackbone", **T5GEMMA)),
    "T5Gemma2Backbone": Member(_backbone("T5Gemma2Backbone", **T5GEMMA)),
    "XLMRobertaBackbone": Member(_backbone("XLMRobertaBackbone", **POSITIONS)),
    "XLNetBackbone": Member(_backbone("XLNetBackbone", **TEXT)),
    # images, sound and text together
    "BLIP2Backbone": Member(_blip2),
    "CLIPBackbone": Member(partial(_two_encoders, "CLIP"), steps=9),
    "CLIPTextEncoder": Member(_backbone("CLIPTextEncoder", **POSITIONS, embedding_dim=16), steps=12),
    "CLIPVisionEncoder": Member(_backbone("CLIPVisionEncoder", patch_size=8, hidden_dim=16, num_layers=2, num_heads=2, intermediate_dim=24, image_shape=(24, 24, 3))),
    "FluxBackbone": Member(_backbone("FluxBackbone", input_channels=8, hidden_size=32, mlp_ratio=2.0, num_heads=2, depth=1, depth_single_blocks=1, axes_dim=[4, 6, 6], theta=10_000, use_bias=True, guidance_embed=True, image_shape=(6, 8), text_shape=(5, 12), image_ids_shape=(6, 3), text_ids_shape=(5, 3), y_shape=(9,))),
    "Gemma3Backbone, with images": Member(partial(_gemma3, vision=True), steps=12, shapes={"images": (2, 16, 16, 3), "vision_indices": (8,)}, values={"vision_mask": _always([False] * 2 + [True] * 4 + [False] + [True] * 4 + [False]), "vision_indices": _always([2, 3, 4, 5, 7, 8, 9, 10])}),
    "Gemma3nBackbone, with images and sound": Member(partial(_gemma3n, multimodal=True), is_fixed=True, shapes={"images": (1, 16, 16, 3), "input_features": (1, 8, 16), "input_features_mask": (1, 8)}, values={"input_features_mask": _integers(1)}, steps=8),
    "Gemma4Backbone, with images": Member(partial(_gemma4, vision=True), is_fixed=True, steps=12, shapes={"pixel_values": (2, 16, 48), "pixel_position_ids": (2, 16, 2), "vision_indices": (8,)}, values={"pixel_position_ids": _integers(4), "position_ids": _always(range(12)), "vision_mask": _always([False] * 2 + [True] * 4 + [False] + [True] * 4 + [False]), "vision_indices": _always([2, 3, 4, 5, 7, 8, 9, 10])}),
    "MetaCLIP2Backbone": Member(partial(_two_encoders, "MetaCLIP2"), steps=9),
    "MetaCLIP2TextEncoder": Member(_backbone("MetaCLIP2TextEncoder", **POSITIONS, embedding_dim=16), steps=12),
    "MetaCLIP2VisionEncoder": Member(_backbone("MetaCLIP2VisionEncoder", patch_size=8, hidden_dim=16, num_layers=2, num_heads=2, intermediate_dim=24, image_shape=(24, 24, 3))),
    "MoonshineBackbone": Member(_backbone("MoonshineBackbone", vocabulary_size=37, filter_dim=16, encoder_num_layers=1, decoder_num_layers=1, hidden_dim=16, intermediate_dim=24, encoder_num_heads=2, decoder_num_heads=2, feedforward_expansion_factor=2, encoder_use_swiglu_activation=False, decoder_use_swiglu_activation=True, max_position_embeddings=64, partial_rotary_factor=0.62, dropout=0.0), shapes={"encoder_input_values": (1600, 1), "encoder_padding_mask": (1600,)}, values={"encoder_padding_mask": lambda random, shape: np.arange(shape[1]) < np.array([shape[1] - 700] + [shape[1]] * (shape[0] - 1))[:, None]}),
    "PARSeqBackbone": Member(_parseq),
    "PaliGemmaBackbone": Member(_backbone("PaliGemmaBackbone", **GEMMA, image_size=16, vit_patch_size=4, vit_num_layers=2, vit_num_heads=2, vit_hidden_dim=8, vit_intermediate_dim=16), values={"response_mask": _integers(2)}),
    "SigLIPBackbone": Member(partial(_two_encoders, "SigLIP"), steps=9),
    "SigLIPTextEncoder": Member(_backbone("SigLIPTextEncoder", **POSITIONS, embedding_dim=16), steps=12),
    "SigLIPVisionEncoder": Member(_backbone("SigLIPVisionEncoder", patch_size=8, hidden_dim=16, num_layers=2, num_heads=2, intermediate_dim=24, image_shape=(24, 24, 3))),
    "StableDiffusion3Backbone": Member(_diffusion, tokens=20, shapes={"latents": (4, 4, 16)}, values={"num_steps": _always(3), "guidance_scale": _uniform(2, 5)}),
    "WhisperBackbone": Member(_backbone("WhisperBackbone", **TEXT, max_encoder_sequence_length=12, max_decoder_sequence_length=12), shapes={"encoder_features": (12, 80)}),
    "RQVAEBackbone": Member(lambda: _part("rqvae.rqvae_backbone.RQVAEBackbone")(input_dim=12, encoder_layer_dims=[16, 12], output_dim=8, decoder_layer_dims=[12, 16], num_embeddings=4, num_quantizers=2, decay=0.99, data_variance=1.0, commitment_cost=0.25)),
}  # fmt: skip


def _with_task(name: str, backbone: str, **settings: Any) -> dict[str, Member]:
    """A task on a backbone of the table."""
    member = BACKBONES[backbone]
    return {name: replace(member, make=lambda: getattr(_models(), name)(backbone=member.make(), **settings))}


def _on_each(suffix: str, *families: str, **settings: Any) -> dict[str, Member]:
    return {k: v for name in families for k, v in _with_task(f"{name}{suffix}", f"{name}Backbone", **settings).items()}


TASKS: dict[str, Member] = {
    **_on_each("MaskedLM", "Albert", "Bert", "DebertaV3", "DistilBert", "FNet", "Roberta", "RoformerV2", "XLMRoberta"),
    **_on_each(
        "TextClassifier", "Albert", "Bert", "DebertaV3", "DistilBert", "FNet", "Roberta", "RoformerV2", "XLMRoberta", num_classes=3
    ),
    **_on_each("TextEmbedder", "Bert", "Gemma3", "Qwen3", "XLMRoberta"),
    **_on_each(
        "CausalLM", "Bloom", "Falcon", "GPT2", "GPTNeoX", "Gemma", "GptOss", "Llama", "Llama3", "Mistral", "Mixtral", "OPT", "Phi3",
        "Qwen", "QwenMoe", "Qwen3", "Qwen3Moe", "Qwen3_5", "Qwen3_5Moe", "RWKV7", "SmolLM3",
    ),
    **_on_each("CausalLM", "BLIP2", "Gemma3", "Gemma3n", "Gemma4", "PaliGemma", preprocessor=None),
    **_on_each("Seq2SeqLM", "Bart", "EdRec", "T5", "T5Gemma", "T5Gemma2"),
    **_on_each(
        "ImageClassifier", "CSPNet", "DeiT", "DenseNet", "EfficientNet", "MiT", "MobileNet", "MobileNetV5", "ResNet",
        "SwinTransformer", "VGG", "ViT", "Xception", num_classes=3,
    ),
    **_on_each("ImageClassifier", "HGNetV2", num_classes=3, preprocessor=None),
    **_on_each("ImageSegmenter", "DeepLabV3", "SegFormer", num_classes=3),
    **_on_each("ImageSegmenter", "BASNet", "SAM", "SAM3PromptableConcept"),
    **_with_task("DFineObjectDetector", "DFineBackbone", num_classes=4),
    **_with_task("RetinaNetObjectDetector", "RetinaNetBackbone", num_classes=3),
    **_with_task("DepthAnythingDepthEstimator", "DepthAnythingBackbone", depth_estimation_type="relative"),
    **_with_task("ESMMaskedPLM", "ESMBackbone"),
    **_with_task("ESMProteinClassifier", "ESMBackbone", num_classes=3),
    **_with_task("MoonshineAudioToText", "MoonshineBackbone"),
    **_with_task("FluxTextToImage", "FluxBackbone", preprocessor=None),
    **_with_task("StableDiffusion3TextToImage", "StableDiffusion3Backbone", preprocessor=None),
    **_with_task("StableDiffusion3ImageToImage", "StableDiffusion3Backbone", preprocessor=None),
    **_with_task("StableDiffusion3Inpaint", "StableDiffusion3Backbone", preprocessor=None),
}  # fmt: skip

MEMBERS = BACKBONES | TASKS
