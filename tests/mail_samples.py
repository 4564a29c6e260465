"""Editions and readers for the digest's tests: ten ordinary papers, and the titles that break careless mailers."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from newsletter.mail.assemble import Identity
from newsletter.mail.one_part import Recipient
from newsletter.models import Edition, EditionItem
from tests.builders import NOON, make_paper, make_topic

UNSUBSCRIBE_TOKEN = "uNsUbScRiBe-_tOkEn-24chr"
DELIVERY_TOKEN = "-dElIvErY_tOkEn-24chars_"
IDENTITY = Identity(
    site_url="https://papers.example.org",
    site_name="Paperboy",
    sender="Paperboy <digest@papers.example.org>",
    reply_to="Paperboy <hello@papers.example.org>",
    bounce_domain="papers.example.org",
    list_id="digest.papers.example.org",
    list_help_url="https://papers.example.org/about/",
    list_subscribe_url="https://papers.example.org/subscribe/",
    list_owner="hello@papers.example.org",
    list_archive_url="https://papers.example.org/editions/",
    feedback_sender_id="paperboy",
)
# Titles are facts; the summaries are written for these tests.
PAPERS: list[dict[str, Any]] = [
    {
        "title": "Robust Speech Recognition via Large-Scale Weak Supervision",
        "authors": ["Alec Radford", "Jong Wook Kim", "Tao Xu", "Greg Brockman", "Christine McLeavey", "Ilya Sutskever"],
        "abstract": "Most recognisers are tuned on clean, labelled speech and stumble elsewhere. We show that a plain "
        "encoder-decoder, trained on 680,000 hours of captioned audio from the web, reads new accents and noisy rooms "
        "without any fine-tuning. It approaches the accuracy of people. Models and code are open.",
        "arxiv_id": "2212.04356",
        "code_url": "https://github.com/openai/whisper",
        "topics": ["speech-audio", "language-models"],
        "parts": {"upvotes_gain": 41, "hours": 24, "cohort_median": 6},
    },
    {
        "title": "Segment Anything",
        "authors": ["Alexander Kirillov", "Eric Mintun", "Nikhila Ravi", "Hanzi Mao"],
        "abstract": "Segmentation models are usually built for one task and one data set. This paper introduces a "
        "promptable model that cuts out any object from a click, a box or a rough mask, and the billion-mask data set "
        "it was trained on. It works on images it has never seen, often as well as models made for them.",
        "arxiv_id": "2304.02643",
        "code_url": "https://github.com/facebookresearch/segment-anything",
        "topics": ["vision"],
        "parts": {"upvotes_gain": 36, "hours": 24, "cohort_median": 6, "stars_gain": 210},
    },
    {
        "title": "Direct Preference Optimization: Your Language Model is Secretly a Reward Model",
        "authors": ["Rafael Rafailov", "Archit Sharma", "Eric Mitchell", "Stefano Ermon", "Christopher D. Manning"],
        "abstract": "Aligning a language model with people's preferences takes a reward model and reinforcement "
        "learning, which is fragile. We derive a simple classification loss that does the same without either. It is "
        "stable, cheap, and matches or beats PPO on sentiment, summaries and dialogue.",
        "arxiv_id": "2305.18290",
        "topics": ["language-models"],
        "parts": {"upvotes_gain": 29, "hours": 24, "cohort_median": 6},
        "note": "Read this one first if you train chat models: the derivation fits on a page.",
    },
    {
        "title": "Mamba: Linear-Time Sequence Modeling with Selective State Spaces",
        "authors": ["Albert Gu", "Tri Dao"],
        "abstract": "Attention costs grow with the square of the sequence. We propose a state-space layer whose "
        "parameters depend on the input, with a scan written for the memory of a GPU. The resulting network runs five "
        "times faster than a Transformer of its size and keeps improving up to a million tokens.",
        "arxiv_id": "2312.00752",
        "code_url": "https://github.com/state-spaces/mamba",
        "topics": ["architectures", "efficiency"],
        "parts": {"upvotes_gain": 25, "hours": 24, "cohort_median": 6},
    },
    {
        "title": "3D Gaussian Splatting for Real-Time Radiance Field Rendering",
        "authors": ["Bernhard Kerbl", "Georgios Kopanas", "Thomas Leimkühler", "George Drettakis"],
        "abstract": "Radiance fields look wonderful and render slowly. We show the scene as millions of anisotropic "
        "Gaussians that are optimised and splatted by a fast, visibility-aware rasteriser. Scenes train in minutes and "
        "play at more than 100 frames a second in full HD.",
        "arxiv_id": "2308.04079",
        "project_url": "https://repo-sam.inria.fr/fungraph/3d-gaussian-splatting/",
        "topics": ["vision"],
        "parts": {"upvotes_gain": 22, "hours": 24, "cohort_median": 6},
    },
    {
        "title": "QLoRA: Efficient Finetuning of Quantized LLMs",
        "authors": ["Tim Dettmers", "Artidoro Pagnoni", "Ari Holtzman", "Luke Zettlemoyer"],
        "abstract": "Fine-tuning a 65-billion-parameter model used to need a rack of accelerators. We present a method "
        "that trains small adapters through a frozen four-bit model on a single 48 GB card, e.g. overnight, without "
        "losing accuracy. A new data type and paged optimisers make it fit.",
        "arxiv_id": "2305.14314",
        "code_url": "https://github.com/artidoro/qlora",
        "topics": ["efficiency", "language-models"],
        "parts": {"upvotes_gain": 19, "hours": 24, "cohort_median": 6},
    },
    {
        "title": "Voyager: An Open-Ended Embodied Agent with Large Language Models",
        "authors": ["Guanzhi Wang", "Yuqi Xie", "Yunfan Jiang", "Ajay Mandlekar"],
        "abstract": "Agents in games forget what they learn. We build one that explores Minecraft alone, writes what "
        "works as code into a growing library of skills, and reuses it in new worlds. It finds three times more items "
        "than earlier agents.",
        "arxiv_id": "2305.16291",
        "code_url": "https://github.com/MineDojo/Voyager",
        "topics": ["language-models"],
        "parts": {"upvotes_gain": 12, "hours": 24, "cohort_median": 6},
    },
    {
        "title": "Adding Conditional Control to Text-to-Image Diffusion Models",
        "authors": ["Lvmin Zhang", "Anyi Rao", "Maneesh Agrawala"],
        "abstract": "A sentence is a blunt tool to steer a picture. We add trainable copies of a diffusion model's "
        "encoder that listen to edges, poses, depth or scribbles while the model itself stays frozen. Training is "
        "robust even with a few thousand examples.",
        "arxiv_id": "2302.05543",
        "code_url": "https://github.com/lllyasviel/ControlNet",
        "topics": ["vision"],
        "parts": {"upvotes_gain": 11, "hours": 24, "cohort_median": 6},
    },
    {
        "title": "FlashAttention-2: Faster Attention with Better Parallelism and Work Partitioning",
        "authors": ["Tri Dao"],
        "abstract": "Attention kernels still use less than half of what a GPU can do. This work splits the computation "
        "differently among thread blocks and warps and spends fewer operations outside matrix products. It doubles the "
        "speed of its predecessor and reaches 70 % of the theoretical peak.",
        "arxiv_id": "2307.08691",
        "code_url": "https://github.com/Dao-AILab/flash-attention",
        "topics": ["efficiency"],
        "parts": {},
    },
    {
        "title": "Scaling Laws for Neural Language Models",
        "authors": ["Jared Kaplan", "Sam McCandlish", "Tom Henighan", "Tom B. Brown", "Benjamin Chess", "Dario Amodei"],
        "abstract": "How good a language model gets follows power laws in its size, data and compute, over seven "
        "orders of magnitude. We measure the exponents and work out how to spend a fixed budget. Bigger models learn "
        "more from each example, so train large and stop early.",
        "arxiv_id": "2001.08361",
        "topics": ["language-models"],
        "parts": {"upvotes_gain": 9, "hours": 24, "cohort_median": 6},
    },
]


def make_edition(papers: list[dict[str, Any]] | None = None, *, first_item: int | None = None, **over: Any) -> Edition:
    """An approved edition of the papers given, in their order, each with its topics and the parts of its score."""
    fields: dict[str, Any] = {
        "cadence": Edition.Cadence.DAILY,
        "period_on": NOON.date(),
        "state": Edition.State.APPROVED,
        "window_start_at": NOON - timedelta(days=1),
        "cutoff_at": NOON,
    }
    edition = Edition.objects.create(**(fields | over))
    for position, given in enumerate(PAPERS if papers is None else papers, start=1):
        values = dict(given)
        slugs = values.pop("topics", ["vision"])
        placing = {key: values.pop(key) for key in ("parts", "note", "lane") if key in values}
        if first_item is not None:  # addresses of papers stand in the mail
            values.setdefault("pk", 9000 + position)
        paper = make_paper(**values)
        for place, slug in enumerate(slugs):
            paper.paper_topics.create(topic=make_topic(slug), score=0.9 - place / 10, is_primary=place == 0)
        placing.setdefault("parts", {})
        placing["parts"] = {"topic": slugs[0] if slugs else ""} | placing["parts"]
        if first_item is not None:
            placing["pk"] = first_item + position - 1
        EditionItem.objects.create(edition=edition, paper=paper, position=position, **placing)
    return edition


def picks_of(edition: Edition, *, follows: tuple[str, ...] = ("speech-audio", "language-models")) -> list[list[Any]]:
    """Every paper of the edition, each for the first followed topic it has, else as trending."""
    picks: list[list[Any]] = []
    for item in edition.items.order_by("position"):
        slugs = item.paper.paper_topics.values_list("topic__slug", flat=True)
        followed = next((slug for slug in slugs if slug in follows), "")
        picks.append([item.pk, item.lane, f"topic:{followed}" if followed else "trending"])
    return picks


def make_recipient(edition: Edition, **over: Any) -> Recipient:
    fields: dict[str, Any] = {
        "delivery_id": 7,
        "email": "alice@example.net",
        "message_id": "<7.Q2hhbmNl@papers.example.org>",
        "unsubscribe_token": UNSUBSCRIBE_TOKEN,
        "delivery_token": DELIVERY_TOKEN,
        "picks": over.pop("picks", None) or picks_of(edition),
        "wants_html": True,
        "date_header": "Wed, 18 Mar 2026 12:00:00 +0000",
        "topics": ("speech-audio", "language-models"),
        "confirmed_on": date(2026, 3, 1),
    }
    return Recipient(**(fields | over))
