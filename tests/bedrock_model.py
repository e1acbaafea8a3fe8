"""What is wrong with a request or a reply of Bedrock's by AWS's own published service model, which botocore carries."""

import base64
import re
from functools import lru_cache
from typing import Any

from botocore.model import OperationModel, Shape
from botocore.session import Session
from botocore.validate import ParamValidator


@lru_cache(maxsize=4)
def operation(name: str) -> OperationModel:
    """`Converse` or `ConverseStream`."""
    return Session().get_service_model("bedrock-runtime").operation_model(name)


def check_request(name: str, model: str, body: dict[str, Any]) -> None:
    """AssertionError naming every place where it is no request of that operation for that model."""
    _check(body | {"modelId": model}, operation(name).input_shape)


def check_reply(body: dict[str, Any]) -> None:
    """The same of a whole answer."""
    _check(body, operation("Converse").output_shape)


def check_event(kind: str, payload: dict[str, Any]) -> None:
    """The same of one event of a stream."""
    stream = operation("ConverseStream").output_shape.members["stream"]
    _check(payload, stream.members[kind])


def _check(value: Any, shape: Shape) -> None:
    problems: list[str] = []
    params = _params(value, shape, "", problems)
    report = ParamValidator().validate(params, shape)
    assert not problems, problems
    assert not report.has_errors(), report.generate_report()


def _params(value: Any, shape: Shape, at: str, problems: list[str]) -> Any:
    """As the SDK would be given it: blobs as bytes. It checks no enumeration and no pattern itself, so that is done here."""
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        return {
            name: _params(item, shape.members[name], f"{at}.{name}", problems) if name in shape.members else item
            for name, item in value.items()
        }
    if shape.type_name == "list":
        _bounded(len(value), shape, at, problems)
        return [_params(item, shape.member, f"{at}[]", problems) for item in value]
    if shape.type_name == "blob":
        return base64.b64decode(value, validate=True)
    if shape.type_name == "string" and isinstance(value, str):
        _bounded(len(value), shape, at, problems)
        if shape.enum and value not in shape.enum:
            problems.append(f"{at} is {value!r}, none of {shape.enum}")
        if (pattern := shape.metadata.get("pattern")) and not re.fullmatch(pattern, value):
            problems.append(f"{at} is {value!r}, not like {pattern}")
    if shape.type_name in {"float", "integer"} and isinstance(value, int | float):
        _bounded(value, shape, at, problems)
    return value


def _bounded(size: float, shape: Shape, at: str, problems: list[str]) -> None:
    if not shape.metadata.get("min", size) <= size <= shape.metadata.get("max", size):
        problems.append(f"{at} has {size}, outside {shape.metadata}")
