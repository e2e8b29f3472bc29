"""Fast Fourier convolution: every output pixel sees the whole map (Chi et al., 2020; LaMa, section 2.1).

The channels of a map are split into a local and a global branch. Local convolutions work as usual; the global
branch goes through a spectral transform, whose convolution happens between the coefficients of a 2-D FFT.
A map that has no global branch has `None` in its place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

Branches = tuple[Tensor, Tensor | None]
"""The local and the global branch: (B, C_local, H, W) and (B, C_global, H, W) or None."""


class FourierUnit(nn.Module):
    """A 1x1 convolution between the FFT coefficients of all channels.

    Channel 2c of the convolution is the real part of input channel c, channel 2c+1 its imaginary part.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        # Half precision has no FFT for most sizes and loses the small coefficients: under autocast this part
        # stays in float32, and a model in half precision converts between the two.
        with torch.autocast(x.device.type, enabled=False):
            return self._in_frequency(x)

    def _in_frequency(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        spectrum = torch.view_as_real(torch.fft.rfft2(x.float(), norm="ortho"))  # (B, C, H, W/2+1, 2)
        spectrum = spectrum.permute(0, 1, 4, 2, 3)  # (B, C, 2, H, W/2+1)
        spectrum = spectrum.reshape(batch, 2 * channels, height, width // 2 + 1)
        # ReLU sees real and imaginary parts as separate channels, as in the paper's code.
        spectrum = torch.relu(self.norm(self.conv(spectrum.to(self.conv.weight.dtype)))).float()
        spectrum = spectrum.reshape(batch, channels, 2, height, width // 2 + 1).permute(0, 1, 3, 4, 2)
        # The size must be given: an odd width cannot be told from the number of coefficients.
        y = torch.fft.irfft2(torch.view_as_complex(spectrum.contiguous()), s=(height, width), norm="ortho")
        out: Tensor = y.to(x.dtype)
        return out


class SpectralTransform(nn.Module):
    """The path from global to global: 1x1 convolution, Fourier unit(s) with a skip, 1x1 convolution."""

    def __init__(self, channels: int, *, local_fourier_unit: bool) -> None:
        super().__init__()
        half = channels // 2
        self.conv_in = nn.Conv2d(channels, half, 1, bias=False)
        self.norm_in = nn.BatchNorm2d(half)
        self.fourier_unit = FourierUnit(half)
        self.local_fourier_unit = FourierUnit(half) if local_fourier_unit else None
        self.conv_out = nn.Conv2d(half, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape; with a local Fourier unit H and W must be even."""
        x = torch.relu(self.norm_in(self.conv_in(x)))  # (B, C/2, H, W)
        y = x + self.fourier_unit(x)
        if self.local_fourier_unit is not None:
            y = y + self._quadrants(x, self.local_fourier_unit)
        out: Tensor = self.conv_out(y)
        return out

    @staticmethod
    def _quadrants(x: Tensor, unit: FourierUnit) -> Tensor:
        """The first quarter of the channels, its four quadrants stacked as channels, through `unit`."""
        channels = x.shape[1]
        rows = torch.cat(x[:, : channels // 4].chunk(2, dim=2), dim=1)
        y: Tensor = unit(torch.cat(rows.chunk(2, dim=3), dim=1))  # (B, C, H/2, W/2)
        return y.repeat(1, 1, 2, 2)


def _conv(channels_in: int, channels_out: int, kernel: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(
        channels_in,
        channels_out,
        kernel,
        stride=stride,
        padding=kernel // 2,
        bias=False,
        padding_mode="reflect",
    )


class FFC(nn.Module):
    """The four paths between the branches; a path exists when both of its ends have channels."""

    def __init__(
        self,
        local_in: int,
        global_in: int,
        local_out: int,
        global_out: int,
        *,
        kernel: int,
        stride: int = 1,
        local_fourier_unit: bool = False,
    ) -> None:
        super().__init__()
        self.local_out, self.global_out = local_out, global_out
        self.local_to_local = _conv(local_in, local_out, kernel, stride)
        self.local_to_global = _conv(local_in, global_out, kernel, stride) if global_out else None
        self.global_to_local = _conv(global_in, local_out, kernel, stride) if global_in else None
        self.global_to_global: SpectralTransform | None = None
        if global_in and global_out:
            if global_in != global_out or stride != 1:
                raise ValueError("a spectral transform keeps the channels and the size of the global branch")
            self.global_to_global = SpectralTransform(global_in, local_fourier_unit=local_fourier_unit)

    def forward(self, branches: Branches) -> Branches:
        """Local (B, C_l, H, W) and global (B, C_g, H, W) or None, to both at 1/stride of the size."""
        x_local, x_global = branches
        y_local: Tensor = self.local_to_local(x_local)
        y_global: Tensor | None = None
        if self.local_to_global is not None:
            y_global = self.local_to_global(x_local)
        if x_global is not None:
            if self.global_to_local is not None:
                y_local = y_local + self.global_to_local(x_global)
            if self.global_to_global is not None and y_global is not None:
                y_global = y_global + self.global_to_global(x_global)
        return y_local, y_global


class FFCNormAct(nn.Module):
    """An FFC, then BatchNorm and ReLU on each branch."""

    def __init__(self, ffc: FFC) -> None:
        super().__init__()
        self.ffc = ffc
        self.norm_local = nn.BatchNorm2d(ffc.local_out)
        self.norm_global = nn.BatchNorm2d(ffc.global_out) if ffc.global_out else None

    def forward(self, branches: Branches) -> Branches:
        """As `FFC.forward`."""
        y_local, y_global = self.ffc(branches)
        y_local = torch.relu(self.norm_local(y_local))
        if y_global is not None and self.norm_global is not None:
            y_global = torch.relu(self.norm_global(y_global))
        return y_local, y_global


class FFCResidualBlock(nn.Module):
    """Two FFCs with a skip around them, at constant size and channels."""

    def __init__(self, local_channels: int, global_channels: int, *, local_fourier_unit: bool) -> None:
        super().__init__()

        def conv() -> FFCNormAct:
            channels = (local_channels, global_channels)
            return FFCNormAct(FFC(*channels, *channels, kernel=3, local_fourier_unit=local_fourier_unit))

        self.conv1 = conv()
        self.conv2 = conv()

    def forward(self, branches: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Both branches (B, C_l, H, W), (B, C_g, H, W) to the same shapes."""
        y_local, y_global = self.conv2(self.conv1(branches))
        return branches[0] + y_local, branches[1] + y_global
