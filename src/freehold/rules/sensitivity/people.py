"""National numbers of persons: the rules and check digits of their issuers. A value comes as it was matched, with separators."""

import re

from freehold.rules.sensitivity.digits import digits_of, is_date, is_one_digit, luhn, mod_11_10, verhoeff, weighted

_NOT_LETTERS_OR_DIGITS = re.compile(r"[^0-9A-Z]")
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21,
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
), strict=True))  # fmt: skip
_CURP_LETTERS = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
_NRIC_LETTERS = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK", "M": "XWUTRQPNJLK"}
_NRIC_OFFSET = {"S": 0, "T": 4, "F": 0, "G": 4, "M": 3}
_NINO_NEVER = frozenset("BG GB KN NK NT TN ZZ".split())


def us_ssn(value: str) -> bool:
    """Area 001-665 or 667-899 (900-999 are tax numbers, group 50-65, 70-88, 90-92, 94-99), group and serial not zero."""
    digits = digits_of(value)
    area, group, serial = digits[:3], int(digits[3:5]), digits[5:]
    if len(digits) != 9 or is_one_digit(digits) or digits == "123456789" or area in {"000", "666"} or serial == "0000":
        return False
    return group > 0 if area < "900" else 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or group >= 94


def uk_nino(value: str) -> bool:
    """Prefix letters without D F I Q U V, the second without O too, and not of the seven pairs never issued."""
    prefix = value[:2].upper()
    return not set(prefix) & set("DFIQUV") and prefix[1] != "O" and prefix not in _NINO_NEVER


def de_tax_id(value: str) -> bool:
    """Eleven digits by MOD 11,10; of the first ten, one digit stands two or three times and the others at most once."""
    digits = digits_of(value)
    counts = sorted((digits[:10].count(digit) for digit in set(digits[:10])), reverse=True)
    return len(digits) == 11 and counts[0] in {2, 3} and all(count == 1 for count in counts[1:]) and mod_11_10(digits)


def de_document(value: str) -> bool:
    """Nine characters and their 7-3-1 check digit, as in the machine-readable zone."""
    return icao_digit(value[:9]) == int(value[9]) and any(character.isdigit() for character in value[1:9])


def icao_digit(text: str) -> int:
    """ICAO Doc 9303 part 3: weights 7, 3, 1; letters count from ten, `<` is zero."""
    values = (0 if character == "<" else int(character, 36) for character in text)
    return sum(value * (7, 3, 1)[at % 3] for at, value in enumerate(values)) % 10


def fr_nir(value: str) -> bool:
    """Thirteen digits and 97 less their remainder; 2A and 2B stand for 19 and 18. Months above 12 exist for unknown dates."""
    compact = value.replace(" ", "").upper()
    digits = compact.replace("2A", "19", 1).replace("2B", "18", 1) if not compact.isdigit() else compact
    month = int(digits[3:5]) if digits.isdigit() and len(digits) == 15 else 0
    return (1 <= month <= 12 or 20 <= month <= 42 or month >= 50) and 97 - int(digits[:13]) % 97 == int(digits[13:])


def es_dni(value: str) -> bool:
    """The letter is the number modulo 23; of a NIE, X, Y, Z stand for 0, 1, 2."""
    compact = _NOT_LETTERS_OR_DIGITS.sub("", value.upper())
    number = compact[:-1].translate({ord("X"): "0", ord("Y"): "1", ord("Z"): "2"})
    return len(number) == 8 and not is_one_digit(number) and _DNI_LETTERS[int(number) % 23] == compact[-1]


def it_fiscal_code(value: str) -> bool:
    """The last letter: odd places by the decree's table, even places by rank, modulo 26."""
    code = value.upper()
    even = (int(letter) if letter.isdigit() else ord(letter) - 65 for letter in code[1:15:2])
    return chr(65 + (sum(_ODD[letter] for letter in code[0:15:2]) + sum(even)) % 26) == code[15]


def nl_bsn(value: str) -> bool:
    """The eleven test: weights 9 to 2 and -1; eight digits are nine with a leading zero."""
    digits = digits_of(value).zfill(9)
    return len(digits) == 9 and int(digits) > 0 and weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def pl_pesel(value: str) -> bool:
    """Weights 1, 3, 7, 9 and a date whose month names the century."""
    digits = value
    month = int(digits[2:4]) % 20
    return is_date(int(digits[:2]), month, int(digits[4:6])) and weighted(digits, (1, 3, 7, 9) * 2 + (1, 3, 1)) % 10 == 0


def se_personnummer(value: str) -> bool:
    """Luhn over the last ten digits, and a date; coordination numbers add 60 to the day."""
    digits = digits_of(value)[-10:]
    day = int(digits[4:6])
    return luhn(digits) and is_date(int(digits[:2]), int(digits[2:4]), day - 60 if day > 60 else day)


def br_cpf(value: str) -> bool:
    """Two check digits, each ten times a weighted sum modulo eleven."""
    digits = digits_of(value)
    first = weighted(digits, tuple(range(10, 1, -1))) * 10 % 11 % 10
    second = weighted(digits, tuple(range(11, 1, -1))) * 10 % 11 % 10
    return len(digits) == 11 and not is_one_digit(digits) and digits[9:] == f"{first}{second}"


def in_aadhaar(value: str) -> bool:
    """Twelve digits by Verhoeff."""
    digits = digits_of(value)
    return len(digits) == 12 and digits != digits[::-1] and verhoeff(digits)


def ca_sin(value: str) -> bool:
    """Nine digits by Luhn; none begins with 0 or 8."""
    digits = digits_of(value)
    return len(digits) == 9 and digits[0] not in "08" and luhn(digits)


def au_tfn(value: str) -> bool:
    """Nine digits; the weighted sum is a multiple of eleven."""
    digits = digits_of(value)
    return len(digits) == 9 and int(digits) > 0 and weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def jp_my_number(value: str) -> bool:
    """Twelve digits; the last is eleven less the weighted sum modulo eleven, 0 where that exceeds nine."""
    digits = digits_of(value)
    rest = weighted(digits, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return len(digits) == 12 and not is_one_digit(digits) and int(digits[11]) == (0 if rest <= 1 else 11 - rest)


def cn_resident_id(value: str) -> bool:
    """A birth date, and MOD 11-2 over all eighteen with X for ten."""
    code = value.upper()
    total = weighted(code[:17], tuple(2 ** (17 - at) % 11 for at in range(17)))
    return is_date(int(code[6:10]), int(code[10:12]), int(code[12:14])) and "10X98765432"[total % 11] == code[17]


def sg_nric(value: str) -> bool:
    """Weights 2, 7, 6, 5, 4, 3, 2, an offset and a table of letters by series."""
    code = value.upper()
    rest = (weighted(code[1:8], (2, 7, 6, 5, 4, 3, 2)) + _NRIC_OFFSET[code[0]]) % 11
    return _NRIC_LETTERS[code[0]][rest] == code[8]


def mx_curp(value: str) -> bool:
    """A birth date, and a digit over 37 characters with weights 18 to 2, modulo ten."""
    code = value.upper()
    total = sum(_CURP_LETTERS.index(letter) * (18 - at) for at, letter in enumerate(code[:17]))
    return is_date(int(code[4:6]), int(code[6:8]), int(code[8:10])) and -total % 10 == int(code[17])
