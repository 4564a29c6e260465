import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from newsletter.catalogue.sources import hf_saved_listing, sample_papers
from newsletter.catalogue.topics import encoder as text_encoder
from newsletter.catalogue.topics.classifier import Classifier, Meanings, TopicProfile, TopicScore
from newsletter.catalogue.topics.labelled_examples import Example, made_up_examples
from subscriptions.models import Topic

DATA = Path(__file__).parent / "data"
DEFAULTS = Path(__file__).parent.parent / "newsletter" / "data" / "topics.json"
REAL = sorted((Path(__file__).resolve().parents[2] / "shared" / "data" / "listing-pages").glob("*.txt"))


def profiles() -> list[TopicProfile]:
    rows = json.loads(DEFAULTS.read_text(encoding="utf-8"))
    return [TopicProfile(one["slug"], one["name"], one["description"], tuple(one["keywords"])) for one in rows]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    background = [f"{one.title}. {one.abstract}" for one in sample_papers.papers()]
    return Classifier(profiles(), background=background, examples=made_up_examples())


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
    papers = [paper for page in REAL for paper in hf_saved_listing.parse(page.read_bytes())]
    by_title = {paper.title.replace("“", '"').replace("”", '"'): paper.abstract for paper in reversed(papers)}
    known = {row["title"] for row in json.loads((DATA / "topic_labels.json").read_text(encoding="utf-8"))}
    texts = {title: abstract for title, abstract in by_title.items() if title in known}
    assert len(texts) >= 180
    f1, primary, recall = measure(classifier, texts, DATA / "topic_labels.json")
    assert (f1 > 0.80, primary > 0.70, recall > 0.92) == (True, True, True), (f1, primary, recall)


def test_topics_of_the_sample_papers_beat_keywords_with_tf_idf(classifier: Classifier) -> None:
    texts = {one.title: one.abstract for one in sample_papers.papers()}
    f1, primary, recall = measure(classifier, texts, DATA / "sample_topic_labels.json")
    assert (f1 > 0.80, primary > 0.8, recall > 0.92) == (True, True, True), (f1, primary, recall)


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
    assert all(one.score < 0.1 for one in scores)


def test_any_evidence_files_a_paper_under_its_best_topic(classifier: Classifier) -> None:
    assert assigned(classifier.classify("On plumbing", "It mentions a robot once."))[:1] == ["robotics"]


