"""Reading and writing files so that an interrupted program never leaves half of one behind.

Every writer goes through `atomic`: the bytes are written to `<name>.<writer>.part` beside the target and renamed over
it, which POSIX makes a single step; two writers of one file never see each other's halves. What a killed writer left is
removed by the next one of the same file. Writers are byte-stable: equal content gives equal bytes, so DVC can skip what
follows.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import math
import os
import platform
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from biorobust.core.errors import BiorobustError

if TYPE_CHECKING:
    import pandas as pd
    import torch

Json = Any


# The usual reasons for which nothing can be written.
UNWRITABLE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your quota of the disk is used up",
    errno.EFBIG: "a file may not become so large here (see ulimit -f)",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "you may not write there",
    errno.EPERM: "you may not write there",
}


MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:6]  # a folder may be shared with others


def temporary(target: Path) -> Path:
    """A name beside `target` that nobody else uses, and git and DVC ignore; it says which process writes it."""
    return target.with_name(f"{target.name}.{MACHINE}-{os.getpid()}-{secrets.token_hex(4)}.part")


def _sweep(target: Path) -> None:
    """Remove what writers of `target` left that a kill gave no moment to: those of this machine that are no more."""
    for part in target.parent.glob(f"{glob.escape(target.name)}.{MACHINE}-*.part"):
        with contextlib.suppress(OSError):
            try:
                os.kill(int(part.name.split("-")[-2]), 0)
            except ProcessLookupError:
                _remove(part)


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path, of a file or a folder; on a clean exit it takes the place of `path`, else it is removed.

    A folder takes the place of a folder whole: a moment without either, and none with a mixture.
    Raises BiorobustError in one line when it cannot be written, as on a full disk.
    """
    target = Path(path)
    part = temporary(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        yield part
        if part.is_dir() and target.is_dir():
            with _aside(target):
                os.replace(part, target)
        else:
            os.replace(part, target)
    except Exception as error:
        if reason := _reason(error, {str(part), *map(str, (target, *target.parents))}):
            raise BiorobustError(f"{target} cannot be written: {reason}") from None
        raise
    finally:
        with contextlib.suppress(OSError):
            _remove(part)


@contextlib.contextmanager
def _aside(folder: Path) -> Iterator[None]:
    """Move a folder away for the block; it is gone afterwards, or back after an error."""
    old = temporary(folder)
    os.replace(folder, old)
    try:
        yield
    except BaseException:
        os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _reason(error: Exception, ours: Set[str]) -> str | None:
    """Why one of the paths `ours` could not be written, in a few words; None for an error of another kind."""
    # torch and safetensors report a failed write in exceptions of their own.
    cause = error if isinstance(error, OSError) else error.__context__
    if told := re.search(r"\(os error (\d+)\)", str(error)):
        cause = OSError(int(told[1]), os.strerror(int(told[1])))
    if not isinstance(cause, OSError) or cause.errno is None or isinstance(error, BiorobustError):
        return None
    if cause.filename is None:  # while writing to an open file, or something that is not about files
        return UNWRITABLE.get(cause.errno)
    return UNWRITABLE.get(cause.errno, cause.strerror) if str(cause.filename) in ours else None


def folder_of(variable: str) -> Path | None:
    """The folder an environment variable names, None where it is not set or empty; relative ones begin at this one."""
    value = os.environ.get(variable)
    return Path(os.path.expanduser(value)).absolute() if value else None


def sha256(path: str | Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads numbers such as 1e-05, which YAML 1.2 and DVC write and YAML 1.1 takes for text; refuses a key given twice.

    The parser of libyaml, where PyYAML was built with it, is what a lock file of 10,000 lines needs.
    """

    def construct_document(self, node: yaml.Node) -> Any:
        _check_keys(node, known=set())
        return super().construct_document(node)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)


def _check_keys(node: yaml.Node, *, known: set[int]) -> None:
    """Raise a YAMLError for a key that stands twice in one block. known: nodes seen before, as aliases share them."""
    if isinstance(node, yaml.ScalarNode) or id(node) in known:
        return
    known.add(id(node))
    keys = set()
    for item in node.value:
        for inner in item if isinstance(node, yaml.MappingNode) else (item,):
            _check_keys(inner, known=known)
        if isinstance(node, yaml.MappingNode) and isinstance(item[0], yaml.ScalarNode):
            key = item[0].tag, item[0].value
            if key in keys:
                raise yaml.MarkedYAMLError(problem=f"{key[1]!r} stands twice", problem_mark=item[0].start_mark)
            keys.add(key)


def parse_yaml(content: bytes, *, name: str | Path, error: type[BiorobustError] = BiorobustError) -> Any:
    """What YAML in UTF-8 holds. Raises `error` with one line that gives the file's `name` when it is none."""
    try:
        return yaml.load(content.decode("utf-8"), Loader=_Loader)
    except UnicodeDecodeError:
        raise error(f"{name} is not UTF-8 text: save it in that encoding") from None
    except (yaml.YAMLError, ValueError, RecursionError) as reason:
        where = str(reason).replace('in "<unicode string>",', "at")
        raise error(f"{name} is not valid YAML: {' '.join(where.split())}") from None


def read_yaml(path: str | Path, *, error: type[BiorobustError] = BiorobustError) -> Any:
    """What a YAML file holds. Raises `error` with one line when it is missing, not UTF-8 or not YAML."""
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise error(f"{path} is missing: run from the top of the repository") from None
    return parse_yaml(content, name=path, error=error)


def write_text(path: str | Path, text: str) -> None:
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")


def _plain(value: Json) -> Json:
    """NumPy scalars and arrays to plain Python; NaN and infinity to None, which JSON can say."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return round(value, 10) if math.isfinite(value) else None
    return value


def write_json(path: str | Path, value: Json) -> None:
    """Indented, key order kept, floats to ten decimals; not-a-number becomes null."""
    write_text(path, json.dumps(_plain(value), indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Json:
    """Raises BiorobustError naming the file when it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BiorobustError(f"{path} is missing: run `dvc repro` to make it") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BiorobustError(f"{path} is not valid JSON ({error}): delete it and run `dvc repro`") from None


def write_npz(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Compressed; NumPy stamps members with 1980-01-01, so equal arrays give equal bytes."""
    with atomic(path) as part, open(part, "wb") as stream:
        np.savez_compressed(stream, **dict(arrays))  # type: ignore[arg-type]


def write_csv(path: str | Path, table: pd.DataFrame) -> None:
    with atomic(path) as part:
        table.to_csv(part, index=False, float_format="%.6g", lineterminator="\n")


def write_parquet(path: str | Path, table: pd.DataFrame) -> None:
    with atomic(path) as part:
        table.to_parquet(part, index=False, compression="zstd")


def write_tensors(path: str | Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """safetensors: no pickle, and the same tensors always give the same bytes."""
    from safetensors.torch import save_file

    with atomic(path) as part:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, part)


def read_tensors(path: str | Path) -> dict[str, torch.Tensor]:
    """Raises BiorobustError naming the file when it is missing, truncated or not safetensors."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except FileNotFoundError:
        raise BiorobustError(f"{path} is missing: run `dvc repro` to make it") from None
    except (SafetensorError, OSError) as error:
        raise BiorobustError(f"{path} is damaged ({error}): delete it and run `dvc repro`") from None
