"""The recipe's settings and schedules: every part has its own switch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from .errors import UserError


@dataclass
class Recipe:
    """The [recipe] table of a configuration.  Fractions are of all steps."""

    epochs: int
    batch: int = 128
    seed: int = 1

    # Optimisation
    peak_rate: float = 0.1        # highest learning rate of the kernels
    warmup: float = 0.12          # fraction until the peak
    momentum: float = 0.9
    rate_end: float = 0.0         # share of the highest rate that is left at the end
    rate_start: float = 0.0       # share of the highest rate at the start
    optimiser: str = "sgd"        # or "muon": for convolution kernels
    muon_rate: float = 0.1        # highest rate of kernels with Muon
    muon_momentum: float = 0.6
    vector_rate: float = 0.16     # rate of normalisations' factors and of curves, relative to the kernels': INPUT_SCALE squared
    bias_rate: float = 1.0        # how much faster biases of convolutions and normalisations are than other vectors
    head_rate: float = 1.0        # rate of linear layers, relative to the kernels'
    lookahead: bool = False       # slow weights that take the fast ones back every five steps
    weight_decay: float = 5e-4    # of kernels
    label_smoothing: float = 0.1
    clip: float = 3.0             # largest gradient norm; 0: no clipping
    average: float = 0.998        # decay per step of the averaged weights; 0: no averaging
    precision: str = "bf16"       # or "fp32"
    compile: bool = False         # torch.compile, outside the blend; needs PyTorch 2

    # Augmentation
    shift: int = 4                # pixels
    mirror: str = "alternate"     # from epoch to epoch, or "random", or "none"
    cutout: int = 0               # pixels
    cutmix: float = 0.0           # share of the batches whose pictures get a rectangle of another, and its label in proportion
    small_side: int = 0           # pixels of a side in the first part of training; 0: the set's own
    small_until: float = 0.0      # fraction until which pictures are small

    # The way to the square
    activation: str = "square"    # or "sine", or "relu": the twin
    period: float = 8.0           # of sine
    learn_period: bool = False    # of sine: one for each channel, learnt
    blend_start: float | None = None  # fraction at which alpha leaves 0; default: 0.1 for the square, 0 for sine
    blend_end: float | None = None    # fraction at which alpha reaches 1; default: 0.5 and 0; both 0: no blend
    blend_by_layer: bool = False  # one layer after the other, from the input on
    channel_scale: bool = False   # learnable a u^2 + b u per channel

    linear_tail: float = 2.0      # |u| beyond which the square is a straight line in training; 0: nowhere
    linear_tail_start: float = 0.0  # the same at the start, from where it grows to linear_tail: for weights that know sine; 0: linear_tail throughout
    linear_tail_end: float = 6.0  # the same from freeze_norm on: what is far out has to be seen as it is

    # Range penalty
    range_weight: float = 0.1     # 0: none
    range_reach: float = 2.0      # R
    range_exponent: int = 10      # p at the end; it grows from 4 on
    range_ramp: float = 0.3       # fraction until weight and p are reached; 0: from the start

    # Distillation; needs a teacher
    distil_logits: float = 0.5    # share of the loss; 0: none
    distil_features: float = 0.0  # weight; 0: none
    temperature: float = 2.0
    start_from_teacher: bool = False  # its weights are the first ones

    # Last phases
    freeze_norm: float = 0.93     # fraction from which batch statistics are frozen; 1: never
    settle: bool = False          # there they are set on training images first: for runs so short that they lag behind
    quantise: float = 1.0         # fraction from which training is quantisation-aware; 1: never
    share_bits: int = 10          # m there
    plain_bits: int = 27         # bits of T there

    def __post_init__(self) -> None:
        for name, value, known in (("activation", self.activation, ("square", "sine", "relu")),
                                   ("optimiser", self.optimiser, ("sgd", "muon")),
                                   ("precision", self.precision, ("fp32", "bf16")),
                                   ("mirror", self.mirror, ("alternate", "random", "none"))):
            if value not in known:
                raise UserError(f"{name} = '{value}' is not one of {', '.join(known)}")
        if self.blend_start is None:
            self.blend_start = 0.0 if self.activation == "sine" else 0.10
        if self.blend_end is None:
            self.blend_end = 0.0 if self.activation == "sine" else 0.50
        for name, least in (("epochs", 1), ("batch", 1), ("peak_rate", 0), ("clip", 0), ("shift", 0), ("cutout", 0), ("small_side", 0)):
            if not getattr(self, name) >= least:
                raise UserError(f"{name} = {getattr(self, name)} is not {least} or more")
        for name in ("period", "range_reach", "temperature"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} = {getattr(self, name)} is not above 0")
        if self.optimiser == "muon" and not self.peak_rate:
            raise UserError("peak_rate = 0 with Muon, whose rate is told in proportion to it: say muon_rate = 0 to keep the kernels")
        for name in ("warmup", "average", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"{name} = {getattr(self, name)} is not in 0 to 1, without 1")
        for name in ("cutmix", "small_until", "blend_start", "blend_end", "range_ramp", "freeze_norm", "quantise", "label_smoothing", "distil_logits"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} = {getattr(self, name)} is not in 0 to 1")
        if self.blend_end < self.blend_start:
            raise UserError(f"blend_end = {self.blend_end} lies before blend_start = {self.blend_start}")
        if self.quantise < self.freeze_norm:
            raise UserError("quantise must not be before freeze_norm: frozen statistics are folded into the kernels")

    def twin(self) -> Recipe:
        """The same recipe for ReLU: without what only the square needs."""
        return dataclasses.replace(self, activation="relu", channel_scale=False, learn_period=False, range_weight=0.0, quantise=1.0,
                                   start_from_teacher=False)

    def rate_at(self, progress: float) -> float:
        """Learning rate at `progress` (0..1): linear up, then linear down."""
        if progress < self.warmup:
            return self.peak_rate * (self.rate_start + (1 - self.rate_start) * progress / self.warmup)
        return self.peak_rate * (self.rate_end + (1 - self.rate_end) * (1 - progress) / (1 - self.warmup))

    def alphas_at(self, progress: float, layers: int) -> list[float]:
        """alpha of each activation: all together, or one after the other."""
        if self.activation == "relu":
            return [0.0] * layers
        start, end = self.blend_start, self.blend_end
        if not self.blend_by_layer:
            return [_ramp(progress, start, end)] * layers
        span = (end - start) / layers
        return [_ramp(progress, start + i * span, start + (i + 1) * span) for i in range(layers)]

    def tail_at(self, progress: float) -> float:
        """Where the square becomes a straight line in training: by equal factors from linear_tail_start to linear_tail, then at linear_tail_end."""
        if progress >= self.freeze_norm:
            return self.linear_tail_end
        if not self.linear_tail_start or not self.linear_tail:
            return self.linear_tail
        return self.linear_tail_start * (self.linear_tail / self.linear_tail_start) ** (progress / self.freeze_norm)

    def penalty_at(self, progress: float) -> tuple[float, int]:
        """Weight and exponent of the range penalty: both grow. Only the square has ranges."""
        if self.activation != "square":
            return 0.0, 4
        share = _ramp(progress, 0.0, self.range_ramp)
        return self.range_weight * share, 4 + 2 * int(share * (self.range_exponent - 4) / 2)


def _ramp(at: float, start: float, end: float) -> float:
    """0 until `start`, 1 from `end` on, linear between."""
    if at >= end:
        return 1.0
    return 0.0 if at <= start else (at - start) / (end - start)
