"""Private inference for deep CNNs: a client gets a network's answer on its picture from a server that never sees it.

    import flash_pi

    made = flash_pi.compile("net.onnx", calibration=pictures)
    made.model.save("net.flash")
    with flash_pi.serve("net.flash") as server:
        client = flash_pi.Client(server.address, pin=server.pin)
        print(client.infer("cat.png").best[0])
"""

from ._native import Model, ModelInfo
from .client import Answer, ClassScore, Client
from .compiler import Compiled, Report, compile
from .errors import Error
from .inputs import prepare
from .server import Server, ServerProcess, serve
from .twin import Accuracy, Twin

__all__ = ["Accuracy", "Answer", "ClassScore", "Client", "Compiled", "Error", "Model", "ModelInfo", "Report", "Server",
           "ServerProcess", "Twin", "compile", "prepare", "serve"]
