"""Why a TLS connection was not made, and the mend, in words: the same for Kafka and for Redis."""

import ssl
from typing import Final

# Reasons of OpenSSL to refuse a certificate: its X509_V_ERR_* (openssl-verification-options).
_UNTRUSTED: Final = frozenset({18, 19, 20, 21})
_NOT_NOW: Final = frozenset({9, 10})
_OTHER_NAME: Final = frozenset({62, 64})


def tls_trouble(error: BaseException, *, address_variable: str, ca_variable: str, own_certificate: str) -> str | None:
    """What is wrong with the TLS of the server that answered with this error, and what to do about it.

    `None` if it is not for TLS that it failed. The variables are those that say where the server is, and whom to trust;
    `own_certificate` is the mend where the server wants to see a certificate of ours.
    """
    refused = _tls_error(error)
    if refused is None:
        return None
    if not isinstance(refused, ssl.SSLCertVerificationError):
        reason = (refused.reason or "no reason given").replace("_", " ").lower()
        if "no certificate" in reason:
            return f"{ca_variable} names a file that holds no certificate."
        if "alert" in reason and "certificate" in reason:  # said by the server
            return f"it wants a certificate of the worker's that it trusts ({reason}). {own_certificate}"
        return f"no TLS with it ({reason}). Check that the port of {address_variable} is one for TLS."
    match refused.verify_code:
        case code if code in _UNTRUSTED:
            mend = f"Let {ca_variable} name the file of the authority that signed it."
        case code if code in _NOT_NOW:
            mend = "Renew it on the server, or set the clock of this machine right."
        case code if code in _OTHER_NAME:
            mend = f"Let {address_variable} name the server as its certificate does, or the certificate as you do."
        case _:
            mend = "Mend it on the server."
    return f"its certificate is refused: {refused.verify_message.rstrip('.')}. {mend}"


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """The error of TLS that this one is, or that clients wrapped into it."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error
