"""The pipeline: papers flow in, are ranked, become an edition, and each reader's digest is chosen and delivered."""

from newsletter.celery import app as celery_app

__all__ = ["celery_app"]
