"""Models that use an activation, and where that is said."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["USED_BY", "Model"]


class Model(NamedTuple):
    """A model, and the paper or source that says which activation it has."""

    name: str
    source: str


def _arxiv(**models: str) -> tuple[Model, ...]:
    return tuple(Model(name.replace("_", " "), f"https://arxiv.org/abs/{number}") for name, number in models.items())


_TRANSFORMERS = "https://github.com/huggingface/transformers/blob/main/src/transformers"
_NANOCHAT = (Model("nanochat", "https://github.com/karpathy/nanochat/blob/master/nanochat/gpt.py"),)

USED_BY: Mapping[str, tuple[Model, ...]] = MappingProxyType(
    {
        "acon_c": _arxiv(ACON_ResNet="2009.04759"),
        "clamped_swiglu": _arxiv(gpt_oss="2508.10925"),
        "dice": _arxiv(DIN="1706.06978"),
        "dyt": _arxiv(transformers_without_normalization="2503.10622"),
        "entmax": _arxiv(adaptively_sparse_transformer="1909.00015"),
        "frelu": _arxiv(FReLU_ResNet="2007.11824"),
        "gaussian_topk": (Model("Gemma 3n", f"{_TRANSFORMERS}/models/gemma3n/modeling_gemma3n.py"),),
        "geglu": _arxiv(T5_1_1="2002.05202", Gemma="2403.08295"),
        "gelu": _arxiv(BERT="1810.04805", ViT="2010.11929", ConvNeXt="2201.03545"),
        "glu": _arxiv(gated_convolutional_language_model="1612.08083", Conformer="2005.08100"),
        "hard_sigmoid": _arxiv(MobileNetV3="1905.02244"),
        "hard_silu": _arxiv(MobileNetV3="1905.02244"),
        "laplace": _arxiv(MEGA="2209.10655"),
        "leaky_relu": _arxiv(DCGAN="1511.06434", YOLOv3="1804.02767", StyleGAN="1812.04948"),
        "maxout": _arxiv(maxout_network="1302.4389"),
        "mish": _arxiv(YOLOv4="2004.10934"),
        "poly_norm": _arxiv(PolyCom="2411.03884"),
        "prelu": _arxiv(PReLU_net="1502.01852", SRGAN="1609.04802"),
        "quick_gelu": _arxiv(CLIP="2103.00020"),
        "rational": _arxiv(KAT="2409.10594"),
        "relu": _arxiv(ResNet="1512.03385", Transformer="1706.03762", OPT="2205.01068"),
        "relu6": _arxiv(MobileNetV2="1801.04381"),
        "relu_squared": _arxiv(Primer="2109.08668", RWKV="2305.13048", Nemotron_4="2402.16819") + _NANOCHAT,
        "selu": _arxiv(self_normalizing_network="1706.02515"),
        "silu": _arxiv(EfficientNet="1905.11946"),
        "sine": _arxiv(SIREN="2006.09661"),
        "snake": _arxiv(Descript_audio_codec="2306.06546"),
        "snake_beta": _arxiv(BigVGAN="2206.04658"),
        "soft_cap": _arxiv(Gemma_2="2408.00118") + _NANOCHAT,
        "softmax": _arxiv(Transformer="1706.03762"),
        "softplus": _arxiv(Mamba="2312.00752"),
        "spline": _arxiv(KAN="2404.19756"),
        "sqrt_softplus": (Model("DeepSeek V4", f"{_TRANSFORMERS}/activations.py"),),
        "star_relu": _arxiv(MetaFormer_baselines="2210.13452"),
        "swiglu": _arxiv(PaLM="2204.02311", LLaMA="2302.13971"),
        "xielu": _arxiv(Apertus="2509.14233"),
    }
)
"""For names of the catalogue; there are many more models than these."""
