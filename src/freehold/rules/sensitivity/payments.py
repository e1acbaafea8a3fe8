"""Payment cards and bank accounts: issuer ranges, Luhn, ISO 13616."""

from freehold.rules.sensitivity.digits import digits_of, is_one_digit, luhn

# First and last prefix, and the lengths issued under them.
_ISSUERS = (
    ("34", "34", (15,)), ("37", "37", (15,)),  # American Express
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)), ("2221", "2720", (16,)),  # Mastercard
    ("6011", "6011", (16, 19)), ("644", "649", (16, 19)), ("65", "65", (16, 19)),  # Discover
    ("300", "305", (14,)), ("3095", "3095", (14,)), ("36", "36", (14,)), ("38", "39", (14,)),  # Diners Club
    ("3528", "3589", (16, 17, 18, 19)),  # JCB
    ("62", "62", (16, 17, 18, 19)), ("81", "81", (16,)),  # UnionPay
    ("50", "50", (12, 13, 14, 15, 16, 17, 18, 19)), ("56", "58", (12, 13, 14, 15, 16, 17, 18, 19)),  # Maestro
    ("6304", "6304", (12, 13, 14, 15, 16, 17, 18, 19)), ("6759", "6763", (12, 13, 14, 15, 16, 17, 18, 19)),
    ("60", "60", (16,)), ("2200", "2204", (16,)), ("9792", "9792", (16,)),  # RuPay, Mir, Troy
)  # fmt: skip
_BY_FIRST = {first: tuple(issuer for issuer in _ISSUERS if issuer[0][0] <= first <= issuer[1][0]) for first in "0123456789"}
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28,
    "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28,
    "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24,
    "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26,
    "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip
_AS_NUMBERS = {ord(letter): str(number) for number, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 10)}


def payment_card(value: str) -> bool:
    """An issuer's prefix with one of its lengths, and Luhn."""
    digits = digits_of(value)
    issuers = _BY_FIRST.get(digits[:1], ()) if luhn(digits) else ()
    issued = any(low <= digits[: len(low)] <= high and len(digits) in lengths for low, high, lengths in issuers)
    return issued and not is_one_digit(digits)


def iban(value: str) -> bool:
    """The country's length, and MOD 97-10 with the first four characters moved to the end."""
    code = value.replace(" ", "").replace("-", "").upper()
    if _IBAN_LENGTHS.get(code[:2]) != len(code):
        return False
    return int((code[4:] + code[:4]).translate(_AS_NUMBERS)) % 97 == 1
