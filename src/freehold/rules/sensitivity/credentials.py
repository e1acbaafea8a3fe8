"""What tells a key or a password from a name, a placeholder or an expression."""

import base64
import binascii
import json
import re

# Words that stand where a value would: documentation, templates, masks.
_PLACEHOLDER = re.compile(
    r"(?i)^(?:\$.*|%.*|<.*|\*+|x{3,}.*|\.{3}.*|-+|_+|(?:your|my|the|a|an|some|new|old|enter|insert|change|replace)[_-].*"
    r"|change-?me.*|example.*|placeholder.*|redacted.*|hidden.*|secret|password|passwd|pass|null|none|nil|true|false|undefined|required"
    r"|optional|string|.*(?:getenv|environ|process\.env|config\.|settings\.|self\.|args\.|vault:|secrets?\.).*)$"
)
_NAME_OR_NUMBER = re.compile(r"[A-Za-z_.]+[.:!?]?|\d{1,5}[.:]?|[A-Z][A-Z0-9_]+_[A-Z0-9_]+")
_ALPHABET = {character: value for value, character in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")}


def mixed(value: str) -> bool:
    """Letters and digits, and more than a few different ones: random, not a word or a ruler."""
    return any(c.isdigit() for c in value) and any(c.isalpha() for c in value) and len(set(value)) >= 10


def mixed_case(value: str) -> bool:
    """Capital and small letters after the prefix, as random tokens have."""
    body = value.partition("_")[2]
    return any(c.isupper() for c in body) and any(c.islower() for c in body) and len(set(body)) >= 10


def aws_access_key(value: str) -> bool:
    """Sixteen base-32 characters that are not one run; documentation's own keys (ending in EXAMPLE) are not keys."""
    return all(c in _ALPHABET for c in value[4:]) and len(set(value[4:])) >= 6 and not value.endswith("EXAMPLE")


def jwt(value: str) -> bool:
    """The first part is base64url of a JSON object with `alg`."""
    header = value.partition(".")[0]
    try:
        decoded = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(decoded, dict) and "alg" in decoded


def password(value: str) -> bool:
    """A literal with a digit or a sign in it, not a placeholder, a name, a plain number or a piece of an expression."""
    bare = value.strip("\"'`.,;:!?)")
    if len(bare) < 3 or _PLACEHOLDER.match(bare) or _NAME_OR_NUMBER.fullmatch(bare):
        return False
    return any(c.isdigit() or c in "!@#%^*+~?=" for c in bare)
