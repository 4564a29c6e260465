"""German names and descriptions of the default topics, which curators edit from then on.

A topic that was renamed keeps its own name, and a translation that is there already stays. Groups that may change
topics may change their translations too.
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations

GERMAN = {
    # slug: (English name, German name, German description)
    "language-models": (
        "Language models",
        "Sprachmodelle",
        "Große Sprachmodelle und Sprachverarbeitung: Vortraining, Ausrichtung, Prompting, logisches Schließen, lange "
        "Kontexte, Übersetzung und Dialog.",
    ),
    "efficiency": (
        "Efficient inference & compression",
        "Effiziente Inferenz & Kompression",
        "Modelle kleiner, schneller oder sparsamer machen: Quantisierung, Pruning, Destillation, dünne Besetzung, "
        "spekulatives Decoding und Kompression des Key-Value-Caches.",
    ),
    "architectures": (
        "Neural architectures",
        "Netzarchitekturen",
        "Neue Bausteine und Entwürfe für neuronale Netze: Varianten von Attention, State-Space-Modelle, Mixture of "
        "Experts, Faltungen, MLP-Mixer und Architektursuche.",
    ),
    "vision": (
        "Computer vision",
        "Maschinelles Sehen",
        "Bilder und Videos verstehen und verarbeiten: Klassifikation, Detektion, Segmentierung, Tracking, Tiefe, "
        "optischer Fluss, Bildrestaurierung und visuelle Kompression.",
    ),
    "generation": (
        "Image & video generation",
        "Bild- & Videogenerierung",
        "Bilder und Videos erzeugen und bearbeiten, meist mit Diffusions-, Flow-, autoregressiven oder adversarialen "
        "Modellen.",
    ),
    "speech-audio": (
        "Speech & audio",
        "Sprache & Audio",
        "Spracherkennung und Sprachsynthese, Klang-, Musik- und Audioverarbeitung.",
    ),
    "multimodal": (
        "Multimodal & vision-language",
        "Multimodales & Bild-Sprache",
        "Modelle, die mehrere Modalitäten wie Bild, Video, Text und Ton verbinden: Bild-Sprach-Modelle, "
        "Bildbeschreibung und Fragen zu Bildern.",
    ),
    "3d-graphics": (
        "3D & graphics",
        "3D & Grafik",
        "Dreidimensionale Szenen und Formen: Rekonstruktion, Neural Radiance Fields, Gaussian Splatting, Punktwolken, "
        "Netze, Avatare und Rendering.",
    ),
    "retrieval": (
        "Retrieval, ranking & recommendation",
        "Suche, Ranking & Empfehlung",
        "Informationen finden und ordnen: dichtes und dünnes Retrieval, Re-Ranking, Suche nach nächsten Nachbarn, "
        "Fragen zu Dokumenten, Retrieval-Augmented Generation und Empfehlungssysteme.",
    ),
    "rl-agents": (
        "Reinforcement learning & agents",
        "Reinforcement Learning & Agenten",
        "Handeln lernen: Reinforcement Learning, Planung, Multiagentensysteme und Sprachmodell-Agenten, die Werkzeuge "
        "benutzen.",
    ),
    "robotics": (
        "Robotics & autonomous driving",
        "Robotik & autonomes Fahren",
        "Roboter und Fahrzeuge in der physischen Welt: Greifen, Navigation, Imitationslernen, verkörperte Steuerung "
        "und selbstfahrende Autos.",
    ),
    "code": (
        "Code & software engineering",
        "Code & Softwaretechnik",
        "Programme als Daten: Code erzeugen, übersetzen und reparieren, Analyse von Programmen und Schwachstellen, "
        "Beweise und Werkzeuge für die Entwicklung.",
    ),
    "learning-theory": (
        "Learning theory & methods",
        "Lerntheorie & Methoden",
        "Wie und warum Lernen gelingt: Optimierer, Generalisierung, bayessche und probabilistische Methoden, "
        "selbstüberwachtes, Transfer-, kontinuierliches und Few-Shot-Lernen sowie Interpretierbarkeit.",
    ),
    "systems": (
        "Systems & hardware",
        "Systeme & Hardware",
        "Systeme für maschinelles Lernen und die Hardware darunter: Serving, verteiltes Training, GPU-Kernel, "
        "Beschleuniger, FPGAs, Speicher und Edge-Geräte.",
    ),
    "science": (
        "Biomedical & science",
        "Biomedizin & Naturwissenschaft",
        "Maschinelles Lernen für Medizin und Naturwissenschaften: medizinische Bildgebung, Hirnsignale, Biologie, "
        "Chemie, Physik, Klima, Landwirtschaft, Fernerkundung und numerisches Rechnen.",
    ),
    "security": (
        "Security, privacy & safety",
        "Sicherheit & Datenschutz",
        "Angriffe und Abwehr, Robustheit, Datenschutz, föderiertes Lernen, Fairness, Jailbreaks, Halluzinationen und "
        "verantwortungsvolle KI.",
    ),
    "graphs-tabular": (
        "Graphs, tabular & time series",
        "Graphen, Tabellen & Zeitreihen",
        "Strukturierte Daten jenseits von Text und Bild: Graph-Netze, Knoten-Embeddings, Tabellen, Zeitreihen und "
        "Prognosen, Erkennung von Anomalien.",
    ),
    "evaluation": (
        "Benchmarks, datasets & surveys",
        "Benchmarks, Datensätze & Übersichten",
        "Arbeiten, deren Ergebnis vor allem ein Benchmark, ein Datensatz, eine Metrik, eine Übersicht, eine Bibliothek "
        "oder ein empirischer Vergleich ist.",
    ),
}
CODENAMES = [f"{verb}_topictranslation" for verb in ("view", "add", "change", "delete")]


def add_german(apps, schema_editor):
    translations = apps.get_model("subscriptions", "TopicTranslation")
    for topic in apps.get_model("subscriptions", "Topic").objects.filter(slug__in=GERMAN):
        english, name, description = GERMAN[topic.slug]
        if topic.name == english:
            fields = {"name": name, "description": description}
            translations.objects.get_or_create(topic=topic, language="de", defaults=fields)


def let_curators(apps, schema_editor):
    using = schema_editor.connection.alias
    config = apps.get_app_config("subscriptions")
    if not getattr(config, "models_module", None):
        config.models_module = True  # the config of a migration has none, and is passed over without
    create_permissions(config, apps=apps, using=using, verbosity=0)
    mine = {"content_type__app_label": "subscriptions"}
    permissions = apps.get_model("auth", "Permission").objects.using(using).filter(codename__in=CODENAMES, **mine)
    groups = apps.get_model("auth", "Group").objects.using(using)
    for group in groups.filter(
        permissions__codename="change_topic", permissions__content_type__app_label="subscriptions"
    ):
        group.permissions.add(*permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0009_topic_translations"),
        ("newsletter", "0002_default_topics"),
        ("newsletter", "0003_groups"),
    ]
    operations = [
        migrations.RunPython(add_german, migrations.RunPython.noop),
        migrations.RunPython(let_curators, migrations.RunPython.noop),
    ]
