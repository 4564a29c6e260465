"""Files of other programs as they are found: which columns hold what, in which shape, and what must be asked."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime, timedelta, timezone

import pytest

from subscriptions.list_import import dates
from subscriptions.list_import.encodings import open_text
from subscriptions.list_import.programs import program_of
from subscriptions.list_import.reading_plan import Answers, Plan, make_plan, standing_in
from subscriptions.list_import.seen_addresses import SeenAddresses
from subscriptions.list_import.states import Standing, gravest, standing_of
from subscriptions.list_import.table import Row, UnreadableFile, address_in, find_layout, rows
from subscriptions.list_import.tags import split_tags, stances_in, suggest

TOPICS = {"vision": "vision", "computer vision": "vision", "robotics": "robotics", "language-models": "language-models"}
HINTS = {"llm": "language-models", "machine translation": "language-models"}


def plan_of(text: str | bytes, name: str = "list.csv", **answers: object) -> Plan:
    data = text.encode() if isinstance(text, str) else text
    return make_plan(
        lambda: open_text(io.BytesIO(data)), file_name=name, known_topics=TOPICS, hints=HINTS,
        answers=Answers(**answers),  # type: ignore[arg-type]
    )  # fmt: skip


def roles(plan: Plan) -> dict[str, str]:
    return {name: role for name, role in plan.roles.items() if role}


def asked(plan: Plan) -> list[str]:
    return [question.id for question in plan.questions if question.is_required]


def table(text: str) -> list[Row]:
    return list(rows(io.StringIO(text), find_layout(io.StringIO(text))))


def standings(text: str, **answers: object) -> list[Standing | None]:
    plan = plan_of(text, **answers)
    return [standing_in(row.cells, plan) for row in rows(io.StringIO(text), plan.layout)]


# --- characters and shapes ---

READERS = "email;name;tags\njörg@example.org;Jörg Müller;vision\nzoë@example.org;Zoë;robotics\n".replace(
    "jörg@", "j@"
).replace("zoë@", "z@")


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_line_end_and_delimiter_are_found(encoding: str, line_end: str, delimiter: str) -> None:
    text = READERS.replace(";", delimiter).replace("\n", line_end)
    plan = plan_of(text.encode(encoding))
    assert plan.layout.delimiter == delimiter
    assert roles(plan) == {"email": "email", "tags": "tags"}
    body = list(rows(open_text(io.BytesIO(text.encode(encoding))), plan.layout))
    assert [row.cells[1] for row in body] == ["Jörg Müller", "Zoë"]
    assert [row.line for row in body] == [2, 3]


def test_one_byte_of_windows_deep_in_a_file_of_utf_8_spoils_nothing() -> None:
    lines = [f"a{n}@example.org,Zoë" for n in range(5000)]
    data = "\n".join(["email,name", *lines]).encode() + b"\nlast@example.org,M\xfcller\n"
    assert [row.cells[1] for row in rows(open_text(io.BytesIO(data)), find_layout(open_text(io.BytesIO(data))))][
        -1
    ] == "Müller"


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
def test_the_line_that_excel_writes_for_itself_names_the_delimiter(first: str) -> None:
    plan = plan_of(f"{first}\nemail;tags\nada@example.org;vision,robotics\n")
    assert (plan.layout.delimiter, roles(plan)) == (";", {"email": "email", "tags": "tags"})


def test_lines_before_the_header_are_passed_over() -> None:
    text = (
        "Members of papers@lists.example.org\n\nEmail address,Nickname,Group status,Email status\n"
        "ada@example.org,Ada,member,\ngone@example.org,,member,bouncing\n"
    )
    plan = plan_of(text)
    assert plan.program == "google-groups"
    assert roles(plan) == {"Email address": "email", "Group status": "state", "Email status": "state"}
    assert [row.line for row in rows(io.StringIO(text), plan.layout)] == [4, 5]


def test_a_list_without_a_header_is_read_by_what_is_in_it() -> None:
    text = "Ada,ada@example.org,active,2021-03-04 09:15:02\nGus,gus@example.org,unsubscribed,2022-03-04 10:00:00\n"
    assert roles(plan_of(text)) == {"2": "email", "3": "state", "4": "confirmed_at"}
    assert standings(text) == [Standing.READER, Standing.LEFT]


def test_a_plain_list_of_addresses_with_names_and_comments() -> None:
    text = '# members, 3 May\nada@example.org\nGrace Hopper <grace@example.org>\n"Lee, L." <lee@example.org>\n\n'
    plan = plan_of(text)
    assert (plan.program, asked(plan)) == ("addresses", ["confirmed_at_all", "consent_source"])
    found = [address_in(row.cells[0]) for row in rows(io.StringIO(text), plan.layout)]
    assert found == ["ada@example.org", "grace@example.org", "lee@example.org"]


@pytest.mark.parametrize(
    ("cell", "address"),
    [
        ("ada@example.org", "ada@example.org"),
        (" 'ada@example.org' ", "ada@example.org"),
        ("mailto:ada@example.org", "ada@example.org"),
        ("Ada L. <ada@example.org>;", "ada@example.org"),
        ("<ada@example.org>", "ada@example.org"),
        ("ada@example.org Ada Lovelace", "ada@example.org"),
        ("ada@example.org and bob@example.org", ""),
        ("ada@localhost", ""),
        ("Ada", ""),
        ("", ""),
    ],
)
def test_an_address_is_told_from_other_cells(cell: str, address: str) -> None:
    assert address_in(cell) == address


def test_a_quotation_mark_that_is_never_closed_spoils_its_own_line_only() -> None:
    body = [f"a{n}@example.org,Ada,vision" for n in range(300)]
    body[7] = 'broken@example.org,"Ada,vision'
    found = table("\n".join(["email,name,tags", *body]) + "\n")
    assert [row.line for row in found if row.fault] == [9]
    assert len(found) == 300
    assert found[-1].cells == ["a299@example.org", "Ada", "vision"]


def test_line_breaks_and_quotation_marks_in_cells() -> None:
    found = table('email,note,tags\na@example.org,"two\nlines, ""quoted""",vision\nb@example.org,5" disk,robotics\n')
    assert [row.cells for row in found] == [
        ["a@example.org", 'two\nlines, "quoted"', "vision"],
        ["b@example.org", '5" disk', "robotics"],
    ]
    assert [row.line for row in found] == [2, 4]


