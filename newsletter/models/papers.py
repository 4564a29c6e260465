"""What research there is: papers, which topics they belong to, which were merged."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from subscriptions.models import Topic

if TYPE_CHECKING:
    from collections.abc import Iterable

WEB = ("https://", "http://")
UNMEASURED = ("listing_page", "api")  # sources that show papers and count nothing: what they alone saw never trends
UNLISTED = date.min  # the day of papers of which none is known: after all others, on both databases
BEGUN = 5  # papers: a daily list with fewer does not take the front page before its day is over
PAPERS_PER_FEED = 50  # papers at least, where there are so many
SHOWN = Q(merged_into__isnull=True, is_hidden=False)
WITH_CODE = ~Q(code_url="")
WORDS = frozenset(["title", "abstract"])  # when one changes, the key sentence is chosen again
# Copied to the paper's topics whenever one of them is written.
SORT_KEYS = frozenset(["listed_on", "published_on", "upvotes", "code_url"])


def day_of(to: str = "") -> Coalesce:
    """Return the day of a paper: of its first version, else of its daily list. ``to`` leads to the paper."""
    return Coalesce(f"{to}published_on", f"{to}listed_on")


@lru_cache(maxsize=512)
def topic_url(slug: str) -> str:
    """Return the address of a topic's page; cached, as a list page needs it a hundred times."""
    return reverse("newsletter:topic", args=[slug])


class PaperQuerySet(models.QuerySet["Paper"]):
    def published(self) -> PaperQuerySet:
        """Return public papers, neither merged nor hidden. Every page and feed uses this gate."""
        return self.filter(SHOWN)

    def listed_on(self, day: date) -> PaperQuerySet:
        return self.published().filter(listed_on=day)

    def listed_between(self, first: date, last: date) -> PaperQuerySet:
        return self.published().filter(listed_on__range=(first, last))

    def assigned_to(self, topic: Topic, **narrowed: Any) -> PaperQuerySet:
        """Return the papers of a topic, to be sorted and narrowed by the sort keys copied to the topic."""
        beside = {f"paper_topics__{key}": value for key, value in narrowed.items()}
        return self.filter(paper_topics__topic=topic, paper_topics__is_assigned=True, **beside)

    def about(self, topic: Topic) -> PaperQuerySet:
        return self.filter(pk__in=PaperTopic.objects.filter(topic=topic, is_assigned=True).values("paper"))

    def with_code(self) -> PaperQuerySet:
        return self.filter(WITH_CODE)

    def with_topics(self) -> PaperQuerySet:
        """Prefetch what ``shown_topics`` and ``shown_links`` read, in two further queries."""
        assigned = PaperTopic.objects.filter(is_assigned=True).select_related("topic").defer("topic__keywords")
        return self.prefetch_related(models.Prefetch("paper_topics", queryset=assigned), "links")

    def update(self, **fields: Any) -> int:
        if not WORDS.isdisjoint(fields):
            fields.setdefault("key_sentence", None)
        if SORT_KEYS.isdisjoint(fields):
            return super().update(**fields)
        papers = list(self.values_list("pk", flat=True))
        changed = super().update(**fields)
        PaperTopic.objects.copy_sort_keys(papers)
        return changed

    def bulk_create(self, objs: Iterable[Paper], *args: Any, **kwargs: Any) -> list[Paper]:
        """Insert papers, or with ``update_fields`` update existing ones, and renew the sort keys of their topics."""
        papers = super().bulk_create(list(objs), *args, **kwargs)
        if not SORT_KEYS.isdisjoint(kwargs.get("update_fields") or ()):
            PaperTopic.objects.copy_sort_keys([paper.pk for paper in papers])
        return papers

    def trending(self, last: date) -> PaperQuerySet:
        """Return the papers of the seven days up to ``last``, what gains attention fastest first."""
        return self.listed_between(last - timedelta(days=6), last).order_by("-score_weekly", "-upvotes", "-id")

    def newest_day(self) -> date | None:
        newest: date | None = self.published().aggregate(day=models.Max("listed_on"))["day"]
        return newest

    def front_day(self, today: date) -> date | None:
        """Return the day of the front page: the newest list, or the one before while today's has just begun to fill."""
        newest = self.newest_day()
        if newest is None or newest < today or self.listed_on(newest)[:BEGUN].count() == BEGUN:
            return newest
        return self.day_before(newest) or newest

    def day_before(self, day: date) -> date | None:
        """Return the nearest earlier day that has papers."""
        before: date | None = self.published().filter(listed_on__lt=day).aggregate(day=models.Max("listed_on"))["day"]
        return before

    def day_after(self, day: date) -> date | None:
        """Return the nearest later day that has papers."""
        after: date | None = self.published().filter(listed_on__gt=day).aggregate(day=models.Min("listed_on"))["day"]
        return after


