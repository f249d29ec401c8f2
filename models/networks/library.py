"""Networks of a kept library in the generator's place, to be compared with on equal terms."""

from types import ModuleType

from torch import Tensor, nn

from models.networks.backbone import Backbone


class LibraryError(ValueError):
    """The library is not installed, or has no such network on this encoder; the message says what there is."""


class LibraryGenerator(nn.Module):
    """A network of segmentation_models_pytorch, as it builds it: image -> logits. It has no z, and takes none.

    Args:
        architecture: By the library's name, `PSPNet` or `deeplabv3plus`, in any case.
        backbone: Its encoder is replaced by the library's form of the same timm encoder, which may be cut short or dilated; weights are
            filled into it afterwards.
        encoder: Its name.

    Raises:
        LibraryError: The library is not installed, or has no such network on this encoder.
    """

    modulation = None
    """Without z there is nothing to modulate by."""

    def __init__(self, architecture: str, backbone: Backbone, encoder: str) -> None:
        super().__init__()
        library = _library()
        names: list[str] = sorted(library.MODEL_ARCHITECTURES_MAPPING)
        if architecture.lower() not in names:
            raise LibraryError(f"found network {architecture!r}, expected one of {', '.join(names)}")
        try:
            self.network = library.create_model(architecture, encoder_name=f"tu-{encoder}", encoder_weights=None)
        except (KeyError, RuntimeError, ValueError) as error:
            raise LibraryError(f"network {architecture!r} does not take encoder {encoder!r}: {error}") from error
        backbone.encoder = self.network.encoder.model
        self.backbone = backbone

    def encode(self, image: Tensor) -> Tensor:
        """The normalised image, (batch, 3, h, w), as it is: samples share nothing of the answer, for all are alike."""
        return image

    def decode(self, encoding: Tensor, latent: Tensor) -> Tensor:  # noqa: ARG002
        """(normalised image (batch, 3, h, w), any z) -> logits (batch, 1, h, w); h and w must be multiples of 32."""
        logits: Tensor = self.network(encoding)
        return logits

    def forward(self, image: Tensor, latent: Tensor) -> Tensor:
        """As `decode`."""
        return self.decode(image, latent)


def _library() -> ModuleType:
    try:
        import segmentation_models_pytorch
    except ImportError:
        raise LibraryError(
            "segmentation_models_pytorch is not installed, expected the extra `compare`: pip install 'smoke-bvm[compare]'"
        ) from None
    found: ModuleType = segmentation_models_pytorch
    return found