def test_a_date_that_was_cut_at_its_comma_is_joined_and_other_long_rows_are_told() -> None:
    found = table(
        "email,confirmed_at,consent_source\na@example.org,Thu, 04 Mar 2021 09:15:02 +0000,form\n"
        "b@example.org,2021-03-04,form,,\nc@example.org,2021-03-04,the form, the old one\n"
    )
    assert [(len(row.cells), row.fault) for row in found] == [(3, ""), (3, ""), (4, "wide")]
    assert found[0].cells[1] == "Thu, 04 Mar 2021 09:15:02 +0000"


def test_json_with_backslashes_in_a_cell() -> None:
    found = table('email,data,status\na@example.org,"{\\"city\\": \\"Ulm, Berlin\\"}",enabled\n')
    assert found[0].cells == ["a@example.org", '{"city": "Ulm, Berlin"}', "enabled"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Is it empty, or another file?"),
        ("\n\n", "Is it empty, or another file?"),
        ("status,city\nactive,Ulm\n", "Columns: status, city."),
        ("just words\nand more\n", "Is it empty, or another file?"),
    ],
)
def test_a_file_without_addresses_is_refused_with_its_columns_if_it_has_any(text: str, told: str) -> None:
    with pytest.raises(UnreadableFile, match="no column holds email addresses") as error:
        plan_of(text)
    assert told in str(error.value)


# --- programs ---

