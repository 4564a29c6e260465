"""Whom we trust when we talk to a relay, for digests and for all other mail.

In: files that the settings name. Out: a TLS context.
"""

from __future__ import annotations

import ssl


def tls_context(*, ca_file: str = "", cert_file: str = "", key_file: str = "") -> ssl.SSLContext:
    """Return a context that trusts the system's authorities and those in ``ca_file``, and shows our own certificate.

    Raises OSError for a file that cannot be read.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        context.load_verify_locations(ca_file)
    if cert_file:
        context.load_cert_chain(cert_file, key_file or None)
    return context
