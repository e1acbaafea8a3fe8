"""Make generated.jsonl: texts with values that are valid by their issuers' rules, and hard negatives that only look so.

Run: `python tests/data/sensitivity/generate.py` from the repository's root. The seed is fixed, so the file comes out the same.
Values are random; none was taken from anybody.
"""

import json
import random
import string
from collections.abc import Callable, Iterator
from pathlib import Path

from freehold.rules.sensitivity.checks import CHECKS

SEED, LARGE, SMALL = 20261101, 70, 20
DIGITS, UPPER = string.digits, string.ascii_uppercase
ALNUM = string.ascii_letters + DIGITS
HERE = Path(__file__).parent

chance = random.Random(SEED)


def some(alphabet: str, count: int) -> str:
    return "".join(chance.choice(alphabet) for _ in range(count))


def number(low: int, high: int, width: int = 0) -> str:
    return f"{chance.randint(low, high):0{width}d}"


def grouped(text: str, sizes: tuple[int, ...], separator: str) -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(text[at : at + size])
        at += size
    return separator.join([*parts, text[at:]] if text[at:] else parts)


def luhn_digit(body: str) -> str:
    total = sum(sum(divmod(int(d) * (2 if at % 2 == 0 else 1), 10)) for at, d in enumerate(reversed(body)))
    return str(-total % 10)


def card() -> str:
    prefix, length, sizes = chance.choice(
        [
            ("4", 16, (4, 4, 4, 4)),
            ("51", 16, (4, 4, 4, 4)),
            ("55", 16, (4, 4, 4, 4)),
            ("2229", 16, (4, 4, 4, 4)),
            ("37", 15, (4, 6, 5)),
            ("34", 15, (4, 6, 5)),
            ("6011", 16, (4, 4, 4, 4)),
            ("36", 14, (4, 6, 4)),
            ("3530", 16, (4, 4, 4, 4)),
            ("62", 16, (4, 4, 4, 4)),
        ]
    )
    body = prefix + some(DIGITS, length - len(prefix) - 1)
    return grouped(body + luhn_digit(body), sizes, chance.choice(["", " ", "-", " "]))


def not_a_card() -> str:
    good = card()
    return good[:-1] + str((int(good[-1]) + chance.randint(1, 9)) % 10)


IBANS = {
    "DE": lambda: some(DIGITS, 18),
    "GB": lambda: some(UPPER, 4) + some(DIGITS, 14),
    "FR": lambda: some(DIGITS, 23),
    "NL": lambda: some(UPPER, 4) + some(DIGITS, 10),
    "ES": lambda: some(DIGITS, 20),
    "PL": lambda: some(DIGITS, 24),
    "IT": lambda: some(UPPER, 1) + some(DIGITS, 22),
    "NO": lambda: some(DIGITS, 11),
    "CH": lambda: some(DIGITS, 17),
}


def iban() -> str:
    country = chance.choice(sorted(IBANS))
    account = IBANS[country]()
    check = 98 - int("".join(str(int(c, 36)) for c in account + country + "00")) % 97
    code = f"{country}{check:02d}{account}"
    return chance.choice([code, " ".join(code[at : at + 4] for at in range(0, len(code), 4)), code.lower()])


def not_an_iban() -> str:
    good = iban()
    while True:
        bad = good[:2] + some(DIGITS, 2) + good[4:]
        if not CHECKS["iban"](bad):
            return bad


def ssn() -> str:
    area = chance.choice([number(1, 665, 3), number(667, 899, 3)])
    return f"{area}-{number(1, 99, 2)}-{number(1, 9999, 4)}"


def not_an_ssn() -> str:
    return chance.choice(
        [
            f"000-{number(1, 99, 2)}-{number(1, 9999, 4)}",
            f"666-{number(1, 99, 2)}-{number(1, 9999, 4)}",
            f"{number(1, 665, 3)}-00-{number(1, 9999, 4)}",
            f"{number(667, 899, 3)}-{number(1, 99, 2)}-0000",
        ]
    )


def phone() -> str:
    area = some("23456789", 1) + some("02345678", 1) + some("123456789", 1)
    exchange = some("23456789", 1) + some("02345678", 1) + some("123456789", 1)
    line = some(DIGITS, 4)
    return chance.choice(
        [
            f"({area}) {exchange}-{line}",
            f"+1 {area} {exchange} {line}",
            f"{area}-{exchange}-{line}",
            f"{area}.{exchange}.{line}",
            f"+44 20 7{some(DIGITS, 3)} {line}",
            f"+49 30 {some(DIGITS, 7)}",
            f"+33 6 {some(DIGITS, 2)} {some(DIGITS, 2)} {some(DIGITS, 2)} {some(DIGITS, 2)}",
            f"+91 9{some(DIGITS, 4)} {some(DIGITS, 5)}",
            f"+81 90 {some(DIGITS, 4)} {line}",
            f"+5511 9{some(DIGITS, 4)}-{line}",
            f"+86 138 {some(DIGITS, 4)} {line}",
        ]
    )