def slice_of_union(lists: Iterable[PaperQuerySet], start: int, stop: int) -> list[Paper]:
    """Return a part of these lists set one after the other: first the keys from indexes, then the rows with topics.

    A list is counted only when the part begins behind it.
    """
    keys: list[int] = []
    wanted = stop - start
    for papers in lists:
        keys += papers.values_list("pk", flat=True)[start : start + wanted - len(keys)]
        if len(keys) == wanted:
            break
        start = max(0, start - papers.count()) if start and not keys else 0
    rows = Paper.objects.with_topics().in_bulk(keys)
    return [rows[key] for key in keys if key in rows]


class Paper(models.Model):
    """One research paper, across versions and sources."""

    arxiv_id = models.CharField(max_length=32, unique=True, null=True, blank=True, help_text=_("Without version."))
    title = models.CharField(max_length=500)
    said_by = models.JSONField(
        default=dict,
        db_default={},
        editable=False,
        help_text=_("Which source each field is from; empty for papers from before it was noted."),
    )
    title_key = models.CharField(max_length=500, editable=False, help_text=_("Normalised, for merging."))
    # The two ends of the key: near-duplicates are looked for only among papers that share one of them.
    title_head = models.CharField(max_length=24, editable=False, blank=True)
    title_tail = models.CharField(max_length=24, editable=False, blank=True)
    abstract = models.TextField(blank=True)
    key_sentence = models.TextField(  # noqa: DJ001 - empty is an answer too
        null=True,
        editable=False,
        help_text=_("The sentence that says what it brings. Null: not chosen yet."),
    )
    # Title and abstract as their source wrote them, LaTeX and all. Null: from before they were kept, so arXiv is asked
    # for them once. Empty: there is nothing but the readable text, as after an edit by hand.
    title_source = models.TextField(null=True, editable=False)  # noqa: DJ001
    abstract_source = models.TextField(null=True, editable=False)  # noqa: DJ001
    authors = models.JSONField(default=list, blank=True)
    published_on = models.DateField(null=True, blank=True, help_text=_("Date of the first version. Empty if unknown."))
    listed_on = models.DateField(null=True, blank=True, db_index=True, help_text=_("The daily list it appeared on."))
    first_seen_at = models.DateTimeField()
    url = models.URLField(max_length=300, blank=True)
    code_url = models.URLField(max_length=300, blank=True)
    project_url = models.URLField(max_length=300, blank=True)
    thumbnail_url = models.URLField(max_length=300, blank=True)
    picture = models.CharField(max_length=40, default="", db_default="", editable=False)  # the name of our own copy
    organization = models.CharField(max_length=200, blank=True)
    categories = models.JSONField(default=list, blank=True, help_text=_("arXiv categories, primary first."))
    reworded_at = models.DateTimeField(
        null=True, editable=False, help_text=_("When its title or abstract last changed. Empty: never.")
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    coded_at = models.DateTimeField(
        null=True, editable=False, help_text=_("When its code first appeared, of a paper that came without.")
    )
    # What arXiv tells of later versions, as news for readers who saved the paper.
    version = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)  # the newest seen; 0: unknown
    revised_at = models.DateTimeField(null=True, editable=False)  # when a version came whose abstract says other things
    revision = models.JSONField(default=dict, db_default={}, editable=False)  # sentences that it brought and dropped
    accepted = models.CharField(max_length=200, null=True, editable=False)  # noqa: DJ001 - its authors' words; null: unasked
    accepted_at = models.DateTimeField(null=True, editable=False)  # when they first said so of a paper we had
    is_hidden = models.BooleanField(default=False, help_text=_("Kept out of listings and editions by a curator."))
    merged_into = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="merged")
    topics: models.ManyToManyField[Topic, PaperTopic] = models.ManyToManyField(Topic, through="PaperTopic")
    upvotes = models.PositiveIntegerField(default=0, help_text=_("Latest count, for display."))
    github_stars = models.PositiveIntegerField(default=0, help_text=_("Latest count, for display."))
    reader_votes = models.PositiveIntegerField(
        default=0, db_default=0, help_text=_("Votes of our own readers that count.")
    )
    # Trend scores per cadence, written by ranking; zero for papers no source measures.
    score_daily = models.FloatField(default=0.0)
    score_weekly = models.FloatField(default=0.0)
    score_monthly = models.FloatField(default=0.0)
    score_parts = models.JSONField(default=dict, blank=True, help_text=_("The numbers behind the scores."))
    scored_at = models.DateTimeField(null=True, blank=True)

    objects = PaperQuerySet.as_manager()

    class Meta:
        # Every pass of the scores writes an entry into each index, so there are few. Those of trend scores leave out
        # the zeros: a walk along all the papers that have none would not end.
        indexes = [
            models.Index(
                fields=["-listed_on", "-score_daily", "-upvotes", "-id"],
                include=["score_weekly", "score_monthly"],
                condition=SHOWN,
                name="listed_papers",
            ),
            models.Index(
                fields=["-listed_on", "-score_daily", "-upvotes", "-id"],
                include=["score_weekly", "score_monthly"],
                condition=SHOWN & WITH_CODE,
                name="listed_papers_with_code",
            ),
            models.Index(
                fields=["-first_seen_at", "-id"],
                condition=Q(title_source__isnull=True, arxiv_id__isnull=False, merged_into__isnull=True),
                name="papers_without_source",
            ),
            models.Index(
                fields=["-score_weekly", "-upvotes", "-id"],
                include=["listed_on"],
                condition=SHOWN & Q(score_weekly__gt=0),
                name="papers_by_weekly_trend",
            ),
            models.Index(
                fields=["-score_monthly", "-upvotes", "-id"],
                include=["listed_on"],
                condition=SHOWN & Q(score_monthly__gt=0),
                name="papers_by_monthly_trend",
            ),
            models.Index(
                fields=["id"],
                condition=Q(score_daily__gt=0) | Q(score_weekly__gt=0) | Q(score_monthly__gt=0),
                name="papers_with_a_score",
            ),
            models.Index(fields=["-first_seen_at", "id"], name="papers_by_arrival"),
            # News of papers that readers saved. Almost empty.
            models.Index(fields=["withdrawn_at"], condition=Q(withdrawn_at__isnull=False), name="papers_withdrawn"),
            models.Index(fields=["reworded_at"], condition=Q(reworded_at__isnull=False), name="papers_reworded"),
            models.Index(fields=["coded_at"], condition=Q(coded_at__isnull=False), name="papers_with_late_code"),
            models.Index(fields=["revised_at"], condition=Q(revised_at__isnull=False), name="papers_revised"),
            models.Index(fields=["accepted_at"], condition=Q(accepted_at__isnull=False), name="papers_accepted_late"),
            models.Index(fields=["-id"], condition=Q(key_sentence__isnull=True), name="papers_without_key_sentence"),
            models.Index(day_of().desc(), F("id").desc(), condition=SHOWN, name="papers_by_day"),
            # Not db_index: it would add a second index for LIKE to each, which nobody asks.
            models.Index(fields=["title_key"], name="papers_by_title"),
            models.Index(fields=["title_head"], name="papers_by_title_head"),
            models.Index(fields=["title_tail"], name="papers_by_title_tail"),
        ]

    def __str__(self) -> str:
        return self.title

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not WORDS.isdisjoint(kwargs.get("update_fields") or WORDS):
            self.key_sentence = None
            if kwargs.get("update_fields"):
                kwargs["update_fields"] = {*kwargs["update_fields"], "key_sentence"}
        is_new = self._state.adding  # and has no topics yet
        super().save(*args, **kwargs)
        if not is_new:
            PaperTopic.objects.copy_sort_keys([self.pk])

    def get_absolute_url(self) -> str:
        return reverse("newsletter:paper", args=[self.pk])

    @property
    def shown_topics(self) -> list[PaperTopic]:
        """Return the topics a page names, primary first. Call ``with_topics()`` on lists of papers before."""
        return [each for each in self.paper_topics.all() if each.is_assigned and each.topic.is_active]

    @property
    def shown_links(self) -> list[Any]:
        """Return the PaperLinks a page shows, by kind, `code_url` and `project_url` first. See ``with_topics()``.

        One of these two without a row was written by an older version of this program.
        """
        rows, link = {row.url: row for row in self.links.all()}, self.links.model
        firsts = (("code", self.code_link), ("page", self.project_link))
        found = {url: rows.get(url) or link(paper=self, kind=kind, url=url) for kind, url in firsts if url}
        found |= {url: row for url, row in rows.items() if row.is_standing and url not in found}
        return sorted(found.values(), key=lambda each: link.Kind.values.index(each.kind))

    @property
    def home_url(self) -> str:
        """Return where to read the paper: the source's page, else arXiv's, else ours."""
        if self.source_link:
            return self.source_link
        if self.arxiv_id:
            return f"https://arxiv.org/abs/{self.arxiv_id}"
        return settings.SITE_URL + self.get_absolute_url()

    @property
    def doi(self) -> str:
        """Return the first DOI known, beside arXiv's own; empty without. Prefetch ``identifiers`` of lists before."""
        names = sorted((one.pk, one.value) for one in self.identifiers.all() if one.value.startswith("doi:"))
        return names[0][1].removeprefix("doi:") if names else ""

    @property
    def arxiv_url(self) -> str:
        return f"https://arxiv.org/abs/{self.arxiv_id}" if self.arxiv_id else ""

    @property
    def pdf_url(self) -> str:
        return f"https://arxiv.org/pdf/{self.arxiv_id}" if self.arxiv_id else ""

    @property
    def source_link(self) -> str:
        return self.url if self.url.startswith(WEB) else ""

    @property
    def code_link(self) -> str:
        """Return the code's address if it is http(s), else an empty text: never ``javascript:`` or ``data:``."""
        return self.code_url if self.code_url.startswith(WEB) else ""

    @property
    def project_link(self) -> str:
        return self.project_url if self.project_url.startswith(WEB) else ""


