import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from newsletter.sources import listing_page, sample
from newsletter.topics import Classifier, TopicProfile, TopicScore
from subscriptions.models import Topic

DATA = Path(__file__).parent / "data"
DEFAULTS = Path(__file__).parent.parent / "newsletter" / "data" / "topics.json"
REAL = sorted((Path(__file__).resolve().parents[2] / "shared" / "data" / "listing-pages").glob("*.txt"))


def profiles() -> list[TopicProfile]:
    rows = json.loads(DEFAULTS.read_text(encoding="utf-8"))
    return [TopicProfile(one["slug"], one["name"], one["description"], tuple(one["keywords"])) for one in rows]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(profiles(), background=[f"{one.title}. {one.abstract}" for one in sample.papers()])


def assigned(scores: list[TopicScore]) -> list[str]:
    return [one.slug for one in scores if one.assigned]


def measure(classifier: Classifier, texts: dict[str, str], labels: Path) -> tuple[float, float, float]:
    """(micro-F1 of assigned topics, accuracy of the primary one, recall among the first three)."""
    hits = said = true = primary = 0
    recall = 0.0
    rows = [row for row in json.loads(labels.read_text(encoding="utf-8")) if row["title"] in texts]
    assert len(rows) == len(texts)
    for row in rows:
        scores = classifier.classify(row["title"], texts[row["title"]])
        wanted, found = set(row["topics"]), assigned(scores)
        hits, said, true = hits + len(wanted.intersection(found)), said + len(found), true + len(wanted)
        primary += scores[0].slug == row["topics"][0]
        recall += len(wanted.intersection(one.slug for one in scores[:3])) / len(wanted)
    return 2 * hits / (said + true), primary / len(rows), recall / len(rows)


@pytest.mark.skipif(not REAL, reason="the labelled abstracts are not part of the repository")
def test_topics_of_real_papers_beat_keywords_with_tf_idf(classifier: Classifier) -> None:
    papers = [paper for page in REAL for paper in listing_page.parse(page.read_bytes())]
    by_title = {paper.title.replace("“", '"').replace("”", '"'): paper.abstract for paper in reversed(papers)}
    known = {row["title"] for row in json.loads((DATA / "topic_labels.json").read_text(encoding="utf-8"))}
    texts = {title: abstract for title, abstract in by_title.items() if title in known}
    assert len(texts) >= 180
    f1, primary, recall = measure(classifier, texts, DATA / "topic_labels.json")
    assert (f1 > 0.74, primary > 0.72, recall > 0.88) == (True, True, True), (f1, primary, recall)


def test_topics_of_the_sample_papers_beat_keywords_with_tf_idf(classifier: Classifier) -> None:
    texts = {one.title: one.abstract for one in sample.papers()}
    f1, primary, recall = measure(classifier, texts, DATA / "sample_topic_labels.json")
    assert (f1 > 0.75, primary > 0.8, recall > 0.9) == (True, True, True), (f1, primary, recall)


def test_the_best_comes_first_and_every_topic_is_scored(classifier: Classifier) -> None:
    scores = classifier.classify(
        "Speech recognition for children", "We study automatic speech recognition in a GPU cluster."
    )
    assert scores[0].slug == "speech-audio"
    assert [one.score for one in scores] == sorted((one.score for one in scores), reverse=True)
    assert {one.slug for one in scores} == {one.slug for one in profiles()}
    assert all(0 <= one.score <= 1 for one in scores)


def test_scores_do_not_depend_on_what_was_classified_before(classifier: Classifier) -> None:
    first = classifier.classify("Dense retrieval", "We rank passages.")
    classifier.classify("Robots that grasp", "A gripper.")
    assert classifier.classify("Dense retrieval", "We rank passages.") == first


def test_words_that_say_nothing_file_a_paper_nowhere(classifier: Classifier) -> None:
    scores = classifier.classify("Notes", "")
    assert assigned(scores) == []
    assert {one.score for one in scores} == {0.0}


def test_any_evidence_files_a_paper_under_its_best_topic(classifier: Classifier) -> None:
    assert assigned(classifier.classify("On plumbing", "It mentions a robot once."))[:1] == ["robotics"]


def test_at_most_three_topics_are_assigned(classifier: Classifier) -> None:
    everything = " ".join(keyword for topic in profiles() for keyword in topic.keywords)
    assert len(assigned(classifier.classify(everything, everything))) == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Point clouds", "point cloud"),
        ("Point-Cloud", "point cloud"),
        ("MIXTURE-OF-EXPERTS", "mixture of experts"),
        ("large language models", "Large Language Model"),
    ],
)
def test_plurals_hyphens_and_case_do_not_matter(classifier: Classifier, one: str, other: str) -> None:
    assert classifier.classify(one, "") == classifier.classify(other, "")


def test_saying_that_code_is_available_does_not_make_it_a_paper_about_code(classifier: Classifier) -> None:
    abstract = "We segment brain tumors in MRI. The source code is available at https://github.com/a/b for developers."
    assert "code" not in assigned(classifier.classify("Brain tumors", abstract))


def test_the_categories_of_arxiv_are_evidence(classifier: Classifier) -> None:
    plain = classifier.classify("A new approach", "It works.")
    helped = classifier.classify("A new approach", "It works.", categories=["cs.RO", "cs.LG"])
    assert assigned(plain) == []
    assert assigned(helped) == ["robotics"]


def test_a_topic_of_the_curators_own_works_at_once() -> None:
    beekeeping = TopicProfile("bees", "Beekeeping", "Hives, honey and pollination.", ("bee colony",))
    classifier = Classifier([*profiles(), beekeeping])
    assert classifier.classify("Counting bee colonies", "Hives are watched by cameras.")[0].slug == "bees"
    assert "bees" in assigned(classifier.classify("Honey", "A study of pollination and honey."))


def test_without_topics_there_is_nothing_to_say() -> None:
    assert Classifier([]).classify("Anything", "at all") == []


def test_no_heavy_library_is_loaded_for_it() -> None:
    code = "import sys; import newsletter.topics; print(sorted({'sklearn', 'numpy', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.django_db
def test_the_default_topics_come_with_the_migrations() -> None:
    assert list(Topic.objects.values_list("slug", flat=True)) == [one.slug for one in profiles()]
    assert Topic.objects.count() == 18


@pytest.mark.django_db
def test_the_command_prints_one_line_of_json_a_paper(tmp_path: Path) -> None:
    file = tmp_path / "papers.jsonl"
    papers = [{"title": "Neural codecs for speech", "abstract": "An audio codec."}, {"title": "0", "abstract": None}]
    file.write_text("\n".join(map(json.dumps, papers)) + "\n\n", encoding="utf-8")
    out = StringIO()
    call_command("classify_papers", "--jsonl", str(file), stdout=out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["title"] for line in lines] == ["Neural codecs for speech", "0"]
    assert lines[0]["topics"][0]["slug"] == "speech-audio"
    assert lines[0]["topics"][0]["assigned"] is True
    assert set(lines[0]["topics"][0]) == {"slug", "score", "assigned"}
    assert len(lines[1]["topics"]) == 18


@pytest.mark.django_db
@pytest.mark.parametrize("line", ["{not json", '["a", "list"]', '{"abstract": "no title"}'])
def test_the_command_names_the_line_it_cannot_read(tmp_path: Path, line: str) -> None:
    file = tmp_path / "papers.jsonl"
    file.write_text('{"title": "fine"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(CommandError, match="line 2"):
        call_command("classify_papers", "--jsonl", str(file), stdout=StringIO())
