"""Spanish names and descriptions of the topics of all fields, which curators edit from then on.

A topic that was renamed keeps its own name, and a translation that is there already stays.
"""

from django.db import migrations

SPANISH = {
    # English name: (Spanish name, Spanish description)
    "Language models": (
        "Modelos de lenguaje",
        "Grandes modelos de lenguaje y procesamiento del lenguaje natural: preentrenamiento, alineamiento, prompts, "
        "razonamiento, contextos largos, traducción y diálogo.",
    ),
    "Efficient inference & compression": (
        "Inferencia eficiente y compresión",
        "Modelos más pequeños, rápidos o baratos de ejecutar: cuantización, poda, destilación, dispersión, "
        "decodificación especulativa y compresión de la caché clave-valor.",
    ),
    "Neural architectures": (
        "Arquitecturas neuronales",
        "Nuevos bloques y diseños de redes neuronales: variantes de la atención, modelos de espacio de estados, "
        "mezcla de expertos, convoluciones, MLP-Mixer y búsqueda de arquitecturas.",
    ),
    "Computer vision": (
        "Visión por computador",
        "Comprender y procesar imágenes y vídeo: clasificación, detección, segmentación, seguimiento, profundidad, "
        "flujo óptico, restauración de imágenes y compresión visual.",
    ),
    "Image & video generation": (
        "Generación de imágenes y vídeo",
        "Crear y editar imágenes y vídeo, sobre todo con modelos de difusión, de flujo, autorregresivos o adversarios.",
    ),
    "Speech & audio": (
        "Habla y audio",
        "Reconocimiento y síntesis del habla, procesamiento de sonido, música y audio.",
    ),
    "Multimodal & vision-language": (
        "Multimodal y visión-lenguaje",
        "Modelos que unen varias modalidades, como imágenes, vídeo, texto y audio: modelos de visión y lenguaje, "
        "descripción de imágenes y respuesta a preguntas visuales.",
    ),
    "3D & graphics": (
        "3D y gráficos",
        "Escenas y formas tridimensionales: reconstrucción, campos de radiancia neuronales, Gaussian splatting, "
        "nubes de puntos, mallas, avatares y renderizado.",
    ),
    "Retrieval, ranking & recommendation": (
        "Búsqueda, ordenación y recomendación",
        "Encontrar y ordenar información: recuperación densa y dispersa, reordenación, vecinos más cercanos, "
        "respuesta a preguntas sobre documentos, generación aumentada con recuperación y sistemas de recomendación.",
    ),
    "Reinforcement learning & agents": (
        "Aprendizaje por refuerzo y agentes",
        "Aprender a actuar: aprendizaje por refuerzo, planificación, sistemas multiagente y agentes de modelos de "
        "lenguaje que usan herramientas.",
    ),
    "Robotics & autonomous driving": (
        "Robótica y conducción autónoma",
        "Robots y vehículos en el mundo físico: manipulación, navegación, aprendizaje por imitación, control "
        "encarnado y conducción autónoma.",
    ),
    "Code & software engineering": (
        "Código e ingeniería de software",
        "Los programas como datos: generación, traducción y reparación de código, análisis de programas y "
        "vulnerabilidades, demostraciones y herramientas de desarrollo.",
    ),
    "Learning theory & methods": (
        "Teoría y métodos de aprendizaje",
        "Cómo y por qué funciona el aprendizaje: optimizadores, generalización, métodos bayesianos y "
        "probabilísticos, aprendizaje autosupervisado, por transferencia, continuo y con pocos ejemplos, e "
        "interpretabilidad.",
    ),
    "Systems & hardware": (
        "Sistemas y hardware",
        "Sistemas de aprendizaje automático y el hardware que los sostiene: servicio de modelos, entrenamiento "
        "distribuido, kernels de GPU, aceleradores, FPGA, memoria y dispositivos de borde.",
    ),
    "Biomedical & science": (
        "Biomedicina y ciencia",
        "Aprendizaje automático para la medicina y las ciencias: imagen médica, señales cerebrales, biología, "
        "química, física, clima, agricultura, teledetección y cálculo numérico.",
    ),
    "Security, privacy & safety": (
        "Seguridad, privacidad y protección",
        "Ataques y defensas, robustez, privacidad, aprendizaje federado, equidad, jailbreaks, alucinaciones e IA "
        "responsable.",
    ),
    "Graphs, tabular & time series": (
        "Grafos, tablas y series temporales",
        "Datos estructurados distintos de texto e imagen: redes neuronales de grafos, representaciones de nodos, "
        "tablas, series temporales y predicción, detección de anomalías.",
    ),
    "Benchmarks, datasets & surveys": (
        "Bancos de pruebas, datos y revisiones",
        "Artículos cuyo resultado principal es un banco de pruebas, un conjunto de datos, una métrica, una revisión, "
        "una biblioteca o una comparación empírica.",
    ),
    "Astrophysics": (
        "Astrofísica",
        "Estrellas, planetas, galaxias y lo que hay entre ellas: observaciones, cartografiados, instrumentos y "
        "simulaciones.",
    ),
    "Gravitation & cosmology": (
        "Gravitación y cosmología",
        "La gravedad y el universo en su conjunto: relatividad general, agujeros negros, ondas gravitacionales, "
        "materia oscura y energía oscura.",
    ),
    "Particle physics": (
        "Física de partículas",
        "Las partículas elementales y sus interacciones: experimentos en colisionadores, el modelo estándar y más "
        "allá, teoría de campos y de cuerdas.",
    ),
    "Nuclear physics & instruments": (
        "Física nuclear e instrumentos",
        "Núcleos atómicos, reacciones y materia nucleares, y los aceleradores y detectores que los exploran.",
    ),
    "Quantum physics & information": (
        "Física e información cuánticas",
        "Los sistemas cuánticos y lo que con ellos se puede calcular, medir y transmitir: cúbits, entrelazamiento, "
        "átomos fríos, corrección de errores.",
    ),
    "Condensed matter": (
        "Materia condensada",
        "Los sólidos y sus electrones: superconductores, imanes, materiales topológicos y bidimensionales.",
    ),
    "Statistical physics & complex systems": (
        "Física estadística y sistemas complejos",
        "Muchas partes juntas: transiciones de fase, desorden, caos, materia blanda y activa, redes.",
    ),
    "Optics & photonics": (
        "Óptica y fotónica",
        "La luz y lo que se construye con ella: láseres, metamateriales, imagen, fotónica integrada.",
    ),
    "Fluids & plasmas": (
        "Fluidos y plasmas",
        "Flujos de líquidos, gases y plasmas: turbulencia, inestabilidades, fusión.",
    ),
    "Algebra & number theory": (
        "Álgebra y teoría de números",
        "Grupos, anillos, representaciones, categorías, geometría algebraica y teoría de números.",
    ),
    "Geometry & topology": (
        "Geometría y topología",
        "Formas y espacios: variedades, curvatura, nudos, geometría simpléctica y métrica, homotopía.",
    ),
    "Analysis & differential equations": (
        "Análisis y ecuaciones diferenciales",
        "Funciones, operadores, sistemas dinámicos y las ecuaciones de la física matemática.",
    ),
    "Probability": (
        "Probabilidad",
        "El azar como matemática: procesos estocásticos, grafos y matrices aleatorios, teoremas límite.",
    ),
    "Combinatorics & logic": (
        "Combinatoria y lógica",
        "Grafos, recuento y estructuras finitas; conjuntos, modelos y demostraciones.",
    ),
    "Optimization & numerical mathematics": (
        "Optimización y análisis numérico",
        "Encontrar lo mejor y calcularlo: optimización convexa y discreta, métodos numéricos, cotas de error.",
    ),
    "Statistics": (
        "Estadística",
        "Aprender de los datos con incertidumbre declarada: inferencia, diseño de estudios, métodos bayesianos y "
        "causales.",
    ),
    "Genomics & genetics": (
        "Genómica y genética",
        "Genes y genomas: secuenciación, variación, regulación, epigenética y herencia.",
    ),
    "Molecular & cell biology": (
        "Biología molecular y celular",
        "Proteínas, ARN, membranas y células: estructura, interacción, desarrollo y enfermedad.",
    ),
    "Neuroscience": (
        "Neurociencia",
        "El cerebro y el sistema nervioso: neuronas, circuitos, percepción, memoria, conducta y sus trastornos.",
    ),
    "Ecology & evolution": (
        "Ecología y evolución",
        "Organismos, poblaciones y ecosistemas, cómo conviven y cómo surgieron.",
    ),
    "Microbiology & immunology": (
        "Microbiología e inmunología",
        "Bacterias, virus y otros microbios, y cómo responde el cuerpo.",
    ),
    "Computational & systems biology": (
        "Biología computacional y de sistemas",
        "Métodos y modelos de las ciencias de la vida: bioinformática, biología de sistemas y sintética, "
        "bioingeniería.",
    ),
    "Epidemiology & public health": (
        "Epidemiología y salud pública",
        "La salud de las poblaciones: brotes, riesgos, prevención, sistemas de atención y sus desigualdades.",
    ),
    "Clinical medicine": (
        "Medicina clínica",
        "Diagnóstico y tratamiento de pacientes: ensayos, imagen, cáncer, corazón, fármacos y cirugía.",
    ),
    "Economic theory & behaviour": (
        "Teoría económica y conducta",
        "Cómo deciden las personas, las empresas y los mercados: juegos, mecanismos, subastas, experimentos.",
    ),
    "Applied economics & policy": (
        "Economía aplicada y políticas públicas",
        "Crecimiento, trabajo, comercio, precios y políticas públicas, estudiados con datos.",
    ),
    "Econometrics": (
        "Econometría",
        "Métodos estadísticos para preguntas económicas: identificación, datos de panel, series temporales.",
    ),
    "Finance & risk": (
        "Finanzas y riesgo",
        "Precios, carteras y riesgos: valoración de activos, negociación, derivados, seguros.",
    ),
    "Chemistry": (
        "Química",
        "Las moléculas y sus reacciones: síntesis, catálisis, espectroscopia, química cuántica.",
    ),
    "Materials science": (
        "Ciencia de materiales",
        "Fabricar y entender los materiales: aleaciones, semiconductores, baterías, láminas delgadas.",
    ),
    "Climate & atmosphere": (
        "Clima y atmósfera",
        "Tiempo, océanos y clima: observación, predicción, cambio y sus efectos.",
    ),
    "Earth sciences": (
        "Ciencias de la Tierra",
        "La Tierra sólida y sus aguas: terremotos, rocas, volcanes, hidrología, planetas.",
    ),
    "Energy & environment": (
        "Energía y medio ambiente",
        "Electricidad, recursos y contaminación: energías renovables, redes, agua, residuos, protección de la "
        "naturaleza.",
    ),
    "Signal processing & sensing": (
        "Procesamiento de señales y sensores",
        "Señales medidas y recuperadas: estimación, radar, muestreo comprimido, señales biomédicas.",
    ),
    "Control & systems": (
        "Control y sistemas",
        "Mantener el rumbo de los sistemas: teoría de control, estabilidad, redes eléctricas, vehículos e "
        "instalaciones.",
    ),
    "Communications & networks": (
        "Comunicaciones y redes",
        "Enviar información: sistemas inalámbricos, codificación, teoría de la información, internet.",
    ),
    "Algorithms & complexity": (
        "Algoritmos y complejidad",
        "Qué se puede calcular, y con qué rapidez: algoritmos, estructuras de datos, cotas inferiores, autómatas.",
    ),
    "Databases & data management": (
        "Bases y gestión de datos",
        "Almacenar, consultar y limpiar datos: motores de consulta, transacciones, índices, lagos de datos.",
    ),
    "Human–computer interaction": (
        "Interacción persona-ordenador",
        "Las personas y las máquinas: interfaces, accesibilidad, visualización, estudios de usuarios.",
    ),
    "Psychology & cognition": (
        "Psicología y cognición",
        "Mente y conducta: percepción, aprendizaje, emoción, personalidad, salud mental.",
    ),
    "Society, education & history": (
        "Sociedad, educación e historia",
        "Las personas en común: política, medios, educación, ciudades, historia y cultura.",
    ),
}


def add_spanish(apps, schema_editor):
    translations = apps.get_model("subscriptions", "TopicTranslation").objects
    for topic in apps.get_model("subscriptions", "Topic").objects.filter(name__in=SPANISH):
        name, description = SPANISH[topic.name]
        fields = {"name": name, "description": description}
        translations.get_or_create(topic=topic, language="es", defaults=fields)


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0021_japanese_topics"), ("newsletter", "0055_topic_sets")]
    operations = [migrations.RunPython(add_spanish, migrations.RunPython.noop)]