MAILCHIMP = (
    '"Email Address","First Name",MEMBER_RATING,OPTIN_TIME,CONFIRM_TIME,TIMEZONE,LAST_CHANGED,{}LEID,EUID,NOTES,TAGS\n'
)
MAILCHIMP_ROW = (
    'a@example.org,Ada,4,,"2021-03-04 09:15:02",Europe/Berlin,"2025-10-01 07:00:00",{}1,aa,,"""vision"",""x"""\n'
)
FILES = {
    "mailchimp": (
        MAILCHIMP.format("") + MAILCHIMP_ROW.format(""),
        {"Email Address": "email", "OPTIN_TIME": "signed_up_at", "CONFIRM_TIME": "confirmed_at",
         "TIMEZONE": "reader_zone", "TAGS": "tags"},
        [Standing.READER],
    ),
    "substack": (
        "email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at\n"
        "a@example.org,false,,other,false,2025-07-01T00:00:00.000Z,\n"
        "b@example.org,true,2027-01-01T00:00:00.000Z,yearly,true,2025-06-01T00:00:00.000Z,2025-07-15T00:00:00.000Z\n",
        {"email": "email", "email_disabled": "wants_no_mail", "created_at": "signed_up_at"},
        [Standing.READER, Standing.LEFT],
    ),
    "buttondown": (
        "id,email,notes,metadata,tags,referrer_url,source,type,creation_date,unsubscription_date\n"
        '1,a@example.org,,{},"ml,vision",,embedded_form,regular,2023-04-05T06:07:08.123456Z,\n'
        "2,b@example.org,,{},,,api,unactivated,2023-04-05T06:07:08.123456Z,\n"
        "3,c@example.org,,{},,,api,unsubscribed,2023-04-05T06:07:08.123456Z,2024-01-01T00:00:00Z\n"
        "4,d@example.org,,{},,,api,undeliverable,2023-04-05T06:07:08.123456Z,\n"
        "5,e@example.org,,{},,,api,complained,2023-04-05T06:07:08.123456Z,\n",
        {"email": "email", "tags": "tags", "type": "state", "creation_date": "signed_up_at",
         "unsubscription_date": "left_at", "referrer_url": "source"},
        [Standing.READER, Standing.UNCONFIRMED, Standing.LEFT, Standing.BOUNCED, Standing.COMPLAINED],
    ),
    "ghost": (
        "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers\r\n"
        '1,a@example.org,Ada,,true,false,,2024-01-10T00:00:00.000Z,,"imported,vision",\r\n'
        "2,b@example.org,Bob,,false,false,,2023-01-10T00:00:00.000Z,,,\r\n",
        {"email": "email", "subscribed_to_emails": "wants_mail", "created_at": "signed_up_at", "deleted_at": "left_at",
         "labels": "tags"},
        [Standing.READER, Standing.LEFT],
    ),
    "listmonk": (
        "uuid,email,name,attributes,status,created_at,updated_at\n"
        'u1,a@example.org,Ada,"{""city"": ""Ulm""}",enabled,2023-06-07T08:09:10.111213Z,2023-06-07T08:09:10.111213Z\n'
        "u2,b@example.org,Bob,{},blocklisted,2023-06-07T08:09:10.111213Z,2024-06-07T08:09:10.111213Z\n",
        {"email": "email", "status": "state", "created_at": "signed_up_at"},
        [Standing.READER, Standing.BARRED],
    ),
    "keila": (
        "Email,First name,Last name,Data,Status,External ID\n"
        "a@example.org,Ada,L,{},active,\nb@example.org,B,,{},unsubscribed,\nc@example.org,C,,{},unreachable,\n",
        {"Email": "email", "Status": "state"},
        [Standing.READER, Standing.LEFT, Standing.BOUNCED],
    ),
    "kit": (
        "first_name,email,status,created_at,tags\n"
        "Ada,a@example.org,active,2023-01-27 11:43:55 UTC,vision\nB,b@example.org,cancelled,2023-01-27 11:43:55 UTC,\n"
        "C,c@example.org,bounced,2023-01-27 11:43:55 UTC,\nD,d@example.org,complained,2023-01-27 11:43:55 UTC,\n"
        "E,e@example.org,inactive,2023-01-27 11:43:55 UTC,\n",
        {"email": "email", "status": "state", "created_at": "signed_up_at", "tags": "tags"},
        [Standing.READER, Standing.LEFT, Standing.BOUNCED, Standing.COMPLAINED, Standing.UNCONFIRMED],
    ),
    "mailerlite": (
        "Subscriber,Status,Subscribed,Opens,Clicks\n"
        'a@example.org,Active,"2023-02-03 04:05:06",1,0\nb@example.org,Unsubscribed,"2023-02-03 04:05:06",0,0\n'
        'c@example.org,Bounced,"2023-02-03 04:05:06",0,0\nd@example.org,Junk,"2023-02-03 04:05:06",0,0\n',
        {"Subscriber": "email", "Status": "state", "Subscribed": "signed_up_at"},
        [Standing.READER, Standing.LEFT, Standing.BOUNCED, Standing.COMPLAINED],
    ),
    "brevo": (
        "\ufeffCONTACT ID;EMAIL;FIRSTNAME;OPT_IN;ADDED_TIME;MODIFIED_TIME\n"
        "1;a@example.org;Ada;Yes;23-02-2023 04:05:06;23-02-2024 04:05:06\n2;b@example.org;B;No;03-02-2023 04:05:06;\n",
        {"EMAIL": "email", "OPT_IN": "wants_mail", "ADDED_TIME": "signed_up_at"},
        [Standing.READER, Standing.LEFT],
    ),
    "google-groups": (
        "Members for group papers\nEmail address,Nickname,Group status,Email status,Email preference,"
        "Posting permissions,Join year,Join month,Join day,Join hour,Join minute,Join second,Time zone\n"
        "a@example.org,Ada,owner,,All email,allowed,2020,5,6,7,8,9,Europe/Berlin\n"
        "b@example.org,,member,bouncing,Digest,allowed,2020,5,6,7,8,9,Europe/Berlin\n"
        "c@example.org,,member,,No email,allowed,2020,5,6,7,8,9,Europe/Berlin\n",
        {"Email address": "email", "Group status": "state", "Email status": "state", "Email preference": "state",
         "Join year": "joined_year", "Join month": "joined_month", "Join day": "joined_day", "Join hour": "joined_hour",
         "Join minute": "joined_minute", "Join second": "joined_second", "Time zone": "reader_zone"},
        [Standing.READER, Standing.BOUNCED, Standing.LEFT],
    ),
    "tinyletter": (
        'Email,"Signup Date","Subscription Status"\na@example.org,"Nov 02, 2019 10:20 am",Subscribed\n'
        'b@example.org,"Nov 02, 2019 10:20 pm",Unsubscribed\n',
        {"Email": "email", "Signup Date": "signed_up_at", "Subscription Status": "state"},
        [Standing.READER, Standing.LEFT],
    ),
    "revue": (
        "email,first_name,last_name,created_at\na@example.org,Ada,L,2022-01-27 11:43:55 UTC\n",
        {"email": "email", "created_at": "signed_up_at"},
        [Standing.READER],
    ),
    "beehiiv": (
        "email,status,created_at,subscription_tier,utm_source\na@example.org,active,2024-05-01 10:00:00,free,x\n"
        "b@example.org,inactive,2024-05-01 10:00:00,free,\nc@example.org,invalid,2024-05-01 10:00:00,free,\n",
        {"email": "email", "status": "state", "created_at": "signed_up_at"},
        [Standing.READER, Standing.LEFT, Standing.BOUNCED],
    ),
    "unknown": (
        "Kontakt;Angemeldet am;Zustand;Themen\na@example.org;04.03.2021 09:15;aktiv;vision, robotics\n"
        "b@example.org;14.3.21;abgemeldet;\n",
        {"Kontakt": "email", "Angemeldet am": "signed_up_at", "Zustand": "state", "Themen": "tags"},
        [Standing.READER, Standing.LEFT],
    ),
}  # fmt: skip