class PaperTopicQuerySet(models.QuerySet["PaperTopic"]):
    def bulk_create(self, objs: Iterable[PaperTopic], *args: Any, **kwargs: Any) -> list[PaperTopic]:
        rows = list(objs)
        for row in rows:
            row.copy_sort_keys()
        return super().bulk_create(rows, *args, **kwargs)

    def copy_sort_keys(self, papers: Iterable[int]) -> None:
        """Bring the rows of these papers up to date with the papers."""
        paper = Paper.objects.filter(pk=OuterRef("paper_id"))
        self.filter(paper__any_of=papers).update(
            listed_on=Subquery(paper.values(day=Coalesce("listed_on", "published_on", UNLISTED))),
            upvotes=Subquery(paper.values("upvotes")),
            has_code=Subquery(paper.annotate(coded=WITH_CODE).values("coded")),
        )


class PaperTopic(models.Model):
    """How much a paper belongs to a topic, and who said so."""

    class Origin(models.TextChoices):
        CLASSIFIER = "classifier", _("classifier")
        CURATOR = "curator", _("curator")

    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="paper_topics")
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="paper_topics")
    score = models.FloatField()
    is_assigned = models.BooleanField(default=True, help_text=_("Displayed as a topic of the paper."))
    is_primary = models.BooleanField(default=False)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.CLASSIFIER)
    curated_at = models.DateTimeField(null=True, blank=True, help_text=_("When a curator set or removed it."))
    # Copied from the paper (see SORT_KEYS), so that one walk along one index gives a page of a topic.
    # The day of its daily list; of a paper that no list had, the day it was published.
    listed_on = models.DateField(default=UNLISTED, db_default=UNLISTED, editable=False)
    upvotes = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    has_code = models.BooleanField(default=False, db_default=False, editable=False)

    objects = PaperTopicQuerySet.as_manager()

    class Meta:
        ordering = ["-is_primary", "-score"]
        constraints = [
            models.UniqueConstraint(fields=["paper", "topic"], name="one_score_per_paper_and_topic"),
            models.UniqueConstraint(fields=["paper"], condition=Q(is_primary=True), name="one_primary_topic_per_paper"),
        ]
        indexes = [
            models.Index(fields=["topic", "paper"], condition=Q(is_assigned=True), name="papers_of_a_topic"),
            models.Index(fields=["-curated_at"], condition=Q(origin="curator"), name="topics_by_curators"),
            models.Index(
                fields=["topic", "-listed_on", "-paper"], condition=Q(is_assigned=True), name="newest_of_a_topic"
            ),
            models.Index(
                fields=["topic", "-upvotes", "-paper"], condition=Q(is_assigned=True), name="most_voted_of_a_topic"
            ),
            models.Index(
                fields=["topic", "-listed_on", "-paper"],
                condition=Q(is_assigned=True, has_code=True),
                name="newest_coded_of_a_topic",
            ),
            models.Index(
                fields=["topic", "-upvotes", "-paper"],
                condition=Q(is_assigned=True, has_code=True),
                name="voted_coded_of_a_topic",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic_id} {self.score:.2f}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.copy_sort_keys()
        super().save(*args, **kwargs)

    @property
    def topic_url(self) -> str:
        return topic_url(self.topic.slug)

    def copy_sort_keys(self) -> None:
        self.listed_on = self.paper.listed_on or self.paper.published_on or UNLISTED
        self.upvotes = self.paper.upvotes
        self.has_code = bool(self.paper.code_url)
