"""The words in which mail servers refuse a message, sorted by what they are about. Pure.

In: a server's own words, in any language. Out: the topics they are about, none when they say nothing known here.
Topics are ordered from the mildest to the gravest: a text that says two things is taken for the milder one.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Topic(StrEnum):
    """What a refusal is about."""

    SIZE = "size"  # the message is too big for the receiver
    LIMIT = "limit"  # too much at once, or too much today
    FULL = "full"  # the mailbox or the disk has no room
    SENDER = "sender"  # who we are or what we say: lists, reputation, authentication, content
    MAILBOX = "mailbox"  # the mailbox or the way to it is out of order, perhaps not for good
    GONE = "gone"  # there is no such domain, or in the words of one system no such mailbox
    NO_USER = "no user"  # the same in words that a server may also say after the body, for the reader's own filter
    GONE_PERHAPS = "gone, perhaps"  # the same in words that are also said of other things
    SENDER_PERHAPS = "sender, perhaps"


WORDS_LIMIT = 6_000  # characters looked at: an answer is short, and a stranger's letter may not be
_GAP = r"(?: \S+){0,5}"  # what "*" stands for

# A phrase a line, words as they stand between spaces, "*" for up to five more words. Upper case and accents count not.
_PHRASES = {
    Topic.SIZE: """
        maximum email size exceeded|email size exceeds|message size limit|message size exceeds|message size exceeded
        message too large|message too big|message is too big|mail too big|message is too large|message was too large
        too large message|size limit exceeded|exceeds * size limit|exceeded * size limit|exceeds * maximum message size
        exceeds * maximum size|exceeds fixed maximum|mail size limit|message length exceeds|message exceeds * size
        message file too big|larger than the current system limit|mail is too large|exceeded * maximum size
        size exceeds limit|message content too large|body too large|data size exceeds|over maximum size
        nachricht ist zu gross|mail zu gross|message trop volumineux|message trop gros|mensaje demasiado grande
        mensagem muito grande|messaggio troppo grande|письмо слишком большое|размер письма превышает|メッセージサイズ
        サイズが大きすぎ|邮件太大|邮件大小超过
    """,
    Topic.LIMIT: """
        frequency limited|frequency limit|frequency limitation|too many messages|exceeded * hourly|daily message quota
        unexpected volume|unusual volume|thread limit exceeded|exceeded * daily|relay limit|submission limit
        outgoing limit|outbound limit|mail limit exceeded|messages limit|emails limit|too many mails|too many emails
        too many email|too many connections|too many concurrent|too many simultaneous|too many sessions
        too many recipients|too many smtp|too many rcpt|too many requests|too many connection|too many open connections
        too many deliveries|rate limit|rate limited|rate limiting|ratelimit|ratelimited|rate limits|throttled
        throttling|throttle|rate control|exceeded * rate|exceeds * rate|rate exceeded|sending rate|message rate
        connection rate|mail rate|receiving mail at a rate|receiving mail too|too much mail|too fast|too quickly
        too frequently|slow down|connection limit|connections limit|max connections|maximum * connections
        exceeded * connections|exceeds * connections|connections exceeded|per hour|per minute|per second|per day
        per connection|hourly limit|hourly quota|daily limit|daily quota|daily user sending|daily sending|sending limit
        sending quota|sending limits|concurrency|too much traffic|excessive * connections|excessive volume|unusual rate
        volume limit|recipients this hour|limit of messages|maximum number of messages|maximum messages|message limit
        zu viele nachrichten|zu viele verbindungen|zu viele mails|trop de connexions|trop de messages|trop de connexion
        demasiadas conexiones|demasiados mensajes|muitas conexoes|muitas mensagens|troppe connessioni|troppi messaggi
        limit on the number of|sending activity|credits exceeded
        слишком много писем|слишком много сообщений|слишком много соединений|送信数|接続数|过于频繁|频率|连接数
    """,
    Topic.FULL: """
        inbox exceeds|postkassen er fuld|indbakken er fuld
        exceeds allowed size|over its allotted|above its limit|mailboxfull|receiving mail at a rate|receiving mail too
        has exceeded the limit|over quota|overquota|over the quota|over its quota|quota exceeded|quotaexceeded
        exceeded * quota|exceeds * quota|exceed * quota|out of quota|quota full|quota is full|quota has been|disk quota
        quota violation|quota exceed|quota reached|over allocated storage|mailbox full|mailbox * is full|full mailbox
        mailbox has been filled|mailbox quota|inbox is full|inbox full|inbox is over|account is full|user is full
        folder is full|mailfolder is full|mailbox * over * limit|mailbox size limit|mailbox exceeded|mailbox exceeds
        mailbox has exceeded|mailbox * exceeded * limit|exceeded * local limit|exceed * storage|exceeded * storage
        exceeds * storage|storage limit|storage quota|storage exceeded|over the limit|insufficient system storage
        insufficient storage|insufficient disk|insufficient space|not enough space|not enough storage|not enough disk
        no space left|no storage space|out of storage|out of disk space|disk full|disk is full|space exceeded
        too many mails in|allocated * space|is above * quota|no room|memory full|boite * pleine|depasse * quota
        quota depasse|espace insuffisant|postfach * voll|speicherplatz|kein platz|uberfullt|uberfullte
        quota uberschritten|buzon lleno|buzon esta lleno|bandeja llena|cuota excedida|cuota superada|supera * cuota
        excedido * cuota|caixa * cheia|cota excedida|quota excedida|casella * piena|quota superata|postvak vol
        mailbox vol|mailbox is vol|skrzynka * pelna|przepelniona|przekroczono limit|schranka je plna|schranka plna
        kutusu dolu|posta kutusu * dolu|brevlada * full|postkasse * full|ящик полон|превышена квота|квота превышена
        превышен лимит|переполнен|メールボックスがいっぱい|メールボックスの容量|受信箱が|容量を超|容量オーバー
        容量が不足|空き容量|邮箱已满|邮箱空间|空间不足|信箱已滿|信箱空間|容量不足|超过限额|사서함이 가득|용량을 초과
        용량 초과
    """,
    Topic.SENDER: """
        url p1|url p2|url p3|pol p1|pol p2|pol p3|pol p4|pol p5|pol p6|pol p7|con t1|con t2|con t3|dns p1|dns p2|tls p1
        msg p1|administrative prohibition|security policies|failed to authenticate|suspected bounce|connection denied
        content denied|allowed senders|spam|spamming|spammer|spammers|antispam|spamhaus|spamcop|spamassassin|junk
        unsolicited|uce|bulk|blocked|blocking|blocklist|block list|blocklisted|block listed|blacklist|blacklisted
        black list|black listed|blacklists|denylist|deny list|denylisted|listed at|is listed|are listed
        currently listed|listed by|dnsbl|dnsrbl|rbl|dbl|surbl|uribl|sorbs|senderbase|barracudacentral|reputation|dmarc
        dkim|spf|domainkeys|domainkey|sender policy framework|arc|sender rejected|sender denied|sender refused
        sender verify|sender verification|verify sender|sender * not exist|sender * not found|sender domain
        sender s domain|domain of sender|sender unknown|unknown sender|invalid sender|sender invalid|bad sender
        sender is not|sender not|sender ip|sender could not|sender has no|sender s email|sending domain|sending ip
        sending mta|sending server|sending host|sender email|mail from * rejected|envelope sender|unacceptable sender
        sender address|emetteur invalide|absender|expediteur|remitente|remetente|mittente|отправитель|отправителя
        发件人|送信者|client host|your ip|your host|your server|your domain|your email server|your mail server
        connecting ip|source ip|ip range|banned|barred|not accepting connections from|reverse dns|rdns|ptr|no reverse
        reverse lookup|reverse name|hostname lookup|cannot find your hostname|cannot find your reverse hostname
        cannot resolve your|helo command|invalid helo|bad helo|helo name|helo rejected|helo does|helo has|helo host
        ehlo host|your helo|ip name lookup failed|client ip|service permits|fcrdns|dynamic ip|dynamic pool|residential
        unverifyable|unverifiable|not verified|unverified|smtp server of your|use your isp|authentication required
        authentication failed|authentication failure|authentication is required|not authenticated|unauthenticated
        authentication requirements|smtp authentication|auth required|need to authenticate|must authenticate
        unauthorized|not authorized|not authorised|unauthorised|not allowed to send|not permitted to send
        dont have permission|permission to send|not have permission|relay access denied|relay denied|relay not
        unable to relay|not relay|no relay|relaying|mail relay|open relay|forwarding denied|not a gateway|virus|viruses
        malware|phish|phishing|infected|trojan|worm|attachment type|attachments are|attachment rejected|executable
        potential security|content rejected|content filter|content filtering|content policy|content restrictions
        message content|prohibited content|content presents|message contains|contains * url|url in|header error
        headers error|protocol violation|rfc 5322|rfc5322|rfc 2822|rfc2822|rfc 822|rfc822 compliant|not rfc
        rfc compliant|multiple addresses in from|from header|missing header|malformed header|malformed message
        message id header|date header|invalid header|illegal header|bad header|bare lf|bare linefeeds|policy reasons
        local policy|due to policy|policy violation|security policy|policy rejection|rejected by policy|complaints
        complaint|abuse|greylisted|greylisting|graylisted|greylist|listed as|high risk|not a member|members only
        only members|not member|member of this|membership|moderator|mailing list|closed list|google groups
        groups google com|must be subscribed|send mail as|tls required|must use tls|starttls|encryption|ssl required
        aup|mail rejected|mail rejete|message rejected as|message refused|spamsource|tss04|suspicious|suspect|fraud
        scam|forged|spoof|spoofed|spoofing|masquerade|blackholed|firewall|cloudmark|zugriff verweigert|abgelehnt wegen
        gesperrt wegen|spamverdacht|spamverdachts|rejete * politique|correo no deseado|заблокирован|заблокировано|спам
        спама|suppression list|contact list|contacts list|newsletter|newsletters|from this country|from your country
        country not|geolocation|your message was rejected|your mail was rejected|your email was rejected
        messages from * weren t sent|ask your postmaster for help|dt spm|dt sum|mi spb|mi dmc|mi slb|bad ip profile
        go away|no access from|open proxy|relay host name|8 bit data|domain isn t in my list of allowed
        not configured to relay|don t handle mail for|duplicate header|illegal attachment|with attachments
        with embedded images|organizational settings|low priority|not subscribed|mass mailer|backscatter
        bogus mail from|purported responsible|senderfilterconfig|not a registered gateway user|not owned by user
        different address or alias|unsigned dsn|invalid ip|rule imposed|from domain is invalid|valid from
        invalid domain see|not accept mail from|not accept messages from|not accept email from|迷惑メール
        拒否されました|垃圾邮件|垃圾郵件|被拒绝|黑名单|스팸|possible forgery|harmful|черном списке|черный список|ваш ip
        送信元が|callout|callback verification|only accepts|accepts only|allow list|allowlist|allowlisted|whitelist
        whitelisted|fraudulent|geographic|sperrliste|blockliste|liste noire|liste negra|lista negra|lista nera
        czarna lista|czarnej liscie|zwarte lijst|kara liste|ブラックリスト|블랙리스트
    """,
    Topic.MAILBOX: """
        server is not accepting connections|restricted sms|recipient preferences|user rules|account is protected by
        or access denied|unrouteable mail domain|unroutable mail domain|server down|server is down|backend|back end
        database|ldap error|ldap failure|ldap server|cannot look up|not found try again|unable to look up
        could not look up|lookup * failed|directory service|maintenance|rcp p2|rcp p3|rcp t1|rcp t2|rcp t3|rcp t4
        points to local host|account service is temporarily|recipient s preferences|no connection could be made
        disabled|suspended|deactivated|frozen|locked|inactive account|inactive user|inactive mailbox|account inactive
        mailbox inactive|not active|is inactive|user inactive|temporarily unavailable|temporarily inactive|on hold
        dormant|discontinued|has been closed temporarily|out of service|administratively|not currently accepting
        mailbox unavailable temporarily|mailbox busy|mailbox is busy|may not exist|might not exist|possibly
        cannot be verified|could not be verified|unable to verify|not verify|timed out|timeout|time out
        connection refused|refused connection|connection reset|connection lost|lost connection|connection dropped
        connection failed|connection closed|network error|socket error|unable to connect|could not connect
        cannot connect|could not be contacted|not responding|no route to host|network is unreachable
        network unreachable|host unreachable|host is unreachable|host is down|not reachable|did not accept our requests
        did not respond|bad address to connect|expired|too long in|in the queue|queue too long|delivery time|retry time
        multiple retries|giving up after|after * retries|not delivered within|could not be delivered for
        was aborted after|max retries|hop count|too many hops|loop|looping|loops back|lookup failure|lookup error
        name server reply|nxdomain|dns failure|dns lookup|dns problem|servfail|temporary lookup|could not be resolved
        cannot be resolved|unable to find mx|no mx|configuration error|misconfigured|misconfiguration|internal error
        internal server error|local error|system error|software error|system resources|command output|command died
        command failed|mailer returned|procmail|pipe to|child process|exit status|could not create|couldn t create
        cannot create|cannot open|can t open|permission denied|i o error|input output error|out of memory|unexpected
        temporary failure|undefined error|no delivery report|could not find a gateway|try again later|please retry
        deferred|msexch imc|vacation|filtered|user filter|recipient filter|rejects all|gesperrt|deaktiviert
        vorubergehend|zeituberschreitung|nicht erreichbar|desactive|desactivee|temporairement|deshabilitada
        deshabilitado|suspendida|suspendido|temporalmente|desativada|desativado|suspensa|temporariamente|disabilitato
        disabilitata|sospeso|sospesa|temporaneamente|uitgeschakeld|tijdelijk|zablokowane|nieaktywne|tymczasowo|отключен
        заморожен|временно|неактивен|停止|一時的|応答がありません|配信できませんでした時間|暂时|暂停|冻结|停用|超时
        일시적|휴면|mailbox name not allowed|suspendu|suspendue|desactivada|desactivado|being migrated|being moved
    """,
    Topic.GONE: """
        dd requested mail action aborted mailbox not found
        address lookups failed permanently|mail local unknown user|invalid mailbox local mailbox
        adresse destinataire invalide|destinataire invalide invalid recipient|type mx host not found
        type a host not found|type aaaa host not found|annuaire domino|domino verzeichnis|illegal host|illegal domain
        does not have a mailbox here|rcp p1|nosuchuser|no such domain|recipnotfound|inactive email address
        bad destination|not our user|not our customer|not listed in|account * doesn t exist|doesn t have * account
        email account * not exist|name is not recognized|no longer employed|has left the|has moved|moved to another
        moved to a new|unrouteable address|unroutable address|domain must exist|has been replaced by|non existent hosts
        host unknown|unknown host|unknown domain|domain unknown|domain doesn t exist|domain * does not exist
        domain not found|domain is not found|nonexistent domain|non existent domain|invalid domain|no such host
        not accept mail|doesn t accept mail|not accepting network messages|null mx|nullmx|doesn t receive email
        does not receive email|never accept mail|accept no mail|system does not accept|no smtp service|域名不存在
    """,
    Topic.NO_USER: """
        invalid final delivery userid|invalid final delivery user|unknown local part|mailbox not known
        unrecognized recipient|user name unknown|not present in directory|can t accept user|mailbox not present
        schranka neexistuje|adresa neexistuje|アドレスが見つかりません
        no mail box|badrcptto|badrecipientto|no one at this address|validrcptto|missing home directory
        ungueltige adresse|empfaenger unbekannt|unbekannter empfaenger|adressat unbekannt
        envelope recipient has been denied|user unknown|unknown user|address couldn t be found
        address you entered couldn t be found|no such user|no such mailbox|no such recipient|no such address
        no such person|no such account|no such local user|no such email|no such e mail|no such mail|no such name
        no such virtual user|no such entry|no such id|no such addressee|user not found|user not known|user not exist
        user don t exist|user * does not exist|user * doesn t exist|users does not exist|user is unknown
        user is not known|user not local|user is not found|user unkown|usernotfound|nonexistent user|non existent user
        nonexistent mailbox|non existent mailbox|nonexistent recipient|non existent address|nonexistent address
        mailbox nonexistent|non existing|nonexisting|inexistent user|unknown recipient|unknown mailbox|unknown address
        unknown account|unknown addressee|unknown or illegal|unknown local user|unknown virtual|unknown email
        unknown to address|recipient unknown|recipient is unknown|recipient not exist|recipient * does not exist
        recipient * doesn t exist|recipients does not exist|recipient is invalid|recipient not recognized
        mailbox not found|mailbox not exist|mailbox * does not exist|mailbox * doesn t exist|mailbox unknown
        mailbox is unknown|mailbox cannot be found|mailbox invalid|mailbox is invalid|no mailbox|no valid mailbox
        invalid mailbox|not a valid mailbox|isn t a valid mailbox|not a known mailbox|mail box does not exist
        mailbox has been deleted|mailbox deleted|mailbox no longer|address * does not exist|address * doesn t exist
        address wasn t found|address was not found|address unknown|address is unknown|address is invalid
        address invalid|address no longer|address not known|address not recognised|address not recognized
        address is no longer|addressee unknown|invalid address|invalid email address|not a valid address
        not a valid email|not a valid user|not a valid recipient|not a known user|isn t a known user|is not a known
        not known here|not a user|not a local user|account doesn t exist|account * does not exist|account not found
        account unknown|account is unknown|account has been deleted|account deleted|account no longer|account closed
        not have an account|does not have * account|don t have an account|account not available|invalid account
        no valid recipients|invalid local part|invalid user|invalid username|user invalid|user is invalid
        no longer valid|no longer exists|no longer exist|no longer in use|no longer a valid|no longer works
        no longer working|no longer on|no longer available at|is not at this|not in directory|could not be found on
        ldap lookup|does not like recipient user|benutzer unbekannt|unbekannter benutzer|benutzer existiert
        empfanger unbekannt|empfanger ist unbekannt|unbekannter empfanger|empfanger existiert|empfanger nicht gefunden
        adresse ungultig|ungultige adresse|adresse unbekannt|postfach nicht gefunden|adresse nicht gefunden
        ungultiger empfanger|destinataire invalide|destinataire inconnu|utilisateur inconnu|adresse invalide
        adresse inconnue|boite inexistante|adresse inexistante|adresse introuvable|inconnu a cette adresse
        usuario desconocido|usuario no existe|destinatario desconocido|direccion no encontrada|direccion desconocida
        cuenta inexistente|usuario inexistente|buzon no encontrado|buzon inexistente|destinatario invalido
        destinatario no valido|usuario no encontrado|usuario desconhecido|usuario nao existe|destinatario desconhecido
        endereco nao encontrado|usuario nao encontrado|conta inexistente|utente sconosciuto|inesistente
        destinatario sconosciuto|indirizzo non trovato|utente non trovato|onbekende gebruiker|gebruiker onbekend
        onbekende ontvanger|ontvanger onbekend|adres niet gevonden|adres bestaat|nieznany uzytkownik|nieznany odbiorca
        adres nieznany|neznamy uzivatel|neznamy prijemce|okand anvandare|okand mottagare|ukendt bruger|ukendt modtager
        ukjent bruker|ukjent mottaker|kullanici bulunamadi|adres bulunamadi|gecersiz alici|alici bulunamadi
        utilizator necunoscut|destinatar necunoscut|αγνωστος|ящик * не существует|адрес * не существует
        пользователь * не существует|пользователь не найден|неизвестный пользователь|нет такого пользователя
        адрес не найден|неизвестный получатель|получатель не найден|ящик не найден|адресат не найден
        недействительный адрес|не зарегистрирован|користувача не знайдено|несуществующий|アドレスが存在し
        アドレス帳に存在しません|宛先不明|あて先不明|宛先が不明|該当するユーザ|ユーザー不明|无此用户|無此用戶
        没有此用户|收件人无效|无效的收件人|地址无效|用户未找到|帳號不存在|없는 사용자|수신자가 없
        email name is not found|收件人不存在|用户不存在|邮箱不存在|账号不存在|帐号不存在|地址不存在
        존재하지 않는 사용자|사람을 찾을 수 없|no such alias|unknown alias|address has been removed|account terminated
        account has been terminated|mailbox closed|mailbox has been closed|mailbox retired|user has left|has left us
        account is gone|address is dead|do not know this|cannot find your recipient|unbekannte mailbox
        teilnehmer unbekannt|konto existiert|compte inexistant|cuenta no existe|buzon no existe|conta nao existe
        such user does not|не обслуживается|ящика нет|ユーザーはいません|存在しないユーザ|ไม่มีผู้ใช้
    """,
    Topic.GONE_PERHAPS: """
        mailbox unavailable|mailbox not available|recipient rejected|not found|not exist|doesn t exist|undeliverable
        address unavailable|mailbox is unavailable|mailbox not accessible|unknown|invalid|user unavailable
        account unavailable|account is not available|rejected address|dd this user|recipient no longer
        address could not be found|bad address|no user|no account|no longer active|directory listing|cannot be found
        can t be found|existiert nicht|nicht bekannt|nicht vorhanden|n existe pas|n existe plus|no existe|nao existe
        inexistant|inexistante
        inexistente|non esiste|bestaat niet|nie istnieje|nie znaleziono|neexistuje|nenalezen|finns inte|findes ikke
        finnes ikke|ei ole olemassa|tuntematon|mevcut degil|nem letezik|ismeretlen|nu exista|δεν υπαρχει|не существует
        не найден|не існує|存在しません|存在しない|見つかりません|不存在|找不到|查无此|존재하지 않|찾을 수 없|غير موجود
        غير معروف|לא קיים|לא נמצא|ไม่พบ|không tồn tại|kullanici yok
    """,
    Topic.SENDER_PERHAPS: """
        policy|policies|content|rejected|reject|refused|denied|prohibited|forbidden|not allowed|not permitted
        permission|authentication|authenticate|authorized|not accepted|violation|violates|restricted|restriction
        restrictions|disallowed|not acceptable|unacceptable|verify|security|listed|filter|rfc|tls|ssl|certificate
    """,
}


# IronPort, Exchange Online's list of recipients, Outlook.com, Sendmail of a domain with a null MX.
_GONE_UNDER = {
    "5.1.0": " 5 1 0 address rejected ",  # right behind the code: of a sender, its address stands between
    "5.4.1": " recipient address rejected access denied ",
    "5.5.0": " requested action not taken mailbox unavailable ",
    "5.7.27": " host does not accept mail ",
}
# Scripts that put no spaces between words: kana and Chinese, Thai, Hangul taken apart. Their phrases match anywhere.
_WITHOUT_SPACES = re.compile("[\u3040-\u9fff\u0e00-\u0e7f\u1100-\u11ff]")
_BETWEEN_WORDS = re.compile(r"[\x00-/:-`{-\u00bf\u2000-\u206f\u3000-\u3003\uff00-\uff0f]+")

# Letters that Unicode does not decompose.
_NO_ACCENT = str.maketrans({"ß": "ss", "\u0131": "i", "ł": "l", "ø": "o", "æ": "ae", "đ": "d"})


def _folded(text: str) -> str:
    """Fold text to lower case without accents, words between single spaces."""
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", text.lower().translate(_NO_ACCENT)) if not unicodedata.combining(c)
    )
    return " " + _BETWEEN_WORDS.sub(" ", plain).strip() + " "


def _split(phrases: str) -> tuple[list[str], re.Pattern[str] | None]:
    plain, gaps = [], []
    for phrase in filter(None, (part.strip() for part in re.split(r"[|\n]", phrases))):
        if "*" in phrase:
            gaps.append(_GAP.join(re.escape(_folded(part).rstrip()) for part in phrase.split("*")))
        else:
            folded = _folded(phrase)
            plain.append(folded.strip() if _WITHOUT_SPACES.search(folded) else folded)
    return plain, re.compile(f"(?:{'|'.join(gaps)})(?= )") if gaps else None


_TABLE = {topic: _split(phrases) for topic, phrases in _PHRASES.items()}
_HOST = re.compile(r"\bhost [\w-]{1,63}\.[\w.-]{1,255}", re.IGNORECASE)
# Only what an address is made of: Chinese or Japanese words stand right beside it, an answer behind its colon.
_ADDRESS = re.compile(r"(?<![!#-'*+./-9=?A-Z^-~-])[!#-'*+./-9=?A-Z^-~-]{1,320}@[A-Za-z0-9.-]{1,255}")
# Amazon puts the first before any answer; the path of a link to further reading is no answer.
_NO_WORDS = re.compile(r"unknown address error|(?<=://)[^\s/]{1,255}/\S{1,2000}", re.IGNORECASE)
# Of the mailbox, what is otherwise said of a sender (whose account is called "your account") or of the message.
_OF_THE_MAILBOX = (
    (re.compile(r"(?<= )recipient address rejected (?:unverified|undeliverable) address(?= )"), ""),
    (
        re.compile(
            r"(?<= )(?<! your )(?<! sender )(?<! sender s )(mailbox|account|ящик(?: (?!от)\S+){0,3})"
            r"(?: (?:has been|is|was|temporarily)){0,2} (?:blocked|заблокирован)(?= )"
        ),
        r"\1 disabled",
    ),
    (re.compile(r"(?<= )mail(?:box|file|folder| file) size (?:limit )?exceed(?:s|ed)(?= )"), "mailbox full"),
)
_ANSWER = re.compile(r"(?<![\w.])5(?:\d\d|\.\d{1,3}\.\d{1,3})[ :-]([^\n]*)")
_ONLY_REFUSED = re.compile(
    r"(?:recipient )?address rejected|recipient rejected|requested (?:mail )?action (?:not taken|aborted)",
    re.IGNORECASE,
)
_A_WORD = re.compile(r"[\u3040-\u9fff\u0e00-\u0e7f\uac00-\ud7af]|(?<!\S)[^\W\d_]{3,40}(?=[.,;:!]?(?:\s|$))")
_CODES = re.compile(r"(?<![\w.])#?(?:[245]\d\d[ -])?[245]\.\d{1,3}\.\d{1,3}\b|(?<![\w.])[245]\d\d-")


def _host_of_link(match: re.Match[str]) -> str:
    return match.group().partition("/")[0] if "/" in match.group() else " "


def is_answered_in_words(text: str) -> bool:
    """Whether a reason stands behind a server's code: more than an address, a link, a queue id or a single word."""
    answers = _ANSWER.findall(_ONLY_REFUSED.sub("", text[:WORDS_LIMIT]))
    return any(len(_A_WORD.findall(answer)) > 1 for answer in answers)


def topics_of(text: str) -> list[Topic]:
    """Return all that the words are about, the mildest first. Addresses, hosts and codes in them are ignored."""
    words = _ADDRESS.sub(" ", text[:WORDS_LIMIT])
    words = _folded(_NO_WORDS.sub(_host_of_link, _HOST.sub(" ", _CODES.sub(" ", words))))
    for said, meant in _OF_THE_MAILBOX:
        words = said.sub(meant, words)
    return [topic for topic in Topic if _is_said(topic, words)]


def is_gone_under(codes: Iterable[str], text: str) -> bool:
    """Whether one system says "no such address" by this code and these words together, each of which may mean less."""
    return any(code in _GONE_UNDER and _GONE_UNDER[code] in _folded(text[:WORDS_LIMIT]) for code in codes)


def _is_said(topic: Topic, words: str) -> bool:
    plain, gaps = _TABLE[topic]
    return any(phrase in words for phrase in plain) or (gaps is not None and gaps.search(words) is not None)
