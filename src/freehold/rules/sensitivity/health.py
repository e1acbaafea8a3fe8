"""Health identifiers with check digits, and dates of birth."""

import re

from freehold.rules.sensitivity.digits import digits_of, is_date, is_one_digit, luhn, weighted

_NUMBERS = re.compile(r"\d+")


def npi(value: str) -> bool:
    """Luhn over 80840, the issuer of US health numbers, and the ten digits."""
    return luhn("80840" + value)


def nhs_number(value: str) -> bool:
    """Ten digits; the last is eleven less the weighted sum modulo eleven."""
    digits = digits_of(value)
    return len(digits) == 10 and not is_one_digit(digits) and weighted(digits, (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def au_medicare(value: str) -> bool:
    """The ninth digit is the weighted sum of the eight before it modulo ten."""
    digits = digits_of(value)
    return len(digits) in {10, 11} and weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(digits[8])


def birth_date(value: str) -> bool:
    """A day that exists, in a year from 1900 to 2099; written-out months are taken at their word."""
    parts = [int(number) for number in _NUMBERS.findall(value)]
    if len(parts) < 3:
        return 1 <= parts[0] <= 31 and 1900 <= parts[-1] <= 2099
    if parts[0] > 31:
        return 1900 <= parts[0] <= 2099 and is_date(*parts[:3])
    first, second, year = parts[:3]
    return (year < 100 or 1900 <= year <= 2099) and (is_date(year, second, first) or is_date(year, first, second))


def some_digits(value: str) -> bool:
    """At least five digits, and not one digit over and over: a number, not a word."""
    digits = digits_of(value)
    return len(digits) >= 5 and not is_one_digit(digits)
