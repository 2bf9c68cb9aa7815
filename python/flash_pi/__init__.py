"""Private inference for deep CNNs: a client gets a network's answer on its picture from a server that never sees it.

    import flash_pi

    made = flash_pi.compile("net.onnx", calibration=pictures)
    made.model.save("net.flash")
    with flash_pi.serve("net.flash") as server:
        client = flash_pi.Client(server.address, pin=server.pin)
        print(client.infer("cat.png").best[0])
"""

from . import log as _log  # the library's log goes to the logger "flash_pi" from here on
from ._native import Model, ModelInfo, PictureRule
from .client import Answer, ClassScore, Client
from .compiler import Compiled, LayerReport, Report, compile
from .data import DataSet, Item
from .errors import Error, ErrorKind
from .inputs import prepare
from .plans import LayerPlan, Plan, plan
from .server import Server, ServerProcess, serve
from .table import Table
from .twin import Accuracy, Twin

__all__ = ["Accuracy", "Answer", "ClassScore", "Client", "Compiled", "DataSet", "Error", "ErrorKind", "Item",
           "LayerPlan", "LayerReport", "Model", "ModelInfo", "PictureRule", "Plan", "Report", "Server", "ServerProcess",
           "Table", "Twin", "compile", "plan", "prepare", "serve"]