@pytest.mark.parametrize("program", FILES)
def test_a_file_of_each_program_is_recognised_with_its_columns_and_states(program: str) -> None:
    text, columns, people = FILES[program]
    plan = plan_of(text)
    assert plan.program == program
    assert roles(plan) == columns
    assert standings(text) == people
    assert set(asked(plan)) <= {"zone", "consent_source", "confirmed_at_all"}


@pytest.mark.parametrize(("column", "people"), [("UNSUB_TIME", Standing.LEFT), ("CLEAN_TIME", Standing.BOUNCED)])
def test_mailchimps_other_two_files_hold_no_readers_and_ask_nothing(column: str, people: Standing) -> None:
    rows_of = MAILCHIMP_ROW.format('"2023-05-05 05:05:05",') + MAILCHIMP_ROW.format(",")
    text = MAILCHIMP.format(f"{column},") + rows_of
    assert standings(text) == [people, people]
    assert asked(plan_of(text)) == []


HEADINGS = {
    "Email,Create Date,Unsubscribed from all email\na@x.org,2024-03-01,No\nb@x.org,2024-03-13,Yes\n": [
        Standing.READER, Standing.LEFT,
    ],
    "EmailAddress,SuppressionReason,CreatedAt\na@x.org,HardBounce,2024-01-01\nb@x.org,SpamComplaint,2024-01-01\n": [
        Standing.BOUNCED, Standing.COMPLAINED,
    ],
    "email;activated;deactivated\na@x.org;15.03.2021;\nb@x.org;15.03.2021;16.03.2022\n": [
        Standing.READER, Standing.LEFT,
    ],
    "Mail,Abonniert\na@x.org,ja\nb@x.org,nein\n": [Standing.READER, Standing.LEFT],
    "email,status,archived\na@x.org,subscribed,false\nb@x.org,subscribed,true\n": [Standing.READER, Standing.LEFT],
    "email,consent given,consent date\na@x.org,yes,2021-03-04\nb@x.org,no,\n": [Standing.READER, Standing.LEFT],
    "Adresse e-mail;Statut\na@x.org;abonné\nb@x.org;désabonné\n": [Standing.READER, Standing.LEFT],
    "address,code,error,created_at\na@x.org,550,No such user,2021-03-04\n": [Standing.BOUNCED],
    "email,reason,status,created\na@x.org,550 5.1.1 user unknown,5.1.1,1614849302\n": [Standing.BOUNCED],
    "email,opted out,joined\na@x.org,,2024-01-01\nb@x.org,asked by mail,2024-01-01\n": [
        Standing.READER, Standing.LEFT,
    ],
    "email,confirmed,blacklisted,disabled,entered\na@x.org,1,0,0,2020-01-01\nb@x.org,0,0,0,2020-01-01\n"
    "c@x.org,1,1,0,2020-01-01\nd@x.org,1,0,1,2020-01-01\n": [
        Standing.READER, Standing.UNCONFIRMED, Standing.BARRED, Standing.LEFT,
    ],
    "email,Group status,Email preference\na@x.org,member,email\nb@x.org,member,no email\nc@x.org,member,email\n": [
        Standing.READER, Standing.LEFT, Standing.READER,
    ],
    "Email,Delivery status,Role\na@x.org,enabled,member\nb@x.org,by_user,member\nc@x.org,enabled,nonmember\n": [
        Standing.READER, Standing.LEFT, Standing.UNCONFIRMED,
    ],
    "email,reason,detail,created_at\na@x.org,hard-bounce,550,2024-02-05\nb@x.org,unsub,,2024-02-05\n": [
        Standing.BOUNCED, Standing.LEFT,
    ],
    "recipient,type,source,created\na@x.org,non_transactional,Spam Complaint,2024-02-05\n"
    "b@x.org,transactional,Manually Added,2024-02-05\n": [Standing.COMPLAINED, Standing.BARRED],
    "Email,IsExcludedFromCampaigns\na@x.org,true\nb@x.org,false\n": [Standing.LEFT, Standing.READER],
    "Email,May we send you news?\na@x.org,Yes\nb@x.org,No\n": [Standing.READER, Standing.LEFT],
    "Email;Mailing erlaubt;Werbesperre\na@x.org;ja;\nb@x.org;nein;\nc@x.org;ja;X\n": [
        Standing.READER, Standing.LEFT, Standing.LEFT,
    ],
    "Email,Accepts Email Marketing,Accepts SMS Marketing\na@x.org,yes,no\nb@x.org,no,yes\n": [
        Standing.READER, Standing.LEFT,
    ],
    "Email,Status,Unsubscribe reason\na@x.org,active,\nb@x.org,active,Too many mails\n": [
        Standing.READER, Standing.LEFT,
    ],
    "Email,Status,Reason\na@x.org,active,\nb@x.org,bounced,No mailbox\nc@x.org,abuse,Spam\n": [
        Standing.READER, Standing.BOUNCED, Standing.COMPLAINED,
    ],
}  # fmt: skip