def national_phone() -> str:
    return chance.choice(
        [
            f"07{some(DIGITS, 3)} {some(DIGITS, 6)}",
            f"020 7{some(DIGITS, 3)} {some(DIGITS, 4)}",
            f"06 {some(DIGITS, 2)} {some(DIGITS, 2)} {some(DIGITS, 2)} {some(DIGITS, 2)}",
            f"030 {some('123456789', 1)}{some(DIGITS, 6)}",
            f"0171/{some('123456789', 1)}{some(DIGITS, 6)}",
            f"138{some(DIGITS, 8)}",
            f"9{some(DIGITS, 4)} {some(DIGITS, 5)}",
        ]
    )


FIRST = "ada bo carla dmitri emeka fatima grace hiro ines jonas kofi lena maria nils olga pedro quinn rosa sven tara".split()
LAST = "abara berg costa dahl evans fischer garcia haas jansen kim lopez meyer novak okafor petrov rossi singh tran weber".split()
DOMAINS = "mail.com posteo.de web.co.uk uni.ac.jp team.io firma.at shop.com.br gov.pl kunde.net x.org".split()


def email() -> str:
    first, last = chance.choice(FIRST), chance.choice(LAST)
    local = chance.choice([f"{first}.{last}", f"{first}{number(1, 99)}", f"{first[0]}{last}", f"{first}+news", f"{first}_{last}"])
    return f"{local}@{chance.choice(DOMAINS)}"


def public_ip() -> str:
    while True:
        address = ".".join(number(1, 223) if at == 0 else number(0, 255) for at in range(4))
        if CHECKS["public_ip"](address):
            return chance.choice(
                [address, address, f"2a0{number(0, 9)}:{some('123456789abcdef', 4)}::{some('123456789abcdef', 4)}"]
            )


def date() -> str:
    year, month, day = number(1935, 2012), number(1, 12, 2), number(1, 28, 2)
    return chance.choice(
        [
            f"{year}-{month}-{day}",
            f"{day}/{month}/{year}",
            f"{day}.{month}.{year}",
            f"{month}/{day}/{year[2:]}",
            f"{int(day)} {chance.choice('January March May August October December'.split())} {year}",
            f"{chance.choice('Feb Apr June July Sept Nov'.split())} {int(day)}, {year}",
        ]
    )


def secret() -> tuple[str, str]:
    def hexes(count: int) -> str:
        return some("0123456789abcdef", count)

    url = ALNUM + "-_"
    makers: list[Callable[[], tuple[str, str]]] = [
        lambda: ("openai_key", f"sk-proj-{some(ALNUM, 48)}"),
        lambda: ("anthropic_key", f"sk-ant-api03-{some(url, 93)}AA"),
        lambda: ("aws_access_key", "AKIA" + some(UPPER + "234567", 16)),
        lambda: ("github_token", "ghp_" + some(ALNUM, 36)),
        lambda: ("gitlab_token", "glpat-" + some(ALNUM, 20)),
        lambda: ("slack_token", f"xoxb-{some(DIGITS, 12)}-{some(ALNUM, 24)}"),
        lambda: ("google_key", "AIza" + some(ALNUM, 35)),
        lambda: ("stripe_key", "sk_live_" + some(ALNUM, 24)),
        lambda: ("huggingface_token", "hf_" + some(string.ascii_letters, 34)),
        lambda: ("npm_token", "npm_" + some(ALNUM, 36)),
        lambda: ("pypi_token", "pypi-AgEIcHlwaS5vcmc" + some(url, 80)),
        lambda: ("twilio_key", "SK" + hexes(32)),
        lambda: ("sendgrid_key", f"SG.{some(ALNUM, 22)}.{some(ALNUM, 43)}"),
        lambda: ("freehold_key", "fh_" + some(ALNUM, 43)),
        lambda: ("azure_key", f"AccountKey={some(ALNUM, 86)}=="),
        lambda: ("password", f"postgres://app:{some(ALNUM, 9)}7@db.internal:5432/app"),
    ]
    return chance.choice(makers)()


