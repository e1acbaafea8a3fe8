"""Validators agree with the published examples of their issuers, and with one digit changed they do not."""

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.rules.sensitivity.checks import CHECKS
from freehold.rules.sensitivity.digits import luhn, mod_11_10, verhoeff

VALID = {
    "payment_card": ["4111 1111 1111 1111", "5555555555554444", "378282246310005", "6011-1111-1111-1117", "3530111333300000"],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "FR1420041010050500013M02606", "NO9386011117947"],
    "us_ssn": ["219-09-9999", "078-05-1120", "912-70-1234"],
    "uk_nino": ["AB123456C", "JG 10 37 59 A"],
    "nhs_number": ["943 476 5919", "9434765870"],
    "de_tax_id": ["36 574 261 809", "65929970489"],
    "de_document": ["T220001293", "L01X00T471"],
    "fr_nir": ["2 95 10 99 126 111 93", "253072B07300470"],
    "es_dni": ["12345678Z", "X1234567L", "54362315K"],
    "it_fiscal_code": ["RSSMRA85T10A562S", "RCCMNL83S18D969H"],
    "nl_bsn": ["111222333", "1234.56.782"],
    "pl_pesel": ["44051401359"],
    "se_personnummer": ["640823-3234", "19121212-1212"],
    "br_cpf": ["529.982.247-25", "390.533.447-05"],
    "in_aadhaar": ["2341 2341 2346"],
    "ca_sin": ["130 692 544"],
    "au_tfn": ["123 456 782"],
    "au_medicare": ["2123 45670 1"],
    "jp_my_number": ["123456789018"],
    "cn_resident_id": ["11010519491231002X"],
    "sg_nric": ["S1234567D", "F1234567N", "M1234567K"],
    "mx_curp": ["HEGG560427MVZRRL04"],
    "npi": ["1234567893"],
    "public_ip": ["8.8.8.8", "2a00:1450:4001:830::200e"],
    "private_ip": ["10.0.0.1", "192.168.1.20", "fd12:3456:789a:1::1"],
    "email": ["jo@x.com", "a.b+c%40d.org"],
    "phone": ["+44 20 7946 0958", "(415) 555-2671", "0171 2345678", "13812345678"],
    "birth_date": ["1980-02-29", "31.12.1999", "3/14/62", "14 March 1962"],
}
INVALID = {
    "payment_card": ["4111 1111 1111 1112", "9111111111111119", "0000000000000000"],
    "iban": ["DE88 3704 0044 0532 0130 00", "DE8937040044053201300", "XX89370400440532013000"],
    "us_ssn": ["000-12-3456", "666-12-3456", "123-00-4567", "123-45-0000", "987-66-4320", "111-11-1111", "123-45-6789"],
    "uk_nino": ["QQ123456C", "BG123456A", "AO123456A"],
    "de_tax_id": ["36574261808", "11111111111"],
    "fr_nir": ["2 95 10 99 126 111 94", "295139912611193"],
    "es_dni": ["12345678A", "00000000T"],
    "pl_pesel": ["44051401358", "44991401359"],
    "br_cpf": ["111.111.111-11", "529.982.247-26"],
    "in_aadhaar": ["2341 2341 2345"],
    "cn_resident_id": ["110105194912310021", "11010519491331002X"],
    "sg_nric": ["S1234567A"],
    "npi": ["1234567890"],
    "public_ip": ["10.0.0.1", "127.0.0.1", "192.0.2.1", "224.0.0.1", "256.1.1.1", "2001:db8::1"],
    "private_ip": ["8.8.8.8", "127.0.0.1", "0.0.0.0", "999.1.1.1"],
    "email": ["icon@2x.png", "git@github.com", f"{'a' * 65}@x.com", "a..b@x.com"],
    "phone": ["+99 1", "(911) 555-2671", "(415) 155-2671", "+1234567", "1111111111"],
    "birth_date": ["2024-13-01", "31.02.1999", "1776-07-04"],
    "aws_access_key": ["AKIAIOSFODNN7EXAMPLE", "AKIAAAAAAAAAAAAAAAAA"],
    "mixed": ["spinner-loading-animation-fast", "1111111111"],
    "mixed_case": ["hf_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
    "jwt": ["eyJub3QiOiJhIHRva2VuIn0.eyJzdWIiOiIxIn0.x", "eyJ.eyJ.x"],
    "password": ["os.environ", "********", "${PASSWORD}", "required", "DB_PASSWORD_1", "changeme", "12345", "word"],
    "some_digits": ["ABC1234", "0000000"],
}
ONE_DIGIT_SHOWS = ["payment_card", "iban", "npi", "nhs_number", "in_aadhaar", "ca_sin", "nl_bsn", "pl_pesel", "br_cpf", "fr_nir"]


@pytest.mark.parametrize(("check", "value"), [(check, value) for check, values in VALID.items() for value in values])
def test_published_examples_hold(check: str, value: str) -> None:
    assert CHECKS[check](value)


@pytest.mark.parametrize(("check", "value"), [(check, value) for check, values in INVALID.items() for value in values])
def test_what_was_never_issued_does_not(check: str, value: str) -> None:
    assert not CHECKS[check](value)


@pytest.mark.parametrize("check", ONE_DIGIT_SHOWS)
def test_one_wrong_digit_shows(check: str) -> None:
    value = VALID[check][0]
    for at, digit in enumerate(value):
        for other in string.digits if digit.isdigit() and at > 1 else "":
            assert other == digit or not CHECKS[check](value[:at] + other + value[at + 1 :])


@pytest.mark.parametrize("value", ["hunter2!", "Tr0ub4dor&3", "c0rrect-h0rse", "Winter2024!"])
def test_a_literal_is_a_password(value: str) -> None:
    assert CHECKS["password"](value)


def test_a_token_is_one_by_its_header() -> None:
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    assert CHECKS["jwt"](f"{header}.eyJzdWIiOiIxIn0.sig")


@given(st.text(string.digits, min_size=1, max_size=18))
def test_exactly_one_check_digit_fits(body: str) -> None:
    for check in (luhn, verhoeff, mod_11_10):
        assert sum(check(body + digit) for digit in string.digits) == 1
