"""The official generator as a reference: its structure and its names, in plain code of our own.

Written from the paper and from the names in its checkpoints, and with nothing of `lama_core.model` in it, so
that the two can be compared.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

Pair = tuple[torch.Tensor, torch.Tensor | None]


class FourierUnit(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_layer = nn.Conv2d(2 * channels, 2 * channels, kernel_size=1, bias=False)
        self.bn = nn.BatchNorm2d(2 * channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        c, h, w = x.shape[1:]
        f = torch.fft.rfftn(x, dim=(-2, -1), norm="ortho")
        planes = torch.stack([f.real, f.imag], dim=2).flatten(1, 2)
        planes = self.bn(self.conv_layer(planes)).clamp(min=0)
        planes = planes.unflatten(1, (c, 2))
        back = torch.complex(planes[:, :, 0], planes[:, :, 1])
        return torch.fft.irfftn(back, s=(h, w), dim=(-2, -1), norm="ortho")


class SpectralTransform(nn.Module):
    def __init__(self, channels: int, enable_lfu: bool) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = nn.Sequential(
            nn.Conv2d(channels, half, kernel_size=1, bias=False), nn.BatchNorm2d(half), nn.ReLU()
        )
        self.fu = FourierUnit(half)
        if enable_lfu:
            self.lfu = FourierUnit(half)
        self.conv2 = nn.Conv2d(half, channels, kernel_size=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv1(x)
        total = x + self.fu(x)
        if hasattr(self, "lfu"):
            _, c, h, w = x.shape
            assert h == w, "the official code works on square maps here"
            step = h // 2
            quarter = x[:, : c // 4]
            stacked = torch.cat(quarter.split(step, dim=-2), dim=1)
            stacked = torch.cat(stacked.split(step, dim=-1), dim=1)
            total = total + self.lfu(stacked).repeat(1, 1, 2, 2)
        return self.conv2(total)


class FFC(nn.Module):
    def __init__(
        self,
        cin: int,
        cout: int,
        kernel: int,
        gin: float,
        gout: float,
        stride: int,
        padding: int,
        enable_lfu: bool,
    ) -> None:
        super().__init__()
        in_cg, out_cg = int(cin * gin), int(cout * gout)
        in_cl, out_cl = cin - in_cg, cout - out_cg

        def conv(a: int, b: int) -> nn.Module:
            if a == 0 or b == 0:
                return nn.Identity()
            return nn.Conv2d(a, b, kernel, stride, padding, bias=False, padding_mode="reflect")

        self.in_cg, self.out_cg = in_cg, out_cg
        self.convl2l = conv(in_cl, out_cl)
        self.convl2g = conv(in_cl, out_cg)
        self.convg2l = conv(in_cg, out_cl)
        self.convg2g: nn.Module = nn.Identity()
        if in_cg and out_cg:
            self.convg2g = SpectralTransform(out_cg, enable_lfu)
        self.gate = nn.Identity()

    def forward(self, x: Pair) -> Pair:
        x_l, x_g = x
        out_l = self.convl2l(x_l)
        out_g = self.convl2g(x_l) if self.out_cg else None
        if self.in_cg:
            out_l = out_l + self.convg2l(x_g)
        if self.in_cg and self.out_cg:
            out_g = out_g + self.convg2g(x_g)
        return out_l, out_g


class FFC_BN_ACT(nn.Module):
    def __init__(
        self,
        cin: int,
        cout: int,
        kernel: int,
        gin: float,
        gout: float,
        stride: int = 1,
        padding: int = 0,
        enable_lfu: bool = False,
    ) -> None:
        super().__init__()
        self.ffc = FFC(cin, cout, kernel, gin, gout, stride, padding, enable_lfu)
        out_cg = self.ffc.out_cg
        self.bn_l = nn.BatchNorm2d(cout - out_cg)
        self.bn_g = nn.BatchNorm2d(out_cg) if out_cg else nn.Identity()

    def forward(self, x: Pair | torch.Tensor) -> Pair:
        out_l, out_g = self.ffc(x if isinstance(x, tuple) else (x, None))
        return self.bn_l(out_l).clamp(min=0), None if out_g is None else self.bn_g(out_g).clamp(min=0)


class FFCResnetBlock(nn.Module):
    def __init__(self, dim: int, ratio: float, enable_lfu: bool) -> None:
        super().__init__()
        self.conv1 = FFC_BN_ACT(dim, dim, 3, ratio, ratio, padding=1, enable_lfu=enable_lfu)
        self.conv2 = FFC_BN_ACT(dim, dim, 3, ratio, ratio, padding=1, enable_lfu=enable_lfu)

    def forward(self, x: Pair) -> Pair:
        out_l, out_g = self.conv2(self.conv1(x))
        return x[0] + out_l, x[1] + out_g


class ConcatTupleLayer(nn.Module):
    def forward(self, x: Pair) -> torch.Tensor:
        return torch.cat(x, dim=1)


class FFCResNetGenerator(nn.Module):
    """`model` has the official layers at the official numbers."""

    def __init__(
        self,
        *,
        ngf: int = 64,
        n_downsampling: int = 3,
        n_blocks: int = 18,
        max_features: int = 1024,
        ratio: float = 0.75,
        enable_lfu: bool = False,
        add_out_act: str = "sigmoid",
    ) -> None:
        super().__init__()
        widths = [min(max_features, ngf * 2**i) for i in range(n_downsampling + 1)]
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), FFC_BN_ACT(4, ngf, 7, 0, 0)]
        for i in range(n_downsampling):
            gout = ratio if i == n_downsampling - 1 else 0
            layers.append(FFC_BN_ACT(widths[i], widths[i + 1], 3, 0, gout, stride=2, padding=1))
        layers += [FFCResnetBlock(widths[-1], ratio, enable_lfu) for _ in range(n_blocks)]
        layers.append(ConcatTupleLayer())
        for i in range(n_downsampling, 0, -1):
            layers += [
                nn.ConvTranspose2d(widths[i], widths[i - 1], 3, stride=2, padding=1, output_padding=1),
                nn.BatchNorm2d(widths[i - 1]),
                nn.ReLU(),
            ]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(ngf, 3, kernel_size=7)]
        layers.append(nn.Tanh() if add_out_act == "tanh" else nn.Sigmoid())
        self.model = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


def random_official(*, seed: int = 0, **settings: object) -> FFCResNetGenerator:
    """A generator in eval mode with random weights, and BatchNorm statistics that are no identity."""
    torch.manual_seed(seed)
    generator = FFCResNetGenerator(**settings)
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.6, 1.4)
            nn.init.normal_(module.bias, 0, 0.2)
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.4, 1.6)
    return generator.eval()


@torch.no_grad()
def official_prediction(
    generator: FFCResNetGenerator, image: torch.Tensor, hole: torch.Tensor, *, multiple: int = 8
) -> torch.Tensor:
    """The official pipeline around the network: symmetric padding at bottom and right, and the crop after it.

    A map in the bottleneck is padded to two pixels a side: the official code cannot reflect what is smaller.
    """
    height, width = image.shape[-2:]
    smallest = 2 * 2 ** sum(isinstance(layer, nn.ConvTranspose2d) for layer in generator.model)
    rows, columns = (max(smallest, -(-n // multiple) * multiple) for n in (height, width))
    pads = ((0, 0), (0, 0), (0, rows - height), (0, columns - width))
    padded = torch.from_numpy(np.pad(image.numpy(), pads, mode="symmetric"))
    mask = torch.from_numpy(np.pad(hole.numpy(), pads, mode="symmetric"))
    prediction = generator(torch.cat([padded * (1 - mask), mask], dim=1))
    return prediction[:, :, :height, :width]
