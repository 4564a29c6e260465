"""The pipeline's rows, in the order papers flow through them.

A paper is seen by sources (Sighting) and measured (Signal); an edition lists papers (EditionItem) and is frozen
(Compiled); each reader's digest is one Delivery; what comes back is a DeliveryEvent, a Verdict or a Click.
The database is the record of truth and the queue: everything else may be lost at any moment.
"""

from newsletter.models.deliveries import (
    Claim,
    Click,
    ClickQuerySet,
    Delivery,
    DeliveryEvent,
    DeliveryQuerySet,
    Miss,
    Verdict,
)
from newsletter.models.digest_feeds import DigestFeed
from newsletter.models.edition_revisions import EditionRevision
from newsletter.models.editions import Compiled, CuratorMail, Edition, EditionItem, EditionItemQuerySet, EditionQuerySet
from newsletter.models.embeddings import PaperVector
from newsletter.models.heartbeats_and_leases import Heartbeat, Lease
from newsletter.models.library import LibraryEntry, LibraryLink
from newsletter.models.merges import DistinctPapers, Merge
from newsletter.models.paper_links import PaperLink, PaperLinkQuerySet
from newsletter.models.papers import Paper, PaperQuerySet, PaperTopic
from newsletter.models.pictures import Picture
from newsletter.models.profile_removals import ProfileRemoval
from newsletter.models.restore_mark_and_digest_checks import HighWater, Reconciliation
from newsletter.models.search_index import SearchEntry, SearchMemory
from newsletter.models.sending_pauses import DomainHold, PaceBucket, Stream
from newsletter.models.sightings_and_signals import PaperIdentifier, Sighting, Signal
from newsletter.models.sign_ins import SignIn, SignInQuerySet
from newsletter.models.source_runs import SourceHost, SourceRun
from newsletter.models.staff import Absence, StaffPreferences
from newsletter.models.standing_queries import QueryHit, StandingQuery
from newsletter.models.timings import TimingBucket
from newsletter.models.unrecognised_bounces import Letter, LetterQuerySet
from newsletter.models.votes_and_submissions import Submission, SubmissionQuerySet, Vote
from newsletter.models.webhooks import WebhookDelivery, WebhookEndpoint, WebhookEvent

__all__ = [
    "Absence",
    "Claim",
    "Click",
    "ClickQuerySet",
    "Compiled",
    "CuratorMail",
    "Delivery",
    "DeliveryEvent",
    "DeliveryQuerySet",
    "DigestFeed",
    "DistinctPapers",
    "DomainHold",
    "Edition",
    "EditionItem",
    "EditionItemQuerySet",
    "EditionQuerySet",
    "EditionRevision",
    "Heartbeat",
    "HighWater",
    "Lease",
    "Letter",
    "LetterQuerySet",
    "LibraryEntry",
    "LibraryLink",
    "Merge",
    "Miss",
    "PaceBucket",
    "Paper",
    "PaperIdentifier",
    "PaperLink",
    "PaperLinkQuerySet",
    "PaperQuerySet",
    "PaperTopic",
    "PaperVector",
    "Picture",
    "ProfileRemoval",
    "QueryHit",
    "Reconciliation",
    "SearchEntry",
    "SearchMemory",
    "Sighting",
    "SignIn",
    "SignInQuerySet",
    "Signal",
    "SourceHost",
    "SourceRun",
    "StaffPreferences",
    "StandingQuery",
    "Stream",
    "Submission",
    "SubmissionQuerySet",
    "TimingBucket",
    "Verdict",
    "Vote",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
]
