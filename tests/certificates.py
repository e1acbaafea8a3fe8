"""A certificate authority for tests, and what a server of theirs shows."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """A certificate authority of the test's own, and a server certificate for 127.0.0.1 signed by it."""

    def __init__(self, folder: Path, name: str = "tests") -> None:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

        def signed(subject: x509.Name, public: Any, extension: Any, *, ca: bool) -> x509.Certificate:
            identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
            return (
                x509.CertificateBuilder()
                .subject_name(subject)
                .issuer_name(who)
                .public_key(public)
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - timedelta(hours=1))
                .not_valid_after(now + timedelta(hours=1))
                .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
                .add_extension(identifier, critical=False)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
                .add_extension(extension, critical=ca)
                .sign(key, hashes.SHA256())
            )

        usage = x509.KeyUsage(*(use in {5, 6} for use in range(9)))
        self.pem = signed(who, key.public_key(), usage, ca=True).public_bytes(serialization.Encoding.PEM).decode()
        own = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        server = signed(x509.Name([]), own.public_key(), names, ca=False)
        file = folder / f"{name}.pem"
        pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        file.write_bytes(
            own.private_bytes(serialization.Encoding.PEM, pkcs8, plain) + server.public_bytes(serialization.Encoding.PEM)
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(file)