@pytest.mark.parametrize("heading", ["OPTIN_IP", "Optin Page", "Consent Form", "subscribed via"])
def test_an_empty_column_about_agreeing_does_not_make_everybody_leave(heading: str) -> None:
    """Mailchimp leaves OPTIN_IP empty for whom a list or a program added."""
    text = f"Email Address,OPTIN_TIME,{heading},CONFIRM_TIME\n" + "".join(
        f"a{number}@example.org,2020-01-01 10:00:00,,2020-01-01 10:01:00\n" for number in range(3)
    )
    assert standings(text) == [Standing.READER] * 3
    assert standings(text.replace(heading, "opt_in")) == [Standing.LEFT] * 3, "that one is the answer itself"


@pytest.mark.parametrize("text", HEADINGS)
def test_who_left_is_told_by_headings_of_programs_that_nobody_knows(text: str) -> None:
    assert standings(text) == HEADINGS[text]
    assert "word" not in asked(plan_of(text))


@pytest.mark.parametrize("text", ["Ada <a@x.org>; Bob <b@x.org>; c@x.org\n", "a@x.org, b@x.org\nc@x.org,,\n"])
def test_addresses_side_by_side_are_one_reader_each(text: str) -> None:
    plan = plan_of(text)
    assert [address_in(row.cells[0]) for row in rows(io.StringIO(text), plan.layout)] == [
        "a@x.org",
        "b@x.org",
        "c@x.org",
    ]
    assert "email" not in asked(plan)


def test_a_mailing_lists_page_hides_addresses_and_they_are_read_as_meant() -> None:
    text = "ada at example.org\nGrace <grace.h at lists.example.org>\n"
    assert [address_in(row.cells[0]) for row in table(text)] == ["ada@example.org", "grace.h@lists.example.org"]
    assert plan_of(text).program == "addresses"
    assert plan_of("email,work\na@x.org,Clerk at example.org\n").roles == {"email": "email", "work": ""}


