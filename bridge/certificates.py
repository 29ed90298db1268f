"""Until when certificates are valid, in the forms in which servers' clients are given them."""

from __future__ import annotations

from datetime import datetime


def ends(content: bytes) -> list[datetime]:
    """Of each certificate in a PEM text; keys beside them are passed over. Raises ValueError where there is none."""
    from cryptography import x509  # not before it is needed: few configurations name certificates

    return [certificate.not_valid_after_utc for certificate in x509.load_pem_x509_certificates(content)]


def keystore_ends(content: bytes, password: str) -> list[datetime]:
    """Of each certificate in a PKCS #12 keystore. Raises ValueError, also for a wrong password."""
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

    store = load_pkcs12(content, password.encode() or None)
    found = [store.cert, *store.additional_certs]
    return [one.certificate.not_valid_after_utc for one in found if one is not None]