def not_a_secret() -> str:
    hexes = "0123456789abcdef"
    makers: list[Callable[[], str]] = [
        lambda: f"commit {some(hexes, 40)}",
        lambda: f"sha256:{some(hexes, 64)}",
        lambda: f'integrity="sha384-{some(ALNUM, 64)}"',
        lambda: f"{some(hexes, 8)}-{some(hexes, 4)}-4{some(hexes, 3)}-a{some(hexes, 3)}-{some(hexes, 12)}",
        lambda: f'ETag: "{some(hexes, 32)}"',
        lambda: f'class="sk-{chance.choice(["fading-circle", "cube-grid", "folding-cube"])} sk-cube{number(1, 9)}"',
        lambda: f"task_{some(hexes, 24)} finished",
        lambda: f"chatcmpl-{some(ALNUM, 29)}",
        lambda: f'data-key="{some(string.ascii_lowercase, 20)}"',
        lambda: f'password = os.environ["DB_PASSWORD_{number(1, 9)}"]',
        lambda: f"token = tokenizer.encode(text, max_length={number(64, 4096)})",
        lambda: f"api_key=<your-api-key-{number(1, 9)}>",
        lambda: f"--password ${{PASS{number(1, 9)}}}",
    ]
    return chance.choice(makers)()


FRAMES = (
    "Customer wrote: {} Please answer.",
    "{}",
    "Note from the call on Tuesday. {} That was all.",
    '{{"note": "{}"}}',
    "- {}\n- next item",
    "From the ticket history:\n\n> {}\n\nSummarise it in one line.",
    "log: {} (end)",
)


def framed(text: str) -> str:
    return chance.choice(FRAMES).format(text)


DISEASES = "type 2 diabetes|hypertension|asthma|atrial fibrillation|epilepsy|multiple sclerosis|breast cancer|hepatitis C".split(
    "|"
)
SUBSTANCES = "metformin|lisinopril|sertraline|warfarin|levothyroxine|prednisone|gabapentin|atorvastatin".split("|")


def health() -> Iterator[tuple[str, list[str]]]:
    disease, substance = chance.choice(DISEASES), chance.choice(SUBSTANCES)
    yield (
        chance.choice(
            [
                f"The patient has {disease} since 2019.",
                f"I was diagnosed with {disease} in May.",
                f"{number(19, 90)} year old man, history of {disease}.",
                f"She was diagnosed with {disease} at {number(19, 60)}.",
                f"Admitted for {disease}; stable overnight.",
            ]
        ),
        ["diagnosis"],
    )
    yield (
        chance.choice(
            [
                f"Patient on {substance} {number(5, 500)} mg daily.",
                f"I take {substance} every morning.",
                f"My doctor wants me off {substance}.",
                f"y/o male, {substance} refilled.",
                f"Discharge summary: continue {substance}.",
            ]
        ),
        ["medication"],
    )
    yield (
        chance.choice(
            [
                f"{disease.capitalize()} affects millions of people.",
                f"{substance.capitalize()} was approved decades ago.",
                f"Compare {substance} with placebo in a trial.",
                f"Guideline {number(2015, 2024)} on {disease}.",
                f"Which genes are linked to {disease}?",
                f"Market size of {substance} in {number(2015, 2024)}.",
            ]
        ),
        [],
    )
    yield (
        chance.choice(["MRN {}", "MRN: {}", "medical record number {}", "patient id {}"]).format(number(10**6, 10**8)),
        ["medical_record_number"],
    )
    yield (
        chance.choice(["record {} of the table", "row number {}", "document {}", "Mr. N. bought {} shares"]).format(
            number(10**6, 10**8)
        ),
        [],
    )
    code = f"{chance.choice('EFIJKMNR')}{number(10, 99)}.{number(0, 9)}"
    yield chance.choice(["ICD-10 {}", "diagnosis: {}", "Dx {}", "diagnosis code {} billed"]).format(code), ["icd10_code"]
    yield chance.choice(["section {}", "screw {} x 20", "seat {}", "cell {} of the sheet"]).format(code), []


