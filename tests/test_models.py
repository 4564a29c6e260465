import pytest
from django.db import IntegrityError

from subscriptions.models import Subscriber
from tests.builders import make_reader

pytestmark = pytest.mark.django_db


def test_an_address_can_exist_once_only() -> None:
    make_reader("alice@example.net")
    with pytest.raises(IntegrityError):
        make_reader("alice@example.net")


def test_a_reader_state_outside_the_list_is_refused_by_the_database() -> None:
    reader = make_reader()
    with pytest.raises(IntegrityError):
        Subscriber.objects.filter(pk=reader.pk).update(state="asleep")