def test_an_unknown_word_beside_one_that_says_they_may_get_mail_is_asked_about() -> None:
    """A permission that nobody knows, and one "unsubscribed" in that column says that it is about mail."""
    text = "Email,Email status,Permission status\na@x.org,Active,Temp hold\nb@x.org,Active,Unsubscribed\n"
    assert [one.about for one in plan_of(text).questions if one.id == "word"] == ["temp hold"]
    assert standings(text) == [None, Standing.LEFT]


@pytest.mark.parametrize("heading", ["Marital status", "Payment status", "Ticket status"])
def test_a_status_that_says_of_nobody_that_they_left_is_about_something_else(heading: str) -> None:
    assert roles(plan_of(f"email,{heading}\na@x.org,married\nb@x.org,overdue\n")) == {"email": "email"}


def test_a_date_of_being_blocked_is_no_date_of_agreeing() -> None:
    assert roles(plan_of("email,Blocked on\na@x.org,2024-02-03\n")) == {"email": "email"}
    assert standings("email,Blocked date\na@x.org,2024-02-03\nb@x.org,\n") == [Standing.LEFT, Standing.READER]


def test_headings_that_nobody_writes_are_of_an_unknown_program() -> None:
    assert program_of(["Foo", "Bar"]) == "unknown"
    assert program_of([]) == "addresses"


# --- columns by content, and what is asked ---


def test_columns_are_told_by_what_is_in_them() -> None:
    text = "who,when,what,about\na@example.org,04 Mar 2021,active,vision\nb@example.org,05 Mar 2021,bounced,robotics\n"
    assert roles(plan_of(text)) == {"who": "email", "when": "confirmed_at", "what": "state", "about": "tags"}


def test_a_name_does_not_count_where_the_column_holds_something_else() -> None:
    text = "Address,Mail,State,Status\n12 High St,a@example.org,CA,active\n1 Low St,b@example.org,NY,active\n"
    assert roles(plan_of(text)) == {"Mail": "email", "Status": "state"}


def test_a_birthday_and_a_paid_plan_are_not_taken_for_consent() -> None:
    text = "email,birthday,last_open,plan_expires\na@example.org,1990-05-06,2024-01-01,2027-01-01\n"
    assert roles(plan_of(text)) == {"email": "email"}


@pytest.mark.parametrize("heading", ["email,email", "Email,Private email", "work,home"])
def test_two_columns_of_addresses_are_asked_about(heading: str) -> None:
    plan = plan_of(f"{heading}\nada@example.org,eve@example.org\nbob@example.org,\n", confirmed_at="2021-01-01")
    (question,) = [one for one in plan.questions if one.id == "email"]
    assert len(question.choices) == 2
    second = question.choices[1]
    answered = plan_of(f"{heading}\nada@example.org,eve@example.org\n", columns={second: "email"})
    assert roles(answered) == {second: "email"}
    assert "email" not in asked(answered)


def test_the_same_address_in_two_columns_is_no_question() -> None:
    assert "email" not in asked(plan_of("id,email\nada@example.org,Ada@Example.org\nbob@example.org,bob@example.org\n"))


def test_several_columns_of_dates_are_asked_about() -> None:
    text = "email,first,second\na@example.org,2021-03-04,2022-03-04\n"
    (question,) = [one for one in plan_of(text).questions if one.id == "confirmed_at"]
    assert question.choices == ("first", "second")
    assert roles(plan_of(text, columns={"second": "confirmed_at"}))["second"] == "confirmed_at"


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["03/04/2024", "25/04/2024"], "dmy"),
        (["03/04/2024", "04/25/2024"], "mdy"),
        (["03-04-2024 10:00", "13-04-2024 10:00"], "dmy"),
        (["03/04/2024", "05/06/2024"], "?"),
        (["03/04/2024", "25.04.2024"], "?"),
        (["25/04/2024", "04/25/2024", "03/04/2024"], "?"),
        (["03/04/24", "3/25/24"], "mdy"),
        (["03.04.2024", "05.06.2024"], ""),
        (["2024-03-04", "2024/03/05"], ""),
    ],
)
def test_the_order_of_day_and_month_is_decided_by_the_file_or_asked(cells: list[str], order: str) -> None:
    plan = plan_of("email,created_at\n" + "".join(f"a{n}@example.org,{cell}\n" for n, cell in enumerate(cells)))
    assert ("?" if "dates" in asked(plan) else plan.order) == order