def large() -> Iterator[tuple[str, list[str]]]:
    for _ in range(LARGE):
        yield (
            chance.choice(["My card is {}.", "Charge {} please", "{} exp 04/29", "PAN: {}", "we billed {} twice"]).format(card()),
            ["payment_card"],
        )
        yield chance.choice(["My card is {}.", "order {} shipped", "tracking {}", "id {} in the export"]).format(not_a_card()), []
        yield chance.choice(["Refund to {}", "IBAN {} please", "account: {}", "Konto {} bei der Bank"]).format(iban()), ["iban"]
        yield chance.choice(["IBAN {}?", "serial {}", "batch {} of today"]).format(not_an_iban()), []
        yield (
            chance.choice(["SSN {}", "my social security number is {}", "{} is on the W-2", "applicant {} approved"]).format(
                ssn()
            ),
            ["us_ssn"],
        )
        yield chance.choice(["SSN {}", "part no. {}", "code {}"]).format(not_an_ssn()), []
        yield (
            chance.choice(["Call me at {}.", "tel: {}", "You reach Ann under {}", "{} (mobile)", "WhatsApp {}"]).format(phone()),
            ["phone"],
        )
        yield (
            chance.choice(["Ruf mich an, Telefon {}", "phone: {}", "mobile {}", "tel. {}", "手机 {}"]).format(national_phone()),
            ["phone"],
        )
        yield (
            chance.choice(
                [
                    f"order no {some('23456789', 3)}-{some('2345678', 3)}-{some(DIGITS, 4)}",
                    f"SKU {some('23456789', 3)}.{some('2345678', 3)}.{some(DIGITS, 4)}",
                    f"ISBN 978-3-16-{some(DIGITS, 6)}-{some(DIGITS, 1)}",
                    f"invoice 2024-{some(DIGITS, 4)}-{some(DIGITS, 3)}",
                    f"epoch 17{some(DIGITS, 8)}",
                    f"epoch ms 17{some(DIGITS, 11)}",
                    f"at 4{some(DIGITS, 1)}.{some(DIGITS, 6)}, -12{some(DIGITS, 1)}.{some(DIGITS, 6)}",
                    f"row {some(DIGITS, 4)} {some(DIGITS, 5)} {some(DIGITS, 6)}",
                    f"x = {some(DIGITS, 3)} + {some(DIGITS, 4)}",
                    f"@@ -{number(1, 999)},{number(1, 99)} +{number(1, 999)},{number(1, 99)} @@",
                    f"+{number(1, 9)}.{number(10, 99)} %",
                ]
            ),
            [],
        )
        yield chance.choice(["Write to {}.", "cc {}", "from: {} to: us", "<a href='mailto:{}'>"]).format(email()), ["email"]
        yield (
            chance.choice(
                [
                    f"@{chance.choice(FIRST)} said hi",
                    f"icon@{number(1, 3)}x.png",
                    f"git@{number(1, 9)} tag",
                    f"{chance.choice(FIRST)} at {chance.choice(DOMAINS)}",
                    f"user@host{number(1, 9)}",
                    f"pip install pkg@{number(1, 9)}.{number(0, 9)}",
                    "@app.get('/users/{id}')",
                    f"matrix A @ B{number(1, 9)}.T",
                    f"lodash@4.17.{number(1, 21)}",
                ]
            ),
            [],
        )
        yield chance.choice(["login from {}", "src={} dst=gateway", "blocked {} today"]).format(public_ip()), ["ip_address"]
        yield (
            chance.choice(
                [
                    f"version {number(1, 9)}.{number(0, 20)}.{number(0, 20)}.{number(0, 99)}",
                    f"v{number(1, 20)}.{number(0, 9)}.{number(0, 9)}.{number(1, 9)}",
                    f"section {number(1, 9)}.{number(1, 9)}.{number(1, 9)}.{number(1, 9)}",
                    f"OID 1.3.6.1.4.1.{number(100, 9999)}",
                    f"10.{number(0, 255)}.{number(0, 255)}.{number(1, 254)}",
                    f"192.168.{number(0, 255)}.{number(1, 254)}",
                    f"std::vector<int>::iterator it{number(1, 9)}",
                    f"12:{number(10, 59)}:{number(10, 59)}",
                    f"{number(256, 999)}.{number(0, 255)}.1.1",
                ]
            ),
            [],
        )
        yield (
            chance.choice(["DOB {}", "date of birth: {}", "born on {}", "geboren am {}", "Birthday: {}"]).format(date()),
            ["date_of_birth"],
        )
        yield (
            chance.choice(["due {}", "released on {}", "meeting {} at noon", "{} backup finished", "as of {}"]).format(date()),
            [],
        )
        for _ in range(3):
            kind, value = secret()
            yield chance.choice(["key {} works", "export TOKEN={}", "use {} for now", 'curl -H "x: {}"']).format(value), [kind]
        yield not_a_secret(), []
        yield from health()


def by_check(check: str, make: Callable[[], str], valid: bool) -> str:
    while True:
        value = make()
        if CHECKS[check](value) is valid:
            return value


def born() -> str:
    return number(40, 99, 2) + number(1, 12, 2) + number(1, 28, 2)


