"""The validators by the names that the data file uses: a value as matched, and whether it can be what its pattern says."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from freehold.rules.sensitivity import contact, credentials, health, payments, people

CHECKS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        check.__name__: check
        for check in (
            contact.email, contact.phone, contact.private_ip, contact.public_ip,
            health.au_medicare, health.birth_date, health.nhs_number, health.npi, health.some_digits,
            payments.iban, payments.payment_card,
            people.au_tfn, people.br_cpf, people.ca_sin, people.cn_resident_id, people.de_document, people.de_tax_id,
            people.es_dni, people.fr_nir, people.in_aadhaar, people.it_fiscal_code, people.jp_my_number,
            people.mx_curp, people.nl_bsn, people.pl_pesel, people.se_personnummer, people.sg_nric, people.uk_nino, people.us_ssn,
            credentials.aws_access_key, credentials.jwt, credentials.mixed, credentials.mixed_case, credentials.password,
        )
    }
)  # fmt: skip
