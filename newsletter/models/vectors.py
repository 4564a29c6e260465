"""What papers mean, as numbers of the optional extra `semantic`; a table that may be emptied at any time."""

from __future__ import annotations

import hashlib

from django.db import models

from newsletter.models.papers import Paper


class PaperVector(models.Model):
    """The vector of a paper's title and abstract, by one model. Without a row nothing is known, and nothing breaks."""

    paper = models.OneToOneField(Paper, on_delete=models.CASCADE, primary_key=True, related_name="vector")
    model = models.CharField(max_length=64)
    text_hash = models.BinaryField(max_length=16)
    values = models.BinaryField(max_length=768)  # 384 numbers of two bytes (IEEE 754, little end first), length one

    def __str__(self) -> str:
        return f"{self.paper_id} by {self.model}"


def text_of(paper: Paper) -> str:
    """What is read of a paper."""
    return f"{paper.title}. {paper.abstract}"


def hash_of(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