SMALL_KINDS: dict[str, tuple[str, str, Callable[[], str]]] = {
    "uk_nino": (
        "uk_nino",
        "National insurance number {}",
        lambda: some("ABCEGHJKLMNPRSTWXYZQ", 2) + some(DIGITS, 6) + some("ABCD", 1),
    ),
    "nhs_number": ("nhs_number", "NHS number {}", lambda: grouped(some(DIGITS, 10), (3, 3, 4), " ")),
    "de_tax_id": ("de_tax_id", "Steuer-ID: {}", lambda: "".join(chance.sample("123456789", 9)) + some(DIGITS, 2)),
    "de_id_card": (
        "de_document",
        "Personalausweis {}",
        lambda: some("LMNPRTVWXY", 1) + some("0123456789CFGHJK", 8) + some(DIGITS, 1),
    ),
    "fr_nir": (
        "fr_nir",
        "numéro de sécu {}",
        lambda: some("12", 1) + number(40, 99, 2) + number(1, 12, 2) + number(1, 95, 2) + some(DIGITS, 8),
    ),
    "es_dni": ("es_dni", "DNI {}", lambda: some(DIGITS, 8) + some("TRWAGMYFPDXBNJZSQVHLCKE", 1)),
    "it_fiscal_code": (
        "it_fiscal_code",
        "codice fiscale {}",
        lambda: (
            some("BCDFGLMNPRSTV", 6)
            + number(40, 99, 2)
            + some("ABCDEHLMPRST", 1)
            + number(1, 28, 2)
            + "H"
            + some(DIGITS, 3)
            + some(UPPER, 1)
        ),
    ),
    "nl_bsn": ("nl_bsn", "BSN {}", lambda: some(DIGITS, 9)),
    "pl_pesel": ("pl_pesel", "PESEL {}", lambda: born() + some(DIGITS, 5)),
    "se_personnummer": ("se_personnummer", "personnummer {}", lambda: f"{born()}-{some(DIGITS, 4)}"),
    "br_cpf": ("br_cpf", "CPF {}", lambda: f"{some(DIGITS, 3)}.{some(DIGITS, 3)}.{some(DIGITS, 3)}-{some(DIGITS, 2)}"),
    "in_aadhaar": ("in_aadhaar", "Aadhaar {}", lambda: grouped(some("23456789", 1) + some(DIGITS, 11), (4, 4, 4), " ")),
    "ca_sin": ("ca_sin", "social insurance number {}", lambda: grouped(some("1234567", 1) + some(DIGITS, 8), (3, 3, 3), " ")),
    "au_tfn": ("au_tfn", "my TFN is {}", lambda: grouped(some("123456789", 1) + some(DIGITS, 8), (3, 3, 3), " ")),
    "au_medicare": ("au_medicare", "Medicare card {}", lambda: some("23456", 1) + some(DIGITS, 9)),
    "jp_my_number": ("jp_my_number", "マイナンバー {}", lambda: some(DIGITS, 12)),
    "cn_resident_id": (
        "cn_resident_id",
        "身份证号 {}",
        lambda: "110105" + "19" + born() + some(DIGITS, 3) + some("0123456789X", 1),
    ),
    "sg_nric": ("sg_nric", "NRIC {}", lambda: some("STFG", 1) + some(DIGITS, 7) + some(UPPER, 1)),
    "mx_curp": (
        "mx_curp",
        "CURP {}",
        lambda: (
            some("BCDGLMPR", 1)
            + some("AEIOU", 1)
            + some("BCDGLMPR", 2)
            + born()
            + some("HM", 1)
            + "DF"
            + some("BCDFGLMN", 3)
            + "0"
            + some(DIGITS, 1)
        ),
    ),
    "npi": ("npi", "provider NPI {}", lambda: some("12", 1) + some(DIGITS, 9)),
}


def small() -> Iterator[tuple[str, list[str]]]:
    for kind, (check, template, make) in SMALL_KINDS.items():
        for _ in range(SMALL):
            yield template.format(by_check(check, make, valid=True)), [kind]
            yield template.format(by_check(check, make, valid=False)), []
            yield f"row {some(DIGITS, 3)}, count {number(1000, 99999)}, key {some(UPPER, 2)}{some(DIGITS, 4)}", []


def main() -> None:
    """Write the file beside this one."""
    lines = []
    for text, kinds in (*large(), *small()):
        lines.append(json.dumps({"text": framed(text) if '"' not in text else text, "kinds": kinds}, ensure_ascii=False))
    (HERE / "generated.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
