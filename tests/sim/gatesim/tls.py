"""A certificate authority and a server certificate for loopback, by the openssl command."""
from __future__ import annotations

import pathlib
import ssl
import subprocess


def _openssl(*args: str) -> None:
    done = subprocess.run(["openssl", *args], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {args[0]}: {done.stderr.strip()}")


def make(folder: pathlib.Path) -> tuple[ssl.SSLContext, str]:
    """The server's context and the authority's certificate in PEM."""
    ca_key, ca, key, request, cert, names = (str(folder / n) for n in ("ca.key", "ca.crt", "tls.key", "tls.csr", "tls.crt", "names"))
    ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl("req", "-x509", *ec, "-days", "30", "-subj", "/CN=simulated-ca", "-keyout", ca_key, "-out", ca)
    _openssl("req", *ec, "-subj", "/CN=simulated-apiserver", "-keyout", key, "-out", request)
    pathlib.Path(names).write_text("subjectAltName=DNS:localhost,DNS:kubernetes.default,IP:127.0.0.1,IP:10.0.0.1\n", encoding="ascii")
    _openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "30", "-extfile", names, "-out", cert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    return context, pathlib.Path(ca).read_text(encoding="ascii")