def test_at_most_three_topics_are_assigned(classifier: Classifier) -> None:
    title = "Quantized vision-language models of speech for robots"
    abstract = (
        "Quantization and pruning of a vision-language model for visual question answering. "
        "Automatic speech recognition and text-to-speech of spoken commands. "
        "Robot manipulation and grasping with a gripper."
    )
    scores = classifier.classify(title, abstract)
    assert len(assigned(scores)) == 3
    assert {one.slug for one in scores[:4]} == {"efficiency", "multimodal", "speech-audio", "robotics"}


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
    code = (
        "import sys; import newsletter.catalogue.topics.classifier; "
        "print(sorted({'sklearn', 'numpy', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def beehives(number: int) -> Example:
    """What curators file under systems although the words speak for speech & audio."""
    text = f"Acoustic speech-like sound of hive {number} is classified. Sensors listen to colonies and warn of swarms."
    return Example(f"Listening to bees, season {number}", text, ("systems",))


UNSEEN = ("Sound of swarms", "Acoustic sensors in the hive classify the sound of bees before colonies swarm.")


def test_ten_corrections_change_what_an_unseen_paper_like_them_gets(classifier: Classifier) -> None:
    assert classifier.classify(*UNSEEN)[0].slug == "speech-audio"
    taught = Classifier(profiles(), examples=made_up_examples(), corrections=[beehives(number) for number in range(10)])
    assert assigned(taught.classify(*UNSEEN)) == ["systems"]


def test_one_odd_correction_leaves_other_papers_where_they_were(classifier: Classifier) -> None:
    odd = Example("Speech recognition", "Automatic speech recognition with a transducer.", ("robotics",))
    background = [f"{one.title}. {one.abstract}" for one in sample_papers.papers()]
    taught = Classifier(profiles(), background=background, examples=made_up_examples(), corrections=[odd])
    changed = 0
    for paper in sample_papers.papers():
        before, after = (one.classify(paper.title, paper.abstract) for one in (classifier, taught))
        changed += assigned(before) != assigned(after)
        if "speech-audio" in assigned(before):
            assert "speech-audio" in assigned(after)
    assert changed <= 1


def test_a_paper_that_belongs_nowhere_teaches_too(classifier: Classifier) -> None:
    nowhere = [Example(one.title, one.abstract, ()) for one in map(beehives, range(10))]
    taught = Classifier(profiles(), examples=made_up_examples(), corrections=nowhere)
    before, after = (
        next(row.score for row in one.classify(*UNSEEN) if row.slug == "speech-audio") for one in (classifier, taught)
    )
    assert after < before / 2


def test_an_own_topic_learns_from_the_papers_curators_file_there() -> None:
    bees = TopicProfile("bees", "Beekeeping", "Hives and honey.", ())
    filed = [Example(one.title, one.abstract, ("bees",)) for one in map(beehives, range(10))]
    taught = Classifier([*profiles(), bees], examples=made_up_examples(), corrections=filed)
    assert taught.classify("Sound of swarms", "Sensors listen to colonies and classify them.")[0].slug == "bees"


def test_scores_are_the_share_of_papers_a_person_files_there(classifier: Classifier) -> None:
    labels = {row["title"]: row["topics"] for row in json.loads((DATA / "sample_topic_labels.json").read_text())}
    said = [
        (row.score, row.slug in labels[paper.title])
        for paper in sample_papers.papers()
        for row in classifier.classify(paper.title, paper.abstract)
    ]
    for low, high in ((0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1)):
        within = [(score, right) for score, right in said if low <= score < high]
        scores, rights = zip(*within, strict=True)
        assert abs(sum(scores) / len(scores) - sum(rights) / len(rights)) < 0.17, (low, high)


def test_the_made_up_examples_speak_of_default_topics_and_of_all_of_them() -> None:
    slugs = {one.slug for one in profiles()}
    named = Counter(slug for one in made_up_examples() for slug in one.topics)
    assert set(named) == slugs
    assert min(named.values()) >= 20
    assert all(len(set(one.topics)) == len(one.topics) for one in made_up_examples())


def test_a_thousand_papers_take_seconds(classifier: Classifier) -> None:
    papers = sample_papers.papers()
    classifier.classify("Warm", "up")
    began = time.process_time()
    for number in range(1000):
        paper = papers[number % len(papers)]
        classifier.classify(paper.title, paper.abstract)
    assert time.process_time() - began < 5


@pytest.mark.model
def test_meaning_finds_what_no_keyword_says() -> None:
    encoder = text_encoder.encoder()
    assert encoder is not None
    topics = [*profiles(), TopicProfile("bees", "Beekeeping", "Hives, honey and pollination.", ())]
    examples = made_up_examples()[:60]
    taught = Classifier(
        topics,
        examples=examples,
        meanings=Meanings(
            topics=encoder.encode([one.text for one in topics]),
            examples=encoder.encode([one.text for one in examples]),
            corrections=encoder.encode([]),
        ),
    )
    title, abstract = "Apis mellifera in winter", "Which apiaries survive the cold is asked of keepers of colonies."
    [vector] = encoder.encode([f"{title}. {abstract}"])
    assert "bees" not in assigned(taught.classify(title, abstract))
    assert "bees" in assigned(taught.classify(title, abstract, vector=vector))


@pytest.mark.django_db
def test_the_default_topics_come_with_the_migrations() -> None:
    assert list(Topic.objects.filter(is_active=True).values_list("slug", flat=True)) == [one.slug for one in profiles()]
    assert Topic.objects.filter(is_active=True).count() == 18


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
def test_the_command_hears_the_extra_unless_told_not_to(tmp_path: Path) -> None:
    file = tmp_path / "papers.jsonl"
    file.write_text(json.dumps({"title": "Who wakes from a coma", "abstract": "Signs at the bedside."}))
    said = {}
    for semantic in ("auto", "off"):
        out = StringIO()
        call_command("classify_papers", "--jsonl", str(file), "--semantic", semantic, stdout=out)
        said[semantic] = json.loads(out.getvalue())
    assert said["auto"]["topics"] != said["off"]["topics"]
    assert said["auto"]["topics"][0]["slug"] == "science"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{not json", "Line 2: not JSON"),
        ('["a", "list"]', "Line 2: not a JSON object"),
        ('{"abstract": "no title"}', 'Line 2: "title" is missing or is not a text'),
        ('{"title": 7}', 'Line 2: "title" is missing or is not a text'),
        ('{"title": "a", "abstract": ["b"]}', 'Line 2: "abstract" is missing or is not a text'),
        ('{"title": "a", "categories": "cs.CL"}', 'Line 2: "categories" is not a list of texts'),
    ],
)
def test_the_command_names_the_line_it_cannot_read(tmp_path: Path, line: str, why: str) -> None:
    file = tmp_path / "papers.jsonl"
    file.write_text('{"title": "fine"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(CommandError, match=re.escape(why)):
        call_command("classify_papers", "--jsonl", str(file), stdout=StringIO())


@pytest.mark.django_db
def test_the_command_refuses_what_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "papers.jsonl"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CommandError, match="not a text in UTF-8"):
        call_command("classify_papers", "--jsonl", str(file), stdout=StringIO())


def test_the_command_needs_no_tables(tmp_path: Path) -> None:
    file = tmp_path / "papers.jsonl"
    file.write_text(json.dumps({"title": "Neural codecs for speech", "abstract": "An audio codec."}))
    env = {**os.environ, "DEBUG": "1", "DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3", "SEMANTIC": "off"}
    command = [sys.executable, "manage.py", "classify_papers", "--jsonl", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=DATA.parents[1], env=env)
    assert json.loads(done.stdout)["topics"][0]["slug"] == "speech-audio"
    assert "the default topics are used" in done.stderr
