"""Fields of science: every category has one, and each has a set of topics that a curator switches on."""

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.catalogue.topics import fields
from newsletter.catalogue.topics.assignment import default_classifier
from newsletter.models import Paper, PaperTopic
from subscriptions.models import Topic, TopicTranslation
from tests.builders import NOON

# https://arxiv.org/category_taxonomy
ARXIV = {
    "astro-ph": "CO EP GA HE IM SR",
    "cond-mat": "dis-nn mes-hall mtrl-sci other quant-gas soft stat-mech str-el supr-con",
    "cs": "AI AR CC CE CG CL CR CV CY DB DC DL DM DS ET FL GL GR GT HC IR IT LG LO MA MM MS NA NE NI OH OS PF PL RO SC "
    "SD SE SI SY",
    "econ": "EM GN TH",
    "eess": "AS IV SP SY",
    "math": "AC AG AP AT CA CO CT CV DG DS FA GM GN GR GT HO IT KT LO MG MP NA NT OA OC PR QA RA RT SG SP ST",
    "nlin": "AO CD CG PS SI",
    "physics": "acc-ph ao-ph app-ph atm-clus atom-ph bio-ph chem-ph class-ph comp-ph data-an ed-ph flu-dyn gen-ph "
    "geo-ph hist-ph ins-det med-ph optics plasm-ph pop-ph soc-ph space-ph",
    "q-bio": "BM CB GN MN NC OT PE QM SC TO",
    "q-fin": "CP EC GN MF PM PR RM ST TR",
    "stat": "AP CO ME ML OT TH",
}
WHOLE = ["gr-qc", "hep-ex", "hep-lat", "hep-ph", "hep-th", "math-ph", "nucl-ex", "nucl-th", "quant-ph"]
CATEGORIES = [*WHOLE, *(f"{archive}.{one}" for archive, classes in ARXIV.items() for one in classes.split())]
# What computer science is to readers of the default topics: several of them at once.
OPEN = {"cs.AI", "cs.ET", "cs.GL", "cs.LG", "cs.MM", "cs.OH"}
TOPICS = [topic for one in fields.sets() for topic in one["topics"]]


def test_the_whole_tree_of_arxiv_has_fields_and_topics() -> None:
    assert len(CATEGORIES) == 155
    assert {one for one in CATEGORIES if not fields.field_of([one])} == set()
    assert {one for one in CATEGORIES if not fields.topics_of(one)} == OPEN


@pytest.mark.parametrize(
    ("categories", "field"),
    [
        (["hep-ph", "cs.LG"], "physics"),
        (["physics.bio-ph"], "biology-medicine"),
        (["physics.brand-new"], "physics"),
        (["stat.ML"], "computer-science"),
        (["biorxiv.neuroscience"], "biology-medicine"),
        (["openalex.economics-econometrics-and-finance"], "economics"),
        (["unheard-of", "q-fin.ST"], "economics"),
        ([], ""),
    ],
)
def test_the_first_category_that_is_known_tells_the_field(categories: list[str], field: str) -> None:
    assert fields.field_of(categories) == field


def test_each_set_is_whole() -> None:
    assert {one["slug"] for one in fields.sets()} == set(Topic.Field.values)
    for topic in TOPICS:
        assert 12 <= len(set(topic["keywords"])) == len(topic["keywords"])
        assert topic["de"]["name"]
        assert topic["de"]["description"] != topic["description"]
        assert topic["description"].endswith(".")
    defaults = json.loads(Path("newsletter/data/topics.json").read_text())
    assert {one["slug"] for one in TOPICS}.isdisjoint(one["slug"] for one in defaults)
    assert set(fields._DEFAULT.values()) <= {one["slug"] for one in defaults}


def test_without_its_set_a_paper_of_physics_is_filed_under_science() -> None:
    classifier = default_classifier()
    found = classifier.classify("A measurement", "We report a measurement.", categories=["hep-ex"])
    assert found[0].slug == "science"


@pytest.mark.django_db
def test_a_curator_switches_a_set_on_and_off(admin_client: Client) -> None:
    physics = Topic.objects.filter(field="physics")
    assert physics.count() == 9
    assert not physics.filter(is_active=True).exists()
    assert TopicTranslation.objects.filter(topic__in=physics, language="de").count() == 9
    page = reverse("admin:subscriptions_topic_changelist")
    assert "Astrophysics" in admin_client.get(f"{page}?field__exact=physics").content.decode()
    chosen = {"_selected_action": list(physics.values_list("pk", flat=True))}
    admin_client.post(page, chosen | {"action": "switch_on"})
    assert physics.filter(is_active=True).count() == 9
    ingest([muon()], now=NOON)
    assert Paper.objects.get().paper_topics.get(is_primary=True).topic.slug == "particle-physics"
    admin_client.post(page, chosen | {"action": "switch_off"})
    assert not physics.filter(is_active=True).exists()


@pytest.mark.django_db
def test_papers_of_the_last_days_are_filed_anew_when_a_set_is_switched_on() -> None:
    now = timezone.now()
    ingest([muon()], now=now - timedelta(days=3))
    ingest([replace(muon(), key="2", arxiv_id="2601.00002", title="Muons of long ago")], now=now - timedelta(days=40))
    Topic.objects.filter(field="physics").update(is_active=True)
    out = StringIO()
    call_command("refile_papers", days=30, stdout=out)
    assert out.getvalue().startswith("Filed anew: 1 papers.")
    primary = PaperTopic.objects.filter(is_primary=True).order_by("paper__arxiv_id")
    assert list(primary.values_list("topic__slug", flat=True)) == ["science", "particle-physics"]


def muon() -> Observation:
    return Observation(
        source="arxiv_daily",
        key="2603.00001",
        arxiv_id="2603.00001",
        title="Muon decays seen twice",
        abstract="We look for a rare decay at a collider and find what the Standard Model says.",
        categories=("hep-ex", "hep-ph"),
    )
