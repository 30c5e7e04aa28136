"""The log: lines for people or JSON, with the request they belong to, and never a text."""

from __future__ import annotations

import json
import logging
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

from uvicorn.config import LOGGING_CONFIG
from uvicorn.logging import DefaultFormatter

from service.records import RequestRecord, current_record

LogFormat = Literal["text", "json"]
AccessLogged = Literal["all", "errors", "none"]

FIELDS = "fields"
LEAST_STATUS: dict[AccessLogged, int] = {"all": 0, "errors": 400, "none": 1000}
MAX_PATH_CHARS = 200

logger = logging.getLogger(__name__)


class TextFormatter(DefaultFormatter):
    """uvicorn's format, with the id of the request at the end."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        request = current_record.get()
        line = super().formatMessage(record)
        return f"{line} [{request.id}]" if request else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the time in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if request := current_record.get():
            line["request_id"] = request.id
            if request.trace_id:
                line["trace_id"] = request.trace_id
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class AccessLog:
    """A line for each request, or for those answered with an error, or for none.

    Of the request it has the path, without what follows a `?`: that may hold a text.
    """

    def __init__(self, logged: AccessLogged) -> None:
        self._least_status = LEAST_STATUS[logged]

    def write(self, record: RequestRecord, method: str, path: str, seconds: float) -> None:
        """To be called while `record` is the current one."""
        if record.status < self._least_status:
            return
        level = logging.ERROR if record.status >= 500 else logging.INFO
        if not logger.isEnabledFor(level):
            return
        fields: dict[str, Any] = {
            "method": method,
            "path": quote(path[:MAX_PATH_CHARS], errors="replace"),
            "status": record.status,
            "duration_ms": round(1000 * seconds, 2),
            "texts": record.texts,
            "tokens": record.tokens,
        }
        if record.refusal:
            fields["error"] = record.refusal
        # Not by logger.info: where in the source the call stands is always the same, and
        # finding it out takes longer than all the rest.
        logger.handle(_make_record(level, fields))


def configure_logging(log_format: LogFormat, level: str) -> dict[str, Any]:
    """uvicorn's logging and the service's own, in the same format, for `dictConfig`."""
    config: dict[str, Any] = deepcopy(LOGGING_CONFIG)
    formatter = TextFormatter if log_format == "text" else JsonFormatter
    config["disable_existing_loggers"] = False
    config["formatters"]["default"]["()"] = formatter
    if formatter is JsonFormatter:
        config["formatters"]["default"] = {"()": JsonFormatter}
    own = {"handlers": ["default"], "level": level.upper(), "propagate": False}
    config["loggers"]["service"] = own
    config["loggers"]["python_multipart"] = {**own, "level": "ERROR"}  # its warnings quote bodies
    config["loggers"]["opentelemetry"] = {**own, "level": "WARNING"}
    return config


def _make_record(level: int, fields: dict[str, Any]) -> logging.LogRecord:
    message = "{method} {path} {status}, {duration_ms} ms, {texts} texts, {tokens} tokens"
    record = logging.LogRecord(
        logger.name, level, __file__, 0, message.format_map(fields), None, None
    )
    setattr(record, FIELDS, fields)
    return record
