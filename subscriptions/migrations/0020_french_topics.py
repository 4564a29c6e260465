"""French names and descriptions of the topics of all fields, which curators edit from then on.

A topic that was renamed keeps its own name, and a translation that is there already stays.
"""

from django.db import migrations

FRENCH = {
    # English name: (French name, French description)
    "Language models": (
        "Modèles de langue",
        "Grands modèles de langue et traitement automatique des langues : pré-entraînement, alignement, prompts, "
        "raisonnement, contextes longs, traduction et dialogue.",
    ),
    "Efficient inference & compression": (
        "Inférence efficace et compression",
        "Rendre les modèles plus petits, plus rapides ou moins coûteux : quantification, élagage, distillation, "
        "parcimonie, décodage spéculatif et compression du cache clé-valeur.",
    ),
    "Neural architectures": (
        "Architectures de réseaux",
        "Nouvelles briques et nouveaux plans de réseaux de neurones : variantes de l’attention, modèles à espace "
        "d’états, mélanges d’experts, convolutions, MLP-Mixer et recherche d’architectures.",
    ),
    "Computer vision": (
        "Vision par ordinateur",
        "Comprendre et traiter images et vidéos : classification, détection, segmentation, suivi, profondeur, flux "
        "optique, restauration d’images et compression visuelle.",
    ),
    "Image & video generation": (
        "Génération d’images et de vidéos",
        "Créer et modifier des images et des vidéos, le plus souvent par des modèles de diffusion, de flot, "
        "autorégressifs ou antagonistes.",
    ),
    "Speech & audio": (
        "Parole et audio",
        "Reconnaissance et synthèse de la parole, traitement du son, de la musique et de l’audio.",
    ),
    "Multimodal & vision-language": (
        "Multimodal et vision-langage",
        "Modèles qui réunissent plusieurs modalités (images, vidéo, texte, audio) : modèles vision-langage, "
        "légendage et questions-réponses sur des images.",
    ),
    "3D & graphics": (
        "3D et graphisme",
        "Scènes et formes en trois dimensions : reconstruction, champs de radiance neuronaux, Gaussian splatting, "
        "nuages de points, maillages, avatars et rendu.",
    ),
    "Retrieval, ranking & recommendation": (
        "Recherche, classement et recommandation",
        "Trouver et ordonner l’information : recherche dense et parcimonieuse, reclassement, plus proches voisins, "
        "questions-réponses sur documents, génération augmentée par la recherche et systèmes de recommandation.",
    ),
    "Reinforcement learning & agents": (
        "Apprentissage par renforcement et agents",
        "Apprendre à agir : apprentissage par renforcement, planification, systèmes multi-agents et agents à base de "
        "modèles de langue qui utilisent des outils.",
    ),
    "Robotics & autonomous driving": (
        "Robotique et conduite autonome",
        "Robots et véhicules dans le monde physique : manipulation, navigation, apprentissage par imitation, "
        "commande incarnée et conduite autonome.",
    ),
    "Code & software engineering": (
        "Code et génie logiciel",
        "Les programmes comme données : génération, traduction et réparation de code, analyse de programmes et de "
        "vulnérabilités, preuves et outils de développement.",
    ),
    "Learning theory & methods": (
        "Théorie et méthodes d’apprentissage",
        "Comment et pourquoi l’apprentissage fonctionne : optimiseurs, généralisation, méthodes bayésiennes et "
        "probabilistes, apprentissage auto-supervisé, par transfert, continu et à partir de peu d’exemples, "
        "interprétabilité.",
    ),
    "Systems & hardware": (
        "Systèmes et matériel",
        "Les systèmes d’apprentissage automatique et le matériel qui les porte : mise en service, entraînement "
        "distribué, noyaux GPU, accélérateurs, FPGA, mémoire et périphérie.",
    ),
    "Biomedical & science": (
        "Biomédecine et sciences",
        "L’apprentissage automatique pour la médecine et les sciences : imagerie médicale, signaux cérébraux, "
        "biologie, chimie, physique, climat, agriculture, télédétection et calcul numérique.",
    ),
    "Security, privacy & safety": (
        "Sécurité, vie privée et sûreté",
        "Attaques et défenses, robustesse, vie privée, apprentissage fédéré, équité, jailbreaks, hallucinations et "
        "IA responsable.",
    ),
    "Graphs, tabular & time series": (
        "Graphes, tableaux et séries temporelles",
        "Données structurées autres que le texte et l’image : réseaux de neurones sur graphes, plongements de nœuds, "
        "tableaux, séries temporelles et prévision, détection d’anomalies.",
    ),
    "Benchmarks, datasets & surveys": (
        "Bancs d’essai, jeux de données et synthèses",
        "Articles dont l’apport principal est un banc d’essai, un jeu de données, une métrique, une synthèse, une "
        "bibliothèque ou une comparaison empirique.",
    ),
    "Astrophysics": (
        "Astrophysique",
        "Les étoiles, les planètes, les galaxies et ce qui les sépare : observations, relevés, instruments et "
        "simulations.",
    ),
    "Gravitation & cosmology": (
        "Gravitation et cosmologie",
        "La gravité et l’univers dans son ensemble : relativité générale, trous noirs, ondes gravitationnelles, "
        "matière noire et énergie noire.",
    ),
    "Particle physics": (
        "Physique des particules",
        "Les particules élémentaires et leurs interactions : expériences auprès des collisionneurs, modèle standard "
        "et au-delà, théorie des champs et des cordes.",
    ),
    "Nuclear physics & instruments": (
        "Physique nucléaire et instruments",
        "Noyaux atomiques, réactions et matière nucléaires, et les accélérateurs et détecteurs qui les sondent.",
    ),
    "Quantum physics & information": (
        "Physique et information quantiques",
        "Les systèmes quantiques et ce qu’ils permettent de calculer, de mesurer et de transmettre : qubits, "
        "intrication, atomes froids, correction d’erreurs.",
    ),
    "Condensed matter": (
        "Matière condensée",
        "Les solides et leurs électrons : supraconducteurs, aimants, matériaux topologiques et bidimensionnels.",
    ),
    "Statistical physics & complex systems": (
        "Physique statistique et systèmes complexes",
        "De nombreux éléments ensemble : transitions de phase, désordre, chaos, matière molle et active, réseaux.",
    ),
    "Optics & photonics": (
        "Optique et photonique",
        "La lumière et ce que l’on en fait : lasers, métamatériaux, imagerie, photonique intégrée.",
    ),
    "Fluids & plasmas": (
        "Fluides et plasmas",
        "Écoulements de liquides, de gaz et de plasmas : turbulence, instabilités, fusion.",
    ),
    "Algebra & number theory": (
        "Algèbre et théorie des nombres",
        "Groupes, anneaux, représentations, catégories, géométrie algébrique et théorie des nombres.",
    ),
    "Geometry & topology": (
        "Géométrie et topologie",
        "Formes et espaces : variétés, courbure, nœuds, géométrie symplectique et métrique, homotopie.",
    ),
    "Analysis & differential equations": (
        "Analyse et équations différentielles",
        "Fonctions, opérateurs, systèmes dynamiques et équations de la physique mathématique.",
    ),
    "Probability": (
        "Probabilités",
        "Le hasard en mathématiques : processus stochastiques, graphes et matrices aléatoires, théorèmes limites.",
    ),
    "Combinatorics & logic": (
        "Combinatoire et logique",
        "Graphes, dénombrement et structures finies ; ensembles, modèles et preuves.",
    ),
    "Optimization & numerical mathematics": (
        "Optimisation et analyse numérique",
        "Trouver le meilleur et le calculer : optimisation convexe et discrète, méthodes numériques, bornes d’erreur.",
    ),
    "Statistics": (
        "Statistique",
        "Apprendre des données avec une incertitude chiffrée : inférence, plans d’expérience, méthodes bayésiennes "
        "et causales.",
    ),
    "Genomics & genetics": (
        "Génomique et génétique",
        "Gènes et génomes : séquençage, variation, régulation, épigénétique et hérédité.",
    ),
    "Molecular & cell biology": (
        "Biologie moléculaire et cellulaire",
        "Protéines, ARN, membranes et cellules : structure, interactions, développement et maladies.",
    ),
    "Neuroscience": (
        "Neurosciences",
        "Le cerveau et le système nerveux : neurones, circuits, perception, mémoire, comportement et leurs troubles.",
    ),
    "Ecology & evolution": (
        "Écologie et évolution",
        "Organismes, populations et écosystèmes, leur vie commune et leur origine.",
    ),
    "Microbiology & immunology": (
        "Microbiologie et immunologie",
        "Bactéries, virus et autres microbes, et la réponse de l’organisme.",
    ),
    "Computational & systems biology": (
        "Bio-informatique et biologie des systèmes",
        "Méthodes et modèles des sciences du vivant : bio-informatique, biologie des systèmes et de synthèse, "
        "bio-ingénierie.",
    ),
    "Epidemiology & public health": (
        "Épidémiologie et santé publique",
        "La santé des populations : épidémies, risques, prévention, systèmes de soins et leurs inégalités.",
    ),
    "Clinical medicine": (
        "Médecine clinique",
        "Diagnostic et traitement des patients : essais, imagerie, cancer, cœur, médicaments et chirurgie.",
    ),
    "Economic theory & behaviour": (
        "Théorie économique et comportement",
        "Comment décident les personnes, les entreprises et les marchés : jeux, mécanismes, enchères, expériences.",
    ),
    "Applied economics & policy": (
        "Économie appliquée et politiques publiques",
        "Croissance, travail, commerce, prix et politiques publiques, étudiés à partir de données.",
    ),
    "Econometrics": (
        "Économétrie",
        "Méthodes statistiques pour les questions économiques : identification, données de panel, séries temporelles.",
    ),
    "Finance & risk": (
        "Finance et risques",
        "Prix, portefeuilles et risques : valorisation des actifs, négociation, produits dérivés, assurance.",
    ),
    "Chemistry": (
        "Chimie",
        "Les molécules et leurs réactions : synthèse, catalyse, spectroscopie, chimie quantique.",
    ),
    "Materials science": (
        "Science des matériaux",
        "Fabriquer et comprendre les matériaux : alliages, semi-conducteurs, batteries, couches minces.",
    ),
    "Climate & atmosphere": (
        "Climat et atmosphère",
        "Temps, océans et climat : observation, prévision, changements et leurs effets.",
    ),
    "Earth sciences": (
        "Sciences de la Terre",
        "La Terre solide et ses eaux : séismes, roches, volcans, hydrologie, planètes.",
    ),
    "Energy & environment": (
        "Énergie et environnement",
        "Électricité, ressources et pollution : énergies renouvelables, réseaux, eau, déchets, protection de la "
        "nature.",
    ),
    "Signal processing & sensing": (
        "Traitement du signal et capteurs",
        "Les signaux mesurés et reconstruits : estimation, radar, acquisition comprimée, signaux biomédicaux.",
    ),
    "Control & systems": (
        "Automatique et systèmes",
        "Maintenir les systèmes sur leur trajectoire : théorie de la commande, stabilité, réseaux électriques, "
        "véhicules et installations.",
    ),
    "Communications & networks": (
        "Communications et réseaux",
        "Transmettre l’information : systèmes sans fil, codage, théorie de l’information, internet.",
    ),
    "Algorithms & complexity": (
        "Algorithmes et complexité",
        "Ce qui se calcule, et à quelle vitesse : algorithmes, structures de données, bornes inférieures, automates.",
    ),
    "Databases & data management": (
        "Bases de données et gestion des données",
        "Stocker, interroger et nettoyer les données : moteurs de requêtes, transactions, index, lacs de données.",
    ),
    "Human–computer interaction": (
        "Interaction humain-machine",
        "Les personnes et les machines : interfaces, accessibilité, visualisation, études d’utilisateurs.",
    ),
    "Psychology & cognition": (
        "Psychologie et cognition",
        "L’esprit et le comportement : perception, apprentissage, émotions, personnalité, santé mentale.",
    ),
    "Society, education & history": (
        "Société, éducation et histoire",
        "Les humains ensemble : politique, médias, éducation, villes, histoire et culture.",
    ),
}


def add_french(apps, schema_editor):
    translations = apps.get_model("subscriptions", "TopicTranslation").objects
    for topic in apps.get_model("subscriptions", "Topic").objects.filter(name__in=FRENCH):
        name, description = FRENCH[topic.name]
        fields = {"name": name, "description": description}
        translations.get_or_create(topic=topic, language="fr", defaults=fields)


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0019_chinese_topics"), ("newsletter", "0055_topic_sets")]
    operations = [migrations.RunPython(add_french, migrations.RunPython.noop)]
