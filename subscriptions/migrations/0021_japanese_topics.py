"""Japanese names and descriptions of the topics of all fields, which curators edit from then on.

A topic that was renamed keeps its own name, and a translation that is there already stays.
"""

from django.db import migrations

JAPANESE = {
    # English name: (Japanese name, Japanese description)
    "Language models": (
        "言語モデル",
        "大規模言語モデルと自然言語処理：事前学習、アラインメント、プロンプト、推論、長文脈、翻訳、対話。",
    ),
    "Efficient inference & compression": (
        "効率的な推論と圧縮",
        "モデルを小さく、速く、安く動かす：量子化、枝刈り、蒸留、スパース化、投機的デコーディング、KVキャッシュの圧縮。",
    ),
    "Neural architectures": (
        "ニューラルネットの構造",
        "ニューラルネットの新しい部品と設計：注意機構の変種、状態空間モデル、混合エキスパート、畳み込み、MLP-Mixer、構造探索。",
    ),
    "Computer vision": (
        "コンピュータビジョン",
        "画像と動画の理解と処理：分類、検出、領域分割、追跡、奥行き、オプティカルフロー、画像復元、視覚情報の圧縮。",
    ),
    "Image & video generation": (
        "画像・動画の生成",
        "画像と動画の生成と編集。主に拡散、フロー、自己回帰、敵対的モデルを使うもの。",
    ),
    "Speech & audio": ("音声・オーディオ", "音声認識と音声合成、音、音楽、オーディオの処理。"),
    "Multimodal & vision-language": (
        "マルチモーダルと視覚言語",
        "画像、動画、テキスト、音声などを組み合わせるモデル：視覚言語モデル、画像キャプション、視覚的質問応答。",
    ),
    "3D & graphics": (
        "3Dとグラフィックス",
        "三次元のシーンと形状：復元、ニューラル放射場、ガウシアンスプラッティング、点群、メッシュ、アバター、レンダリング。",
    ),
    "Retrieval, ranking & recommendation": (
        "検索・ランキング・推薦",
        "情報を見つけて並べる：密・疎検索、再ランキング、近傍探索、文書に基づく質問応答、検索拡張生成、推薦システム。",
    ),
    "Reinforcement learning & agents": (
        "強化学習とエージェント",
        "行動の学習：強化学習、計画、マルチエージェント、ツールを使う言語モデルエージェント。",
    ),
    "Robotics & autonomous driving": (
        "ロボティクスと自動運転",
        "物理世界のロボットと車両：操作、ナビゲーション、模倣学習、身体性のある制御、自動運転。",
    ),
    "Code & software engineering": (
        "コードとソフトウェア工学",
        "データとしてのプログラム：コードの生成・変換・修正、脆弱性とプログラムの解析、証明、開発者向けツール。",
    ),
    "Learning theory & methods": (
        "学習の理論と手法",
        "学習がうまくいく仕組みと理由：最適化手法、汎化理論、ベイズ的・確率的手法、自己教師あり・転移・継続・少数例学習、"
        "解釈可能性。",
    ),
    "Systems & hardware": (
        "システムとハードウェア",
        "機械学習システムとそれを支えるハードウェア：サービング、分散学習、GPUカーネル、アクセラレータ、FPGA、メモリ、"
        "エッジ機器。",
    ),
    "Biomedical & science": (
        "生物医学と科学",
        "医学と科学のための機械学習：医用画像、脳信号、生物、化学、物理、気候、農業、リモートセンシング、数値計算。",
    ),
    "Security, privacy & safety": (
        "セキュリティ・プライバシー・安全性",
        "攻撃と防御、頑健性、プライバシー、連合学習、公平性、ジェイルブレイク、ハルシネーション、責任あるAI。",
    ),
    "Graphs, tabular & time series": (
        "グラフ・表・時系列",
        "テキストと画像以外の構造化データ：グラフニューラルネット、ノード埋め込み、表、時系列と予測、異常検知。",
    ),
    "Benchmarks, datasets & surveys": (
        "ベンチマーク・データセット・サーベイ",
        "ベンチマーク、データセット、評価指標、サーベイ、ライブラリ、実証比較を主な成果とする論文。",
    ),
    "Astrophysics": ("天体物理学", "恒星、惑星、銀河とその間にあるもの：観測、サーベイ、装置、シミュレーション。"),
    "Gravitation & cosmology": (
        "重力と宇宙論",
        "重力と宇宙全体：一般相対性理論、ブラックホール、重力波、暗黒物質、暗黒エネルギー。",
    ),
    "Particle physics": ("素粒子物理学", "素粒子とその相互作用：衝突型加速器の実験、標準模型とその先、場の理論、弦理論。"),
    "Nuclear physics & instruments": ("原子核物理と装置", "原子核、核反応、核物質と、それを調べる加速器・検出器。"),
    "Quantum physics & information": (
        "量子物理と量子情報",
        "量子系と、それによる計算・測定・通信：量子ビット、もつれ、冷却原子、誤り訂正。",
    ),
    "Condensed matter": ("物性物理", "固体とその電子：超伝導体、磁性体、トポロジカル物質、二次元物質。"),
    "Statistical physics & complex systems": (
        "統計物理と複雑系",
        "多くの要素の集まり：相転移、乱れ、カオス、ソフトマターとアクティブマター、ネットワーク。",
    ),
    "Optics & photonics": (
        "光学とフォトニクス",
        "光とそれを使う技術：レーザー、メタマテリアル、イメージング、集積フォトニクス。",
    ),
    "Fluids & plasmas": ("流体とプラズマ", "液体、気体、プラズマの流れ：乱流、不安定性、核融合。"),
    "Algebra & number theory": ("代数と数論", "群、環、表現、圏、代数幾何、数論。"),
    "Geometry & topology": (
        "幾何とトポロジー",
        "形と空間：多様体、曲率、結び目、シンプレクティック幾何と距離幾何、ホモトピー。",
    ),
    "Analysis & differential equations": ("解析と微分方程式", "関数、作用素、力学系、数理物理の方程式。"),
    "Probability": ("確率論", "偶然の数学：確率過程、ランダムグラフとランダム行列、極限定理。"),
    "Combinatorics & logic": ("組合せ論と論理", "グラフ、数え上げ、有限構造。集合、モデル、証明。"),
    "Optimization & numerical mathematics": (
        "最適化と数値解析",
        "最良の解を見つけて計算する：凸最適化と離散最適化、数値計算法、誤差評価。",
    ),
    "Statistics": ("統計学", "不確かさを示しながらデータから学ぶ：推測、研究計画、ベイズ的手法と因果推論。"),
    "Genomics & genetics": (
        "ゲノミクスと遺伝学",
        "遺伝子とゲノム：シーケンシング、多様性、発現調節、エピジェネティクス、遺伝。",
    ),
    "Molecular & cell biology": ("分子生物学と細胞生物学", "タンパク質、RNA、膜、細胞：構造、相互作用、発生、疾患。"),
    "Neuroscience": ("神経科学", "脳と神経系：ニューロン、回路、知覚、記憶、行動とその障害。"),
    "Ecology & evolution": ("生態学と進化", "生物、個体群、生態系。どのように共に生き、どのように生じたか。"),
    "Microbiology & immunology": ("微生物学と免疫学", "細菌、ウイルスなどの微生物と、それに対する体の応答。"),
    "Computational & systems biology": (
        "計算生物学とシステム生物学",
        "生命科学の手法とモデル：バイオインフォマティクス、システム生物学と合成生物学、生体工学。",
    ),
    "Epidemiology & public health": ("疫学と公衆衛生", "集団の健康：流行、リスク、予防、医療制度とその格差。"),
    "Clinical medicine": ("臨床医学", "患者の診断と治療：臨床試験、画像診断、がん、心臓、薬、手術。"),
    "Economic theory & behaviour": (
        "経済理論と行動",
        "人、企業、市場がどのように決めるか：ゲーム、メカニズム、オークション、実験。",
    ),
    "Applied economics & policy": ("応用経済学と政策", "成長、労働、貿易、物価、公共政策のデータによる研究。"),
    "Econometrics": ("計量経済学", "経済の問いのための統計手法：識別、パネルデータ、時系列。"),
    "Finance & risk": ("金融とリスク", "価格、ポートフォリオ、リスク：資産価格、取引、デリバティブ、保険。"),
    "Chemistry": ("化学", "分子とその反応：合成、触媒、分光、量子化学。"),
    "Materials science": ("材料科学", "材料の作製と理解：合金、半導体、電池、薄膜。"),
    "Climate & atmosphere": ("気候と大気", "天気、海洋、気候：観測、予測、変化とその影響。"),
    "Earth sciences": ("地球科学", "固体地球とその水：地震、岩石、火山、水文、惑星。"),
    "Energy & environment": (
        "エネルギーと環境",
        "電力、資源、汚染：再生可能エネルギー、電力網、水、廃棄物、自然保護。",
    ),
    "Signal processing & sensing": (
        "信号処理とセンシング",
        "信号の測定と復元：推定、レーダー、圧縮センシング、生体信号。",
    ),
    "Control & systems": (
        "制御とシステム",
        "システムを目標どおりに動かす：制御理論、安定性、電力系統、車両、プラント。",
    ),
    "Communications & networks": ("通信とネットワーク", "情報の伝送：無線システム、符号、情報理論、インターネット。"),
    "Algorithms & complexity": (
        "アルゴリズムと計算量",
        "何がどれだけ速く計算できるか：アルゴリズム、データ構造、下界、オートマトン。",
    ),
    "Databases & data management": (
        "データベースとデータ管理",
        "データの保存、問い合わせ、整備：クエリエンジン、トランザクション、索引、データレイク。",
    ),
    "Human–computer interaction": (
        "ヒューマンコンピュータインタラクション",
        "人と機械：インターフェース、アクセシビリティ、可視化、利用者の調査。",
    ),
    "Psychology & cognition": ("心理学と認知", "心と行動：知覚、学習、感情、性格、メンタルヘルス。"),
    "Society, education & history": ("社会・教育・歴史", "共に生きる人々：政治、メディア、教育、都市、歴史、文化。"),
}


def add_japanese(apps, schema_editor):
    translations = apps.get_model("subscriptions", "TopicTranslation").objects
    for topic in apps.get_model("subscriptions", "Topic").objects.filter(name__in=JAPANESE):
        name, description = JAPANESE[topic.name]
        fields = {"name": name, "description": description}
        translations.get_or_create(topic=topic, language="ja", defaults=fields)


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0020_french_topics"), ("newsletter", "0055_topic_sets")]
    operations = [migrations.RunPython(add_japanese, migrations.RunPython.noop)]
