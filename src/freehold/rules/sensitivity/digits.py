"""The digits of a value, and check digits that several kinds of number share: what takes digits says whether they fit."""

import operator

_D5 = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 4, 0, 6, 7, 8, 9, 5), (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7), (4, 0, 1, 2, 3, 9, 5, 6, 7, 8), (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2), (7, 6, 5, 9, 8, 2, 1, 0, 4, 3), (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)  # fmt: skip
_NOT_DIGITS = bytes(code for code in range(256) if not 48 <= code <= 57)
_DOUBLED = bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)[code - 48] if 48 <= code <= 57 else 0 for code in range(256))
_TURN = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def digits_of(value: str) -> str:
    """The value's digits alone, 0 to 9."""
    return value if value.isdigit() and value.isascii() else value.encode().translate(None, _NOT_DIGITS).decode()


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    codes = digits.encode()[::-1]
    return (sum(codes[::2]) - 48 * len(codes[::2]) + sum(codes[1::2].translate(_DOUBLED))) % 10 == 0


def verhoeff(digits: str) -> bool:
    """J. Verhoeff, Error Detecting Decimal Codes (1969): the dihedral group of order ten."""
    check = 0
    for position, digit in enumerate(reversed(digits)):
        turned = int(digit)
        for _ in range(position % 8):
            turned = _TURN[turned]
        check = _D5[check][turned]
    return check == 0


def mod_11_10(digits: str) -> bool:
    """ISO/IEC 7064, MOD 11,10."""
    product = 10
    for digit in digits[:-1]:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return (product + int(digits[-1])) % 10 == 1


def weighted(digits: str, weights: tuple[int, ...]) -> int:
    """The sum of each digit times its weight; as many as there are weights."""
    return sum(map(operator.mul, map(int, digits), weights))


def is_one_digit(digits: str) -> bool:
    """Whether the number repeats one digit, as fillers do."""
    return digits != "" and digits == digits[0] * len(digits)


def is_date(year: int, month: int, day: int) -> bool:
    """Whether a month has that day; February 29 counts in years divisible by four."""
    longest = (31, 29 if year % 4 == 0 else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return 1 <= month <= 12 and 1 <= day <= longest[month - 1]
