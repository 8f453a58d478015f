"""One model, loaded and ready: a verified ONNX file in a session of onnxruntime."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from palate.domain import read_only
from palate.domain.track import FEATURES
from palate.models.artifact import Metadata, UnusableModel, verify
from palate.plugins.learner import INPUT, OUTPUT

__all__ = ["ServedModel"]

_BYTES_PER_BYTE: Final = 6
"""Memory of a session for each byte of its file: trees take 5.5, which is the most of the three families."""
_BYTES_PER_SESSION: Final = 64 * 1024
"""Memory that a session takes in any case; measured as 40 to 60 KB."""
_WARM_UP: Final = np.random.default_rng(0).normal(size=(16, len(FEATURES))).astype(np.float32)
"""Rows as a catalog has them: normal scores."""


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """A model of one taste that answers; implements `palate.plugins.strategy.TasteModel`.

    Make one with `load`. Its session takes no threads of its own, so that thousands can be open; several threads may
    ask it at once. It is frozen, like everything that a strategy is given.

    Attributes:
        metadata: What the file says of itself.
        sha256: Of the file, in hexadecimal digits.
        session: The session.
        size_bytes: How much memory it takes, estimated.
    """

    metadata: Metadata
    sha256: str
    session: onnxruntime.InferenceSession
    size_bytes: int

    @property
    def version(self) -> str:
        """The model's version."""
        return self.metadata.version

    @property
    def learner(self) -> str:
        """The learner that trained it."""
        return self.metadata.learner

    @property
    def ranking_slope(self) -> float:
        """See `palate.plugins.strategy.TasteModel`."""
        return self.metadata.ranking_slope

    @property
    def ranking_intercept(self) -> float:
        """See `palate.plugins.strategy.TasteModel`."""
        return self.metadata.ranking_intercept

    @property
    def cluster_offsets(self) -> Mapping[str, float]:
        """See `palate.plugins.strategy.TasteModel`; a read-only view."""
        return read_only(self.metadata.cluster_offsets)

    @classmethod
    def load(cls, data: bytes, sha256: str) -> Self:
        """Verify a model's file, open a session and run it once, so that the first call is as quick as the others.

        Args:
            data: The file.
            sha256: What its SHA-256 must be, in hexadecimal digits.

        Raises:
            UnusableModel: For a file that `verify` refuses, that onnxruntime cannot run, or that answers with
                something else than one probability for each row.
        """
        metadata = verify(data, sha256)
        try:
            session = onnxruntime.InferenceSession(data, _options(), providers=["CPUExecutionProvider"])
            model = cls(metadata, sha256, session, _BYTES_PER_BYTE * len(data) + _BYTES_PER_SESSION)
            answer = model.probabilities(_WARM_UP)
        except Exception as error:  # onnxruntime documents no errors
            raise UnusableModel(f"onnxruntime cannot run it: {error}") from error
        if answer.shape != (len(_WARM_UP),) or not ((answer >= 0) & (answer <= 1)).all():
            raise UnusableModel(f"it answers {len(_WARM_UP)} rows with {answer.tolist()}, not a probability for each")
        return model

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the calibrated probability of a like for normal scores ``(n, 9)``, float32 ``(n,)``; no offsets."""
        answer: NDArray[np.float32] = self.session.run(_OUTPUTS, {INPUT: features})[0]
        return answer


_OUTPUTS: Final = [OUTPUT]


@functools.cache
def _options() -> onnxruntime.SessionOptions:
    """Return what makes a session small, quick to open and free of threads.

    A session with the defaults starts a pool of threads, holds an arena, and caches a plan of its memory for every
    number of rows that it has seen. Here all sessions of the process share one arena: without any, a call of the
    trees takes a thousand page faults, and resident memory wanders. Exported graphs hold nothing to optimise: looking
    for it takes 0.1 to 0.3 ms longer, while other threads wait, and makes none of the three families quicker.
    """
    _share_arena()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = _FATAL  # what goes wrong is raised, and logged by palate
    return options


_FATAL: Final = 4


def _share_arena() -> None:
    """Give the process one arena for the working memory of all sessions; a second call does no harm."""
    kind, purpose = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
    memory = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, purpose)
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg(0, -1, -1, -1))
