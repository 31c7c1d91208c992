"""Members of the Hugging Face table: backbones of ``transformers`` at tiny configurations, and what each is fed.

A member is a configuration class, the class of the model, the configuration's settings and a kind of inputs. Weights are
random: nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["MEMBERS", "Member"]

Array = np.ndarray[Any, Any]

#: Settings that most transformers of vision share.
VISION = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
PATCHES = VISION | {"image_size": 24, "patch_size": 8}
#: Settings that most transformers of text share.
TEXT = {
    "vocab_size": 37, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
    "max_position_embeddings": 32,
}  # fmt: skip
DECODER = TEXT | {"num_key_value_heads": 1}
ROPED = DECODER | {"head_dim": 8}
AUDIO = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "vocab_size": 12,
    "conv_dim": (8, 8, 8), "conv_stride": (5, 2, 2), "conv_kernel": (10, 3, 3), "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip


@dataclass(frozen=True)
class Member:
    """A backbone of ``transformers``.

    Attributes
    ----------
    model
        Name of its class, behind a dot a part of it; its configuration is this up to the last ``Model`` or what ``config`` says.
    kind
        ``"image"``, ``"tokens"`` (with an attention mask), ``"wave"`` or ``"spectrum"``: what it is fed.
    shape
        Of one sample.
    name
        Keyword of the input where it is not made of tokens.
    masked
        Whether tokens come with an attention mask.
    """

    model: str
    kind: str
    settings: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    config: str = ""
    name: str = "pixel_values"
    masked: bool = True

    def make(self) -> Any:
        """The model with random weights, in inference mode."""
        import torch
        import transformers

        torch.manual_seed(0)
        config = getattr(transformers, self.config or self.model.removesuffix("Model") + "Config")(**self.settings)
        whole, _, part = self.model.partition(".")
        model = getattr(transformers, whole)(config)
        model = (getattr(model, part) if part else model).eval()
        with torch.no_grad():  # what is initialised to zero or one would hide an error
            for tensor in (*model.parameters(), *model.buffers()):
                if tensor.is_floating_point() and tensor.numel() and (tensor == tensor.flatten()[0]).all():
                    tensor += 0.1 * torch.rand_like(tensor)
        return model

    def inputs(self, batch: int, seed: int) -> dict[str, Array]:
        """Fresh inputs by keyword."""
        random = np.random.default_rng([seed, batch])
        if self.kind == "tokens":
            length = self.shape[0] if self.shape else 7
            mask = np.ones((batch, length), "int64")
            mask[0, length - 2 :] = 0
            ids = random.integers(3, 36, (batch, length))
            return (
                {"input_ids": ids, "attention_mask": mask} if "attention_mask" not in self.extra else {"input_ids": ids}
            )
        return {self.name: random.standard_normal((batch, *self.shape)).astype("float32")}


IMAGE = (3, 24, 24)

MEMBERS = {
    # vision
    "vit": Member("ViTModel", "image", PATCHES, IMAGE),
    "deit": Member("DeiTModel", "image", PATCHES, IMAGE),
    "beit": Member("BeitModel", "image", PATCHES | {"use_relative_position_bias": True}, IMAGE),
    "dinov2": Member("Dinov2Model", "image", PATCHES, IMAGE),
    "dinov2-registers": Member("Dinov2WithRegistersModel", "image", PATCHES, IMAGE),
    "vit-msn": Member("ViTMSNModel", "image", PATCHES, IMAGE),
    "yolos": Member("YolosModel", "image", VISION | {"image_size": [24, 32], "patch_size": 8, "num_detection_tokens": 3}, (3, 24, 32)),
    "ijepa": Member("IJepaModel", "image", PATCHES, IMAGE),
    "data2vec-vision": Member("Data2VecVisionModel", "image", PATCHES, IMAGE),
    "swin": Member("SwinModel", "image", {"image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 2], "window_size": 4}, (3, 32, 32)),
    "swinv2": Member("Swinv2Model", "image", {"image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 2], "window_size": 4}, (3, 32, 32)),
    "convnext": Member("ConvNextModel", "image", {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 2, 1]}, (3, 64, 48), "ConvNextConfig"),
    "convnextv2": Member("ConvNextV2Model", "image", {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 2, 1]}, (3, 64, 48)),
    "resnet": Member("ResNetModel", "image", {"embedding_size": 8, "hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 1, 1]}, (3, 64, 48)),
    "regnet": Member("RegNetModel", "image", {"embedding_size": 8, "hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 1, 1], "groups_width": 4}, (3, 64, 48)),
    "bit": Member("BitModel", "image", {"embedding_size": 8, "hidden_sizes": [8, 16, 16, 32], "depths": [1, 1, 1, 1], "num_groups": 4}, (3, 64, 48)),
    "segformer": Member("SegformerModel", "image", {"hidden_sizes": [8, 16, 16, 16], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 2, 2, 2], "decoder_hidden_size": 8}, (3, 64, 32)),
    "glpn": Member("GLPNModel", "image", {"hidden_sizes": [8, 16, 16, 16], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 2, 2, 2], "decoder_hidden_size": 8}, (3, 64, 32)),
    "mobilevit": Member("MobileViTModel", "image", {"hidden_sizes": [16, 16, 16], "neck_hidden_sizes": [8, 8, 12, 16, 16, 16, 16], "num_attention_heads": 2, "image_size": 64}, (3, 64, 64)),
    "mobilevitv2": Member("MobileViTV2Model", "image", {"width_multiplier": 0.25, "image_size": 64}, (3, 64, 64)),
    "mobilenet-v1": Member("MobileNetV1Model", "image", {"depth_multiplier": 0.25, "image_size": 64, "min_depth": 4}, (3, 64, 48)),
    "mobilenet-v2": Member("MobileNetV2Model", "image", {"depth_multiplier": 0.25, "image_size": 64, "min_depth": 4}, (3, 64, 48)),
    "efficientnet": Member("EfficientNetModel", "image", {"width_coefficient": 0.25, "depth_coefficient": 0.3, "hidden_dim": 320}, (3, 64, 64)),
    "pvt": Member("PvtModel", "image", {"image_size": 64, "hidden_sizes": [8, 16, 16, 16], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 2, 2, 2], "mlp_ratios": [2, 2, 2, 2]}, (3, 64, 64)),
    "pvtv2": Member("PvtV2Model", "image", {"image_size": 64, "hidden_sizes": [8, 16, 16, 16], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 2, 2, 2], "mlp_ratios": [2, 2, 2, 2]}, (3, 64, 64)),
    "levit": Member("LevitModel", "image", {"image_size": 64, "hidden_sizes": [16, 16, 24], "num_attention_heads": [2, 2, 3], "depths": [1, 1, 1], "key_dim": [4, 4, 4]}, (3, 64, 64)),
    "poolformer": Member("PoolFormerModel", "image", {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 1, 1]}, (3, 64, 48)),
    "cvt": Member("CvtModel", "image", {"embed_dim": [8, 16, 16], "num_heads": [1, 2, 2], "depth": [1, 2, 3]}, (3, 64, 48)),
    "focalnet": Member("FocalNetModel", "image", {"image_size": 32, "embed_dim": 8, "depths": [1, 1], "focal_levels": [1, 1], "focal_windows": [3, 3]}, (3, 32, 32)),
    "clip-vision": Member("CLIPVisionModel", "image", PATCHES | {"projection_dim": 8}, IMAGE, "CLIPVisionConfig"),
    "siglip-vision": Member("SiglipVisionModel", "image", PATCHES, IMAGE, "SiglipVisionConfig"),
    "dpt": Member("DPTModel", "image", PATCHES | {"is_hybrid": False}, IMAGE),
    # text
    "bert": Member("BertModel", "tokens", TEXT),
    "roberta": Member("RobertaModel", "tokens", TEXT),
    "distilbert": Member("DistilBertModel", "tokens", {"vocab_size": 37, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24, "max_position_embeddings": 32}),
    "albert": Member("AlbertModel", "tokens", TEXT | {"embedding_size": 8}),
    "electra": Member("ElectraModel", "tokens", TEXT | {"embedding_size": 8}),
    "mpnet": Member("MPNetModel", "tokens", TEXT),
    "deberta": Member("DebertaModel", "tokens", TEXT | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}),
    "deberta-v2": Member("DebertaV2Model", "tokens", TEXT | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 4}),
    "xlnet": Member("XLNetModel", "tokens", {"vocab_size": 37, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 24}),
    "xlm-roberta": Member("XLMRobertaModel", "tokens", TEXT),
    "camembert": Member("CamembertModel", "tokens", TEXT),
    "convbert": Member("ConvBertModel", "tokens", TEXT | {"embedding_size": 16, "conv_kernel_size": 3, "head_ratio": 2}),
    "squeezebert": Member("SqueezeBertModel", "tokens", TEXT | {"embedding_size": 16, "q_groups": 2, "k_groups": 2, "v_groups": 2, "post_attention_groups": 1, "intermediate_groups": 2, "output_groups": 2}),
    "mobilebert": Member("MobileBertModel", "tokens", TEXT | {"embedding_size": 8, "intra_bottleneck_size": 8, "num_feedforward_networks": 2}),
    "funnel": Member("FunnelBaseModel", "tokens", {"vocab_size": 37, "block_sizes": [1, 1], "d_model": 16, "n_head": 2, "d_head": 8, "d_inner": 24}, (8,), "FunnelConfig"),
    "fnet": Member("FNetModel", "tokens", TEXT, masked=False),
    "modernbert": Member("ModernBertModel", "tokens", TEXT | {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}),
    "clip-text": Member("CLIPTextModel", "tokens", TEXT | {"projection_dim": 8, "eos_token_id": 36, "bos_token_id": 1, "pad_token_id": 0}, config="CLIPTextConfig"),
    "siglip-text": Member("SiglipTextModel", "tokens", TEXT, (7,), "SiglipTextConfig"),
    "gpt2": Member("GPT2Model", "tokens", {"vocab_size": 37, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32, "use_cache": False}),
    "gpt-neox": Member("GPTNeoXModel", "tokens", TEXT | {"use_cache": False}),
    "gpt-neo": Member("GPTNeoModel", "tokens", {"vocab_size": 37, "hidden_size": 16, "num_layers": 2, "num_heads": 2, "intermediate_size": 24, "max_position_embeddings": 32, "attention_types": [[["global", "local"], 1]], "window_size": 4, "use_cache": False}),
    "opt": Member("OPTModel", "tokens", {"vocab_size": 37, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 24, "max_position_embeddings": 32, "word_embed_proj_dim": 16, "use_cache": False}),
    "bloom": Member("BloomModel", "tokens", {"vocab_size": 37, "hidden_size": 16, "n_layer": 2, "n_head": 2, "use_cache": False}),
    "llama": Member("LlamaModel", "tokens", DECODER | {"use_cache": False}),
    "mistral": Member("MistralModel", "tokens", DECODER | {"use_cache": False, "sliding_window": 4}),
    "qwen2": Member("Qwen2Model", "tokens", DECODER | {"use_cache": False}),
    "qwen3": Member("Qwen3Model", "tokens", ROPED | {"use_cache": False}),
    "gemma": Member("GemmaModel", "tokens", ROPED | {"use_cache": False}),
    "phi": Member("PhiModel", "tokens", DECODER | {"use_cache": False, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}),
    "t5-encoder": Member("T5EncoderModel", "tokens", {"vocab_size": 37, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}, config="T5Config"),
    "bart-encoder": Member("BartModel.encoder", "tokens", {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 8, "vocab_size": 37, "d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 24, "max_position_embeddings": 32}, config="BartConfig"),
    "llama-cache": Member("LlamaModel", "tokens", DECODER | {"use_cache": True}),
    # audio
    "wav2vec2": Member("Wav2Vec2Model", "wave", AUDIO, (400,), name="input_values"),
    "hubert": Member("HubertModel", "wave", AUDIO, (400,), name="input_values"),
    "wavlm": Member("WavLMModel", "wave", AUDIO, (400,), name="input_values"),
    "unispeech": Member("UniSpeechModel", "wave", AUDIO, (400,), name="input_values"),
    "data2vec-audio": Member("Data2VecAudioModel", "wave", AUDIO | {"conv_pos_kernel_size": 3}, (400,), name="input_values"),
    "sew": Member("SEWModel", "wave", AUDIO | {"squeeze_factor": 2}, (420,), name="input_values"),
    "whisper-encoder": Member("WhisperModel.encoder", "spectrum", {"vocab_size": 37, "d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 24, "num_mel_bins": 8, "max_source_positions": 10, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1, "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 8}, (8, 20), "WhisperConfig", "input_features"),
    "ast": Member("ASTModel", "spectrum", VISION | {"patch_size": 8, "frequency_stride": 8, "time_stride": 8, "max_length": 32, "num_mel_bins": 16}, (32, 16), name="input_values"),
    "wav2vec2-conformer": Member("Wav2Vec2ConformerModel", "wave", AUDIO | {"conv_depthwise_kernel_size": 5}, (400,), name="input_values"),
}  # fmt: skip
