"""An ONNX graph in the making: nodes and weights, collected in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from service.bundle import OnnxSpec

IR_VERSION = 10

Array = npt.NDArray[np.generic]
Typed = Mapping[str, "TensorProto.DataType"]
"""Names with the types of their elements."""


class Graph:
    """Each node names its output after itself; a `prefix` keeps a body's names its own."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}

    def add(
        self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any
    ) -> str:
        """Append a node and return the name of its one output."""
        output = output or self._new_name(operator)
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def add_several(
        self, operator: str, inputs: list[str], outputs: int, **attributes: Any
    ) -> list[str]:
        """Append a node with several outputs and return their names."""
        name = self._new_name(operator)
        names = [f"{name}_{index}" for index in range(outputs)]
        self._nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names

    def constant(self, name: str, value: Array) -> str:
        self._weights[name] = numpy_helper.from_array(value, name)
        return name

    def integers(self, name: str, *values: int) -> str:
        """A constant of shapes and axes."""
        return self.constant(name, np.array(values, dtype=np.int64))

    def weight(self, name: str, value: Tensor) -> str:
        return self.constant(name, value.detach().cpu().numpy())

    def as_body(self, inputs: Typed, outputs: Sequence[str]) -> onnx.GraphProto:
        """The body of a loop; it may also read what is named in the graph around it."""
        return helper.make_graph(
            self._nodes,
            f"{self._prefix}body",
            [helper.make_tensor_value_info(name, kind, None) for name, kind in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        )

    def finish(self, spec: OnnxSpec, classes: int) -> onnx.ModelProto:
        """The whole model, checked: ids (B, T), lengths (B,) -> logits (B, C)."""
        graph = helper.make_graph(
            self._nodes,
            "sentiment",
            [
                helper.make_tensor_value_info(spec.ids, TensorProto.INT32, ["batch", "time"]),
                helper.make_tensor_value_info(spec.lengths, TensorProto.INT32, ["batch"]),
            ],
            [helper.make_tensor_value_info(spec.logits, TensorProto.FLOAT, ["batch", classes])],
            list(self._weights.values()),
        )
        proto = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", spec.opset)],
            ir_version=IR_VERSION,
            producer_name="sentiment-service",
        )
        onnx.checker.check_model(proto, full_check=True)
        return proto

    def _new_name(self, operator: str) -> str:
        return f"{self._prefix}{operator.lower()}_{len(self._nodes)}"
