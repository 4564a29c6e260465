"""What papers mean, as numbers of the optional extra `semantic`; a table that may be emptied at any time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db import models

from newsletter.models.papers import Paper

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WIDTH = 384  # numbers of a vector


class PaperVectorQuerySet(models.QuerySet["PaperVector"]):
    def matrix(self, paper_ids: Iterable[int]) -> tuple[list[int], NDArray[np.float32]]:
        """(ids that have a vector here, in the order given; their vectors, a row each)."""
        import numpy as np

        wanted = list(dict.fromkeys(paper_ids))
        found = dict(self.filter(paper__any_of=wanted).values_list("paper_id", "values"))
        ids = [pk for pk in wanted if pk in found]
        numbers = np.frombuffer(b"".join(bytes(found[pk]) for pk in ids), dtype="<f2")
        return ids, numbers.astype(np.float32).reshape(len(ids), WIDTH)


class PaperVector(models.Model):
    """The vector of a paper's title and abstract, by one model. Without a row nothing is known, and nothing breaks."""

    paper = models.OneToOneField(Paper, on_delete=models.CASCADE, primary_key=True, related_name="vector")
    model = models.CharField(max_length=64)
    values = models.BinaryField(max_length=2 * WIDTH)  # numbers of two bytes (IEEE 754, little end first), length one

    objects = PaperVectorQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.paper_id} by {self.model}"


def text_of(paper: Paper) -> str:
    """What is read of a paper."""
    return f"{paper.title}. {paper.abstract}"
