"""The towers: the shipped CLIP model, and a convolutional teacher that is thrown away.

`Clip` is written with the parameter names of transformers' CLIPModel, so that its state dict is
the checkpoint. It is smaller than the real class and compiles well. Next: train.py, export.py.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .tokens import CONTEXT, MERGES


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of one tower."""

    width: int
    layers: int
    heads: int


SIDE, PATCH, JOINT = 48, 8, 192
VISION = Shape(width=192, layers=6, heads=3)
TEXT = Shape(width=192, layers=3, heads=3)
DRAFT_TEXT = Shape(width=128, layers=3, heads=2)  # beside the image tower in training only
VOCABULARY = 512 + MERGES + 2
EPS = 1e-5


class Attention(nn.Module):
    """Multi-head attention with separate q, k and v weights, as the checkpoint has them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            setattr(self, name, nn.Linear(shape.width, shape.width))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Map tokens (B, L, D) to (B, L, D)."""
        batch, length, width = x.shape
        parts = (self.q_proj, self.k_proj, self.v_proj)
        weight = torch.cat([p.weight for p in parts])
        bias = torch.cat([p.bias for p in parts])
        packed = F.linear(x, weight, bias).view(batch, length, 3, self.heads, -1)
        q, k, v = packed.permute(2, 0, 3, 1, 4).reshape(3, batch * self.heads, length, -1).unbind(0)
        scores = torch.bmm(q * (width // self.heads) ** -0.5, k.transpose(1, 2))
        if mask is not None:
            scores = scores + mask
        mixed = torch.bmm(torch.softmax(scores, -1), v).view(batch, self.heads, length, -1)
        return self.out_proj(mixed.transpose(1, 2).reshape(batch, length, width))


class Mlp(nn.Module):
    """Two linear layers with QuickGELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D)."""
        h = self.fc1(x)
        return self.fc2(h * torch.sigmoid(1.702 * h))


class Layer(nn.Module):
    """One pre-norm block."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.layer_norm1 = nn.LayerNorm(shape.width, EPS)
        self.mlp = Mlp(shape.width)
        self.layer_norm2 = nn.LayerNorm(shape.width, EPS)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map tokens (B, L, D) to (B, L, D)."""
        x = x + self.self_attn(self.layer_norm1(x), mask)
        return x + self.mlp(self.layer_norm2(x))


class Encoder(nn.Module):
    """The stack of blocks."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))


class VisionEmbeddings(nn.Module):
    """Patches, class token and positions."""

    def __init__(self) -> None:
        super().__init__()
        width, grid = VISION.width, SIDE // PATCH
        self.class_embedding = nn.Parameter(torch.randn(width) * 0.02)
        self.patch_embedding = nn.Conv2d(3, width, PATCH, PATCH, bias=False)
        self.position_embedding = nn.Embedding(grid * grid + 1, width)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map pixels (B, 3, S, S) to tokens (B, P + 1, D)."""
        batch, grid = len(pixels), SIDE // PATCH
        patches = pixels.view(batch, 3, grid, PATCH, grid, PATCH).permute(0, 2, 4, 1, 3, 5)
        weight = self.patch_embedding.weight.flatten(1)
        tokens = F.linear(patches.reshape(batch, grid * grid, -1), weight)
        first = self.class_embedding.expand(batch, 1, -1)
        return torch.cat([first.to(tokens.dtype), tokens], 1) + self.position_embedding.weight


class Vision(nn.Module):
    """The image tower up to its pooled output."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = VisionEmbeddings()
        self.pre_layrnorm = nn.LayerNorm(VISION.width, EPS)
        self.encoder = Encoder(VISION)
        self.post_layernorm = nn.LayerNorm(VISION.width, EPS)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map pixels (B, 3, S, S) to pooled rows (B, D)."""
        x = self.pre_layrnorm(self.embeddings(pixels))
        for layer in self.encoder.layers:
            x = layer(x)
        return self.post_layernorm(x[:, 0])


class TextEmbeddings(nn.Module):
    """Tokens and positions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(VOCABULARY, width)
        self.position_embedding = nn.Embedding(CONTEXT, width)


class Text(nn.Module):
    """The causal text tower up to its pooled output at the first end-of-text token."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embeddings = TextEmbeddings(shape.width)
        self.encoder = Encoder(shape)
        self.final_layer_norm = nn.LayerNorm(shape.width, EPS)
        future = torch.full((CONTEXT, CONTEXT), -1e4).triu(1)
        self.register_buffer("future", future, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Map ids (B, L) to pooled rows (B, D)."""
        e = self.embeddings
        x = e.token_embedding(ids) + e.position_embedding.weight
        for layer in self.encoder.layers:
            x = layer(x, self.future)
        end = (ids == VOCABULARY - 1).int().argmax(1)
        return self.final_layer_norm(x[torch.arange(len(ids)), end])


class Clip(nn.Module):
    """Both towers with their projections; embeddings come normalised."""

    def __init__(self, text: Shape = TEXT) -> None:
        super().__init__()
        self.text_model, self.vision_model = Text(text), Vision()
        self.visual_projection = nn.Linear(VISION.width, JOINT, bias=False)
        self.text_projection = nn.Linear(text.width, JOINT, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        initialise(self)

    def images(self, pixels: Tensor) -> Tensor:
        """Embed pixels (B, 3, S, S) as unit rows (B, E)."""
        return F.normalize(self.visual_projection(self.vision_model(pixels)).float(), dim=-1)

    def texts(self, ids: Tensor) -> Tensor:
        """Embed ids (B, L) as unit rows (B, E)."""
        return F.normalize(self.text_projection(self.text_model(ids)).float(), dim=-1)


def loaded(weights: dict[str, Tensor]) -> Clip:
    """Return a model with the given weights, draft or shipped."""
    width = len(weights["text_model.final_layer_norm.weight"])
    clip = Clip(TEXT if width == TEXT.width else DRAFT_TEXT)
    clip.load_state_dict(weights)
    return clip


def initialise(model: Clip) -> None:
    """Set small random weights, and in the image tower the mimetic start for small data."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=module.in_features**-0.5 * 0.7)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
    nn.init.trunc_normal_(model.vision_model.embeddings.patch_embedding.weight, std=0.05)
    with torch.no_grad():
        model.vision_model.embeddings.position_embedding.weight[1:] = grid_waves()
        for layer in model.vision_model.encoder.layers:
            mimetic(layer.self_attn)


def grid_waves() -> Tensor:
    """Return sine and cosine positions (P, D) of the patch grid, half for rows, half for columns."""
    grid, quarter = SIDE // PATCH, VISION.width // 4
    place = torch.arange(grid)[:, None] * torch.exp(-torch.arange(quarter) / quarter * math.log(50))
    wave = torch.cat([place.sin(), place.cos()], 1)
    rows = wave[:, None].expand(grid, grid, -1)
    columns = wave[None].expand(grid, grid, -1)
    return torch.cat([rows, columns], 2).flatten(0, 1)


def mimetic(attention: Attention) -> None:
    """Start attention as trained ones look (Trockman and Kolter 2023, arXiv:2305.09828).

    Query times key is close to 0.7 I, value times output close to -0.4 I, plus noise.
    """
    width = attention.q_proj.in_features
    head = width // attention.heads
    for h in range(attention.heads):
        noise = torch.randn(width, width) / math.sqrt(width)
        u, s, v = torch.linalg.svd(0.7 * noise + 0.7 * torch.eye(width))
        root = s[:head].sqrt()[:, None]
        rows = slice(h * head, (h + 1) * head)
        attention.q_proj.weight[rows] = u.T[:head] * root
        attention.k_proj.weight[rows] = v[:head] * root
    noise = torch.randn(width, width) / math.sqrt(width)
    u, s, v = torch.linalg.svd(0.4 * noise - 0.4 * torch.eye(width))
    attention.v_proj.weight.copy_(v * s.sqrt()[:, None])
    attention.out_proj.weight.copy_(u * s.sqrt())


def convolution(wide_in: int, wide_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolve without bias, then normalise the batch."""
    step = nn.Conv2d(wide_in, wide_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(step, nn.BatchNorm2d(wide_out))


class Residual(nn.Module):
    """Two 3x3 convolutions around a skip; halves the grid by averaging when asked."""

    def __init__(self, wide_in: int, wide_out: int, halve: bool) -> None:
        super().__init__()
        self.halve = halve
        self.first, self.second = (convolution(w, wide_out, 3) for w in (wide_in, wide_out))
        same = wide_in == wide_out
        self.skip = nn.Identity() if same else convolution(wide_in, wide_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W')."""
        if self.halve:
            x = F.avg_pool2d(x, 2)
        return F.relu(self.second(F.relu(self.first(x))) + self.skip(x))


class Teacher(nn.Module):
    """A small residual network that classifies views; `start` is its first class table."""

    def __init__(self, start: Tensor, width: int = 64) -> None:
        super().__init__()
        stem = [convolution(3, width // 2, 3, 2), nn.ReLU(), convolution(width // 2, width, 3)]
        blocks: list[nn.Module] = [*stem, nn.ReLU()]
        wide = width
        for stage, out in enumerate((width, 2 * width, 4 * width)):
            for block in range(2):
                blocks.append(Residual(wide, out, halve=stage > 0 and block == 0))
                wide = out
        self.body = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.table = nn.Parameter(start.clone())
        self.scale = nn.Parameter(torch.tensor(math.log(16.0)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Map pixels (B, 3, S, S) to class scores (B, classes)."""
        rows = F.normalize(self.body(pixels).float(), dim=-1)
        return rows @ F.normalize(self.table, dim=-1).T * self.scale.exp().clamp(max=40)
