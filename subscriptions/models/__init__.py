"""The rows about people: topics, readers, what they agreed to, and addresses that must never be mailed again.

In: forms and lifecycle. Out: rows that the pipeline reads.
"""

from subscriptions.models.api_keys import ApiKey, ApiKeyQuerySet, may_sign_up
from subscriptions.models.catch_ups import CatchUp
from subscriptions.models.consent import ConsentEvent
from subscriptions.models.interests import Interest, InterestTopic
from subscriptions.models.list_imports import ListImport
from subscriptions.models.mail_settings import MailSettings
from subscriptions.models.notices import Notice
from subscriptions.models.rate_limits import Allowance, RefusedRequest
from subscriptions.models.subscribers import (
    EVERY_DAY,
    WEEKDAYS,
    Follow,
    Subscriber,
    SubscriberQuerySet,
    TopicPreference,
    site_language,
)
from subscriptions.models.suppressions import Suppression, SuppressionQuerySet
from subscriptions.models.topics import Topic, TopicTranslation, forget_local_texts, local_texts

__all__ = [
    "EVERY_DAY",
    "WEEKDAYS",
    "Allowance",
    "ApiKey",
    "ApiKeyQuerySet",
    "CatchUp",
    "ConsentEvent",
    "Follow",
    "Interest",
    "InterestTopic",
    "ListImport",
    "MailSettings",
    "Notice",
    "RefusedRequest",
    "Subscriber",
    "SubscriberQuerySet",
    "Suppression",
    "SuppressionQuerySet",
    "Topic",
    "TopicPreference",
    "TopicTranslation",
    "forget_local_texts",
    "local_texts",
    "may_sign_up",
    "site_language",
]
