"""Ways to reach a person: telephone numbers, e-mail and IP addresses."""

import ipaddress

from freehold.rules.sensitivity.digits import digits_of, is_one_digit

# E.164 country codes of one and two digits; the others have three. ITU-T list of assigned codes.
_CODES_1 = frozenset("17")
_CODES_2 = frozenset(
    "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93"
    " 94 95 98".split()
)
_CODES_3 = frozenset("21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 85 87 88 96 97 99".split())
_FILE_ENDINGS = frozenset(
    "png jpg jpeg gif svg webp css js ts py go rs md txt json yaml yml html xml zip gz log local internal invalid".split()
)
# Most addresses that are nobody's, told apart without the full registry, which takes several times as long.
_NOBODYS = (
    *("0.", "10.", "127.", "169.254.", "192.0.2.", "192.168.", "198.18.", "198.19.", "198.51.100.", "203.0.113.", "255."),
    *(f"172.{second}." for second in range(16, 32)),
    *(f"100.{second}." for second in range(64, 128)),
    *(f"{first}." for first in range(224, 240)),
)


def phone(value: str) -> bool:
    """An assigned country code and 8 to 15 digits in all; without one, the North American, Indian or Chinese shape."""
    digits = digits_of(value)
    if is_one_digit(digits[1:]) or digits in "01234567890123456789":
        return False
    if value.startswith("+") or digits.startswith("00"):
        digits = digits.lstrip("0")
        known = digits[0] in _CODES_1 or digits[:2] in _CODES_2 or digits[:2] in _CODES_3
        return known and 8 <= len(digits) <= 15 and (digits[0] != "1" or _north_american(digits[1:]))
    if digits[0] == "0":
        return 9 <= len(digits) <= 12
    if len(digits) == 11 and digits[0] == "1":
        return digits[1] in "3456789" if value.isdigit() or value[1] in "3456789" else _north_american(digits[1:])
    if len(digits) == 10:
        return _north_american(digits) or (digits[0] in "6789" and value[:5].isdigit())
    return len(digits) == 9 and digits[0] in "56789"


def _north_american(digits: str) -> bool:
    """Area and exchange begin with 2 to 9; neither is a service code of the form N11."""
    return len(digits) == 10 and digits[0] > "1" and digits[3] > "1" and digits[1:3] != "11" and digits[4:6] != "11"


def email(value: str) -> bool:
    """A local part of at most 64 characters; not an image@2x.png, a git remote, or a domain that mail never reaches."""
    local, _, domain = value.replace("%40", "@").rpartition("@")
    possible = 0 < len(local) <= 64 and ".." not in local and local != "git"
    return possible and domain.rpartition(".")[2].lower() not in _FILE_ENDINGS


def public_ip(value: str) -> bool:
    """A global unicast address; documentation, private, loopback and multicast ranges are nobody's."""
    if value.startswith(_NOBODYS):
        return False
    try:
        address = _address(value)
    except ValueError:
        return False
    return address.is_global and not address.is_multicast


def private_ip(value: str) -> bool:
    """An address inside somebody's own network: RFC 1918 and unique local."""
    try:
        address = _address(value)
    except ValueError:
        return False
    return address.is_private and not (
        address.is_loopback or address.is_unspecified or address.is_link_local or address.is_reserved
    )


def _address(value: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Raises ValueError on what is no address."""
    return ipaddress.IPv6Address(value) if ":" in value else ipaddress.IPv4Address(value)
