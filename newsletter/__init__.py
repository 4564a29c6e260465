"""The pipeline: papers flow in, are ranked, become an edition, and each reader's digest is chosen and delivered."""

import os

# Our matrices are small: threads of the linear algebra library would wait for each other longer than they work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from newsletter.celery import app as celery_app

__all__ = ["celery_app"]
