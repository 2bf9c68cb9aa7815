"""From a network to a compiled model."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Sequence

from . import _native
from .errors import Error
from .inputs import prepare
from .progress import Progress, reporter
from .table import Table


@dataclass(frozen=True)
class LayerReport:
    """What compiling found of one layer.

    Attributes:
        share_bits: m; both parties hold the layer's values mod 2^m.
        range: largest pre-activation on the calibration inputs.
        margin: smallest factor between that and what fits.
        snr_db: of the pre-activation against the float network.
    """

    name: str
    channels: int
    height: int
    width: int
    share_bits: int
    range: float
    margin: float
    snr_db: float


@dataclass(frozen=True)
class Report:
    """What compiling found.

    Attributes:
        snr_db: of the logits against the float network, on the check inputs.
        agreement: share of the check inputs that keep the float network's class.
        layers: a table; pandas.DataFrame takes it.
        notes: what was left out or turned on the way in.
    """

    snr_db: float
    agreement: float
    calibration_inputs: int
    check_inputs: int
    layers: Table[LayerReport]
    notes: list[str]

    def __str__(self) -> str:
        return "\n".join([str(self.layers), *self.notes,
                          f"{self.snr_db:.1f} dB; the float network's class on {100 * self.agreement:.1f}% of "
                          f"{self.check_inputs} check inputs"])


@dataclass(frozen=True)
class Compiled:
    """A compiled model, and what compiling found."""

    model: _native.Model
    report: Report


def compile(network: Any, calibration: Iterable[Any], *, name: str = "", input_shape: Sequence[int] | None = None,
            mean: Sequence[float] | None = None, std: Sequence[float] | None = None, resize: int = 0,
            classes: Sequence[str] | None = None, trust_server: bool = False, least_agreement: float = 0.6,
            progress: Progress = False) -> Compiled:
    """Compiles a network for private inference, whose activations are x^2 + x, other squares, or sines. Ctrl-C ends it.

    Args:
        network: an ONNX file, the bytes of one, or a torch module in evaluation mode.
        calibration: inputs as prepare() takes them, some hundreds, such as DataSet("cifar10:DIR#train")[:512]; of the
            training set, never of the test set.
        name: of the model; empty: the file's.
        input_shape: (C, H, W); needed for a torch module.
        mean, std, resize: how pixels / 255 become the input, where the file does not say it; each given one takes the
            place of the file's. With none of them at all, as for a torch module, the model takes arrays only.
        classes: names of the logits.
        trust_server: fewer bytes, private only from a server that follows the protocol.
        least_agreement: share of check inputs that must keep the float network's class.
        progress: True for a bar (tqdm, where it is installed), or a function of a fraction in 0..1 and what is being
            done, called from any thread.

    Raises Error: "unsupported" names the operator and the remedy, "range" the layer that does not fit.
    """
    read = _read(network, name, input_shape)
    if mean is not None or std is not None or resize:
        known, rule = read.info.pictures, _native.PictureRule()  # what is not given stays as the file has it
        rule.resize = resize or known.resize
        rule.crop_height, rule.crop_width = read.info.input_shape[1:]
        rule.mean, rule.std = (its if given is None else [float(x) for x in given]
                               for given, its in ((mean, known.mean), (std, known.std)))
        read.set_pictures(rule)
    if classes is not None:
        read.set_classes(list(classes))
    inputs = [prepare(read.info, given) for given in calibration]
    with reporter(progress, "compiling") as report:
        model, snr_db, agreement, calibrated, checked, layers, notes = read.compile(inputs, name, trust_server,
                                                                                    least_agreement,
                                                                                    _native.Watcher(report))
    table = Table(LayerReport(*row) for row in layers)
    return Compiled(model, Report(snr_db, agreement, calibrated, checked, table, notes))


def _read(network: Any, name: str, input_shape: Sequence[int] | None) -> _native.Network:
    if isinstance(network, (str, os.PathLike)):
        return _native.Network.read(Path(network))
    if isinstance(network, (bytes, bytearray)):
        return _native.Network.parse(bytes(network), name or "network")
    if not hasattr(network, "state_dict"):
        raise Error(f"a network is an ONNX file, its bytes or a torch module, not {type(network).__name__}",
                    "invalid-argument")
    if input_shape is None:
        raise Error("a torch module does not say what it takes: give input_shape=(channels, height, width)",
                    "invalid-argument")
    import torch

    if network.training:
        raise Error("the module is in training mode: call .eval() first, so that its statistics are fixed",
                    "invalid-argument")
    file = io.BytesIO()
    with torch.no_grad():
        torch.onnx.export(network, torch.zeros(1, *input_shape), file, opset_version=13)
    return _native.Network.parse(file.getvalue(), name or type(network).__name__)