def test_a_zone_is_asked_for_only_where_dates_of_readers_name_none() -> None:
    assert "zone" in asked(plan_of("email,created_at\na@example.org,2021-03-04 09:15\n"))
    assert "zone" not in asked(plan_of("email,created_at\na@example.org,2021-03-04 09:15\n", zone="Europe/Berlin"))
    assert "zone" not in asked(plan_of("email,created_at\na@example.org,2021-03-04T09:15:00Z\n"))
    assert "zone" not in asked(plan_of("email,status,left_at\na@example.org,left,2021-03-04 09:15\n"))


def test_a_zone_that_is_none_is_asked_for_and_the_joining_date_is_read_in_it() -> None:
    text, _columns, _people = FILES["google-groups"]
    assert "zone" not in asked(plan_of(text))
    assert "zone" in asked(plan_of(text.replace("Europe/Berlin", "Pacific Time")))


def test_a_word_for_a_state_that_nobody_knows_is_asked_about() -> None:
    text = "email,status\na@example.org,active\nb@example.org,gone fishing\nc@example.org,Gone Fishing\n"
    (question,) = [one for one in plan_of(text).questions if one.id == "word"]
    assert question.about == "gone fishing"
    assert standings(text, words={"gone fishing": "left"}) == [Standing.READER, Standing.LEFT, Standing.LEFT]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("unsubscribed.csv", "left"), ("hard-bounces-2024.txt", "bounced"), ("blocklist.csv", "barred"),
        ("suppression_list.csv", "barred"), ("spam-complaints.csv", "complained"), ("cleaned_members.csv", "bounced"),
    ],
)  # fmt: skip
def test_a_file_whose_name_says_that_they_left_is_asked_about(name: str, kind: str) -> None:
    text = "email\nada@example.org\n"
    (question,) = [one for one in plan_of(text, name).questions if one.id == "kind"]
    assert question.suggestion == kind
    assert asked(plan_of(text, name, kind=kind)) == []


def test_tags_that_are_no_topic_get_a_suggestion_and_need_no_answer() -> None:
    plan = plan_of('email,tags\na@example.org,"Computer Vision, LLM, CV, Robotic, weekly"\n')
    assert {one.about: one.suggestion for one in plan.questions if one.id == "tag"} == {
        "LLM": "language-models", "CV": "vision", "Robotic": "robotics", "weekly": "",
    }  # fmt: skip
    assert "tag" not in asked(plan)
    assert plan_of("email,tags\na@example.org,LLM\n", tags={"LLM": "vision"}).topics["llm"] == "vision"


# --- cells ---

ZONE = timezone(timedelta(hours=1))


