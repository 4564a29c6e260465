"""Simplified Chinese names and descriptions of the topics of all fields, which curators edit from then on.

A topic that was renamed keeps its own name, and a translation that is there already stays.
"""

from django.db import migrations

CHINESE = {
    # English name: (Chinese name, Chinese description)
    "Language models": ("语言模型", "大语言模型与自然语言处理：预训练、对齐、提示、推理、长上下文、翻译与对话。"),
    "Efficient inference & compression": (
        "高效推理与压缩",
        "让模型更小、更快、运行成本更低：量化、剪枝、蒸馏、稀疏化、推测解码与键值缓存压缩。",
    ),
    "Neural architectures": (
        "神经网络架构",
        "神经网络的新模块与新设计：注意力变体、状态空间模型、混合专家、卷积、MLP-Mixer 与架构搜索。",
    ),
    "Computer vision": (
        "计算机视觉",
        "图像与视频的理解和处理：分类、检测、分割、跟踪、深度、光流、图像复原与视觉压缩。",
    ),
    "Image & video generation": ("图像与视频生成", "图像与视频的生成和编辑，多用扩散、流、自回归或对抗模型。"),
    "Speech & audio": ("语音与音频", "语音识别与合成，声音、音乐与音频处理。"),
    "Multimodal & vision-language": (
        "多模态与视觉语言",
        "结合图像、视频、文本、音频等多种模态的模型：视觉语言模型、图像描述与视觉问答。",
    ),
    "3D & graphics": (
        "三维与图形学",
        "三维场景与形状：重建、神经辐射场、高斯泼溅、点云、网格、虚拟形象与渲染。",
    ),
    "Retrieval, ranking & recommendation": (
        "检索、排序与推荐",
        "信息的查找与排序：稠密与稀疏检索、重排序、近邻搜索、文档问答、检索增强生成与推荐系统。",
    ),
    "Reinforcement learning & agents": (
        "强化学习与智能体",
        "学习如何行动：强化学习、规划、多智能体系统，以及使用工具的语言模型智能体。",
    ),
    "Robotics & autonomous driving": (
        "机器人与自动驾驶",
        "物理世界中的机器人与车辆：操作、导航、模仿学习、具身控制与自动驾驶。",
    ),
    "Code & software engineering": (
        "代码与软件工程",
        "以程序为数据：代码生成、翻译与修复，漏洞与程序分析，证明与开发工具。",
    ),
    "Learning theory & methods": (
        "学习理论与方法",
        "学习如何以及为何有效：优化器、泛化理论、贝叶斯与概率方法，自监督、迁移、持续与少样本学习，以及可解释性。",
    ),
    "Systems & hardware": (
        "系统与硬件",
        "机器学习系统及其底层硬件：推理服务、分布式训练、GPU 内核、加速器、FPGA、内存与边缘设备。",
    ),
    "Biomedical & science": (
        "生物医学与科学",
        "面向医学与科学的机器学习：医学影像、脑信号、生物、化学、物理、气候、农业、遥感与数值计算。",
    ),
    "Security, privacy & safety": (
        "安全与隐私",
        "攻击与防御、鲁棒性、隐私、联邦学习、公平性、越狱、幻觉与负责任的人工智能。",
    ),
    "Graphs, tabular & time series": (
        "图、表格与时间序列",
        "文本与图像之外的结构化数据：图神经网络、节点嵌入、表格、时间序列与预测、异常检测。",
    ),
    "Benchmarks, datasets & surveys": (
        "基准、数据集与综述",
        "主要成果为基准、数据集、指标、综述、软件库或实证比较的论文。",
    ),
    "Astrophysics": ("天体物理学", "恒星、行星、星系及其间的物质：观测、巡天、仪器与模拟。"),
    "Gravitation & cosmology": ("引力与宇宙学", "引力与整个宇宙：广义相对论、黑洞、引力波、暗物质与暗能量。"),
    "Particle physics": ("粒子物理学", "基本粒子及其相互作用：对撞机实验、标准模型及其之外，场论与弦论。"),
    "Nuclear physics & instruments": ("核物理与仪器", "原子核、核反应与核物质，以及用于研究它们的加速器和探测器。"),
    "Quantum physics & information": (
        "量子物理与量子信息",
        "量子系统及其计算、测量与通信：量子比特、纠缠、冷原子与纠错。",
    ),
    "Condensed matter": ("凝聚态物理", "固体及其中的电子：超导体、磁体、拓扑材料与二维材料。"),
    "Statistical physics & complex systems": (
        "统计物理与复杂系统",
        "由众多部分组成的整体：相变、无序、混沌、软物质与活性物质、网络。",
    ),
    "Optics & photonics": ("光学与光子学", "光及其应用：激光、超材料、成像与集成光子学。"),
    "Fluids & plasmas": ("流体与等离子体", "液体、气体与等离子体的流动：湍流、不稳定性与聚变。"),
    "Algebra & number theory": ("代数与数论", "群、环、表示、范畴、代数几何与数论。"),
    "Geometry & topology": ("几何与拓扑", "形状与空间：流形、曲率、纽结、辛几何与度量几何、同伦。"),
    "Analysis & differential equations": ("分析与微分方程", "函数、算子、动力系统与数学物理方程。"),
    "Probability": ("概率论", "随机性的数学：随机过程、随机图与随机矩阵、极限定理。"),
    "Combinatorics & logic": ("组合学与逻辑", "图、计数与有限结构；集合、模型与证明。"),
    "Optimization & numerical mathematics": (
        "最优化与数值数学",
        "寻找并计算最优解：凸优化与离散优化、数值方法、误差界。",
    ),
    "Statistics": ("统计学", "从数据中学习并给出不确定性：推断、研究设计、贝叶斯方法与因果方法。"),
    "Genomics & genetics": ("基因组学与遗传学", "基因与基因组：测序、变异、调控、表观遗传与遗传。"),
    "Molecular & cell biology": ("分子与细胞生物学", "蛋白质、RNA、膜与细胞：结构、相互作用、发育与疾病。"),
    "Neuroscience": ("神经科学", "大脑与神经系统：神经元、回路、感知、记忆、行为及其障碍。"),
    "Ecology & evolution": ("生态与进化", "生物、种群与生态系统，它们如何共同生存，又如何形成。"),
    "Microbiology & immunology": ("微生物学与免疫学", "细菌、病毒及其他微生物，以及机体对它们的反应。"),
    "Computational & systems biology": (
        "计算与系统生物学",
        "生命科学的方法与模型：生物信息学、系统生物学与合成生物学、生物工程。",
    ),
    "Epidemiology & public health": ("流行病学与公共卫生", "人群健康：疫情、风险、预防、医疗体系及其不平等。"),
    "Clinical medicine": ("临床医学", "患者的诊断与治疗：临床试验、影像、癌症、心脏、药物与手术。"),
    "Economic theory & behaviour": ("经济理论与行为", "个人、企业与市场如何决策：博弈、机制、拍卖与实验。"),
    "Applied economics & policy": ("应用经济学与政策", "以数据研究增长、劳动、贸易、价格与公共政策。"),
    "Econometrics": ("计量经济学", "研究经济问题的统计方法：识别、面板数据与时间序列。"),
    "Finance & risk": ("金融与风险", "价格、投资组合与风险：资产定价、交易、衍生品与保险。"),
    "Chemistry": ("化学", "分子及其反应：合成、催化、光谱与量子化学。"),
    "Materials science": ("材料科学", "材料的制备与理解：合金、半导体、电池与薄膜。"),
    "Climate & atmosphere": ("气候与大气", "天气、海洋与气候：观测、预测、变化及其影响。"),
    "Earth sciences": ("地球科学", "固体地球及其水体：地震、岩石、火山、水文与行星。"),
    "Energy & environment": ("能源与环境", "电力、资源与污染：可再生能源、电网、水、废弃物与自然保护。"),
    "Signal processing & sensing": (
        "信号处理与传感",
        "信号的测量与恢复：估计、雷达、压缩感知与生物医学信号。",
    ),
    "Control & systems": ("控制与系统", "让系统保持正轨：控制理论、稳定性、电力系统、车辆与工厂。"),
    "Communications & networks": ("通信与网络", "信息的传输：无线系统、编码、信息论与互联网。"),
    "Algorithms & complexity": ("算法与复杂性", "能计算什么，能多快：算法、数据结构、下界与自动机。"),
    "Databases & data management": (
        "数据库与数据管理",
        "数据的存储、查询与清洗：查询引擎、事务、索引与数据湖。",
    ),
    "Human–computer interaction": ("人机交互", "人与机器：界面、无障碍、可视化与用户研究。"),
    "Psychology & cognition": ("心理学与认知", "心智与行为：感知、学习、情绪、人格与心理健康。"),
    "Society, education & history": ("社会、教育与历史", "共同生活的人们：政治、媒体、教育、城市、历史与文化。"),
}


def add_chinese(apps, schema_editor):
    translations = apps.get_model("subscriptions", "TopicTranslation").objects
    for topic in apps.get_model("subscriptions", "Topic").objects.filter(name__in=CHINESE):
        name, description = CHINESE[topic.name]
        fields = {"name": name, "description": description}
        translations.get_or_create(topic=topic, language="zh-hans", defaults=fields)


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0018_private_feeds"), ("newsletter", "0055_topic_sets")]
    operations = [migrations.RunPython(add_chinese, migrations.RunPython.noop)]
