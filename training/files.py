"""Tables in files: CSV, TSV, JSON lines and Parquet, plain or gzip."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from pathlib import Path

import pandas as pd

from service.bundle import sha256
from training.errors import DataError


def read_file(path: Path) -> tuple[pd.DataFrame, str]:
    """A table of cells as they are written, and the file's SHA-256.

    Raises DataError naming the file, and the row where one is to blame.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    suffixes = [suffix.lower() for suffix in path.suffixes]
    try:
        plain = gzip.decompress(content) if suffixes[-1:] == [".gz"] else content
        frame = _parse(plain, [s for s in suffixes if s != ".gz"][-1:])
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be parsed: {str(error).strip()}") from error
    return frame, sha256(content)


def _parse(content: bytes, suffix: list[str]) -> pd.DataFrame:
    match suffix:
        case [".csv"]:
            return _parse_csv(content, ",")
        case [".tsv"]:
            return _parse_csv(content, "\t")
        case [".jsonl"] | [".ndjson"] | [".json"]:
            return _parse_json_lines(content)
        case [".parquet"]:
            return pd.read_parquet(io.BytesIO(content), dtype_backend="pyarrow")
    raise DataError("neither .csv, .tsv, .jsonl nor .parquet (each plain or .gz)")


def _parse_csv(content: bytes, separator: str) -> pd.DataFrame:
    # Only an empty cell is missing: "NA", "null" and "None" are texts too.
    frame = pd.read_csv(
        io.BytesIO(content), sep=separator, dtype=str, keep_default_na=False, na_values=[""]
    )
    if not isinstance(frame.index, pd.RangeIndex):  # pandas took the first column for an index
        raise DataError("row 1: has more cells than the header")
    return frame


def _parse_json_lines(content: bytes) -> pd.DataFrame:
    records: list[dict[str, object]] = []
    # Not splitlines(), which also splits at line separators inside a string.
    for row, line in enumerate(content.decode("utf-8-sig").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"row {row}: not JSON: {error}") from error
        if not isinstance(record, dict):
            raise DataError(f"row {row}: not a JSON object")
        records.append(record)
    return pd.DataFrame(records, dtype=object)  # as written: an integer stays one beside a null