def local(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2021-03-04T09:15:02Z", datetime(2021, 3, 4, 9, 15, 2, tzinfo=UTC)),
        ("2021-03-04 09:15:02 UTC", datetime(2021, 3, 4, 9, 15, 2, tzinfo=UTC)),
        ("2021-03-04 09:15:02 +0100", datetime(2021, 3, 4, 9, 15, 2, tzinfo=ZONE)),
        ("2021-03-04T09:15:02.123456789Z", datetime(2021, 3, 4, 9, 15, 2, 123456, tzinfo=UTC)),
        ("20210304T091502Z", datetime(2021, 3, 4, 9, 15, 2, tzinfo=UTC)),
        ("2021-W09-4", local(2021, 3, 4)),
        ("2021-03-04", local(2021, 3, 4)),
        ("2021/3/4 9:15", local(2021, 3, 4, 9, 15)),
        ("04.03.2021 09:15", local(2021, 3, 4, 9, 15)),
        ("4.3.21", local(2021, 3, 4)),
        ("04.03.2021, 09:15 Uhr", local(2021, 3, 4, 9, 15)),
        ("4. März 2021 um 09:15", local(2021, 3, 4, 9, 15)),
        ("Thu, 04 Mar 2021 09:15:02 +0000", datetime(2021, 3, 4, 9, 15, 2, tzinfo=UTC)),
        ("Thu Mar  4 09:15:02 2021", local(2021, 3, 4, 9, 15, 2)),
        ("Thu Mar 04 2021 09:15:02 GMT+0100 (Central European Time)", datetime(2021, 3, 4, 9, 15, 2, tzinfo=ZONE)),
        ("Nov 02, 2019 10:20 am", local(2019, 11, 2, 10, 20)),
        ("November 2nd, 2019, 12:20 PM", local(2019, 11, 2, 12, 20)),
        ("2 nov. 2019 12:20 a.m.", local(2019, 11, 2, 0, 20)),
        ("02-Nov-2019", local(2019, 11, 2)),
        ("02-Nov-19 10:20 AM", local(2019, 11, 2, 10, 20)),
        ("1614849302", datetime(2021, 3, 4, 9, 15, 2, tzinfo=UTC)),
        ("1614849302000", datetime(2021, 3, 4, 9, 15, 2, tzinfo=UTC)),
        ("44259.385", local(2021, 3, 4, 9, 14, 24)),
        ("44259", local(2021, 3, 4)),
        ("2021-03-04 09:15:02 MEZ", datetime(2021, 3, 4, 9, 15, 2, tzinfo=ZONE)),
        ("2021/03/04 9:15:02 AM GMT+1", datetime(2021, 3, 4, 9, 15, 2, tzinfo=ZONE)),
        ("Mar 25, 2021 10:20 AM EDT", datetime(2021, 3, 25, 10, 20, tzinfo=timezone(timedelta(hours=-4)))),
        ("2021年3月4日", local(2021, 3, 4)),
        ("2021年03月04日 9時15分", local(2021, 3, 4, 9, 15)),
        ("4 mars 2021 à 9h15", local(2021, 3, 4, 9, 15)),
        ("1er août 2021", local(2021, 8, 1)),
        ("4 de marzo de 2021, 09:15", local(2021, 3, 4, 9, 15)),
    ],
)  # fmt: skip
def test_a_date_is_read_in_any_common_form(text: str, moment: datetime) -> None:
    assert dates.read_moment(text) == moment
    assert dates.read_moment(text).tzinfo == moment.tzinfo


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2021-02-30", "2021-02-30T00:00:00Z", "31.02.2021", "Nov 31, 2019", "25:61", "March 2021", "2021",
     "3/4/2021", "13/25/2021", "Nov 2, 2019 25:00", "Nov 2, 10:20", "2 Nov 10:20",
     "Nov 2, 2019 13:00 pm", "2021-03-04 09:15 CST", "+49 30 1234567"],
)  # fmt: skip
def test_what_is_no_date_or_has_two_readings_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="not a date"):
        dates.read_moment(text)


@pytest.mark.parametrize(("order", "day"), [("dmy", 3), ("mdy", 4)])
def test_a_date_with_two_readings_is_read_in_the_order_that_was_said(order: str, day: int) -> None:
    assert dates.read_moment("03/04/2024 7:05 pm", order=order) == local(2024, 7 - day, day, 19, 5)


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ('"ML","weekly"', ["ML", "weekly"]), ("ml,vision", ["ml", "vision"]), ('["a b", "c"]', ["a b", "c"]),
        ("a; b|c", ["a", "b", "c"]), ("Computer vision", ["Computer vision"]), ("", []), ("[]", []), (",,", []),
        ("['a', 'b']", ["a", "b"]),
    ],
)  # fmt: skip
def test_tags_are_parted_as_programs_write_them(cell: str, tags: list[str]) -> None:
    assert split_tags(cell) == tags


def test_our_own_topics_are_parted_by_blanks_and_names_may_hold_one() -> None:
    assert stances_in("vision:more robotics:mute", TOPICS) == ["vision:more", "robotics:mute"]
    assert stances_in("Computer Vision, robotics", TOPICS) == ["Computer Vision", "robotics"]


def test_nothing_is_suggested_for_a_tag_that_is_like_nothing() -> None:
    assert suggest("imported", {**HINTS, **TOPICS}) == suggest("x", TOPICS) == suggest("ml", TOPICS) == ""


def test_addresses_that_were_met_are_known_with_whether_they_left() -> None:
    seen = SeenAddresses()
    marks = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(5000)]
    assert [seen.note(mark, is_reader=True) for mark in marks] == [None] * 5000
    assert seen.note(marks[0], is_reader=False) is True
    assert seen.note(marks[0], is_reader=True) is False
    assert seen.note(marks[0], is_reader=True) is False, "who left stays so"
    assert {seen.note(mark, is_reader=True) for mark in marks[1:]} == {True}
    assert seen.note("0" * 64, is_reader=True) is None


def test_the_gravest_state_counts_and_unknown_words_have_none() -> None:
    assert gravest([Standing.READER, Standing.COMPLAINED, Standing.LEFT]) == Standing.COMPLAINED
    assert gravest([]) == Standing.READER
    assert standing_of("Opted-Out") == Standing.LEFT
    assert standing_of("wat") is None
