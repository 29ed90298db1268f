"""A broker with TLS: one process whose listeners ask for nothing, a certificate, a password or a token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trustme
from confluent_kafka.admin import AdminClient, ScramMechanism
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from fix_kafka import Cluster, set_password
from oauth_issuer import AUDIENCE, Issuer
from ports import free_port
from proxy import Proxy

from bridge.local.stack import Stack

PASSWORD = "S3CR3T-of-the-broker"  # noqa: S105
_SECURITY = "org.apache.kafka.common.security"
# Whoever comes by the inner listener needs no login: the broker itself, and the tests. OTHER has a certificate of
# another name; SCRAM is reached through a proxy, which cuts connections; FAR says that the broker is elsewhere.
_LISTENERS = """
listeners=INTERNAL://127.0.0.1:{{internal}},CONTROLLER://127.0.0.1:{{controller}},TLS://127.0.0.1:{tls},\
MTLS://127.0.0.1:{mtls},OTHER://127.0.0.1:{other},SCRAM://127.0.0.1:{scram},OAUTH://127.0.0.1:{oauth},\
FAR://127.0.0.1:{{client}}
advertised.listeners=INTERNAL://127.0.0.1:{{internal}},TLS://127.0.0.1:{tls},\
MTLS://127.0.0.1:{mtls},OTHER://127.0.0.1:{other},SCRAM://127.0.0.1:{proxy},OAUTH://127.0.0.1:{oauth},\
FAR://kafka.example.org:9092
listener.security.protocol.map=INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,MTLS:SSL,OTHER:SSL,\
SCRAM:SASL_SSL,OAUTH:SASL_SSL,FAR:PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.certificate.chain={chain}
ssl.keystore.key={key}
ssl.truststore.type=PEM
ssl.truststore.certificates={ca}
listener.name.mtls.ssl.client.auth=required
listener.name.other.ssl.keystore.type=PEM
listener.name.other.ssl.keystore.certificate.chain={other_chain}
listener.name.other.ssl.keystore.key={other_key}
listener.name.scram.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.scram.scram-sha-512.sasl.jaas.config={security}.scram.ScramLoginModule required;
listener.name.oauth.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.oauth.oauthbearer.sasl.jaas.config={security}.oauthbearer.OAuthBearerLoginModule required;
listener.name.oauth.oauthbearer.sasl.server.callback.handler.class=\
{security}.oauthbearer.OAuthBearerValidatorCallbackHandler
listener.name.oauth.sasl.oauthbearer.jwks.endpoint.url={issuer}/jwks
listener.name.oauth.sasl.oauthbearer.expected.issuer={issuer}
listener.name.oauth.sasl.oauthbearer.expected.audience={audience}
"""


class TlsBroker(Cluster):
    """One broker; `inside` asks for nothing, the addresses by name in `at` have TLS. `ca` is its authority's file."""

    def __init__(self, directory: Path) -> None:
        self.authority, self.issuer = trustme.CA(), Issuer()
        self.ca = directory / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        ports = {name: free_port() for name in ("tls", "mtls", "other", "scram", "oauth")}
        self.scram_proxy = Proxy(lambda: ports["scram"], speaks_kafka=False)
        self.at = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        self.at["scram"] = f"127.0.0.1:{self.scram_proxy.port}"
        chain, key = _java_pem(self.authority.issue_cert("127.0.0.1", "localhost"))
        other_chain, other_key = _java_pem(self.authority.issue_cert("kafka.example.org"))
        fields = {"chain": chain, "key": key, "other_chain": other_chain, "other_key": other_key}
        fields |= {"ca": _one_line(self.ca.read_text()), "issuer": self.issuer.url, "audience": AUDIENCE}
        more = _LISTENERS.format(security=_SECURITY, proxy=self.scram_proxy.port, **ports, **fields)
        allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.issuer.url}/jwks"
        super().__init__(directory, brokers=1, more=more, java=[allowed])
        self.at |= {"inside": self.inside, "far": f"127.0.0.1:{self.brokers[0].client}"}
        self.admin = AdminClient({"bootstrap.servers": self.inside, "log_level": 0})

    def set_password(self, user: str, password: str) -> None:
        """As `fix_kafka.set_password()`."""
        set_password(self.admin, user, password, ScramMechanism.SCRAM_SHA_512)

    def close(self) -> None:
        super().close()
        self.scram_proxy.close()
        self.issuer.close()

    def way(self, name: str, user: str, client: Path) -> dict[str, str]:
        """What a client that comes by listener `name` is given, where `client` has the files of its certificate."""
        if name == "far":
            return {}
        properties = {"security.protocol": "SSL", "ssl.ca.location": str(self.ca)}
        if name == "mtls":
            properties |= {"ssl.certificate.location": f"{client}.pem", "ssl.key.location": f"{client}.key"}
        if name in ("scram", "oauth"):
            properties["security.protocol"] = "sasl_ssl"  # in any case of letters
        if name == "scram":
            properties |= {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": user, "sasl.password": PASSWORD}
        if name == "oauth":
            properties |= {"sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.method": "oidc"}
            properties |= {"sasl.oauthbearer.client.id": self.issuer.client_id}
            properties |= {"sasl.oauthbearer.client.secret": self.issuer.client_secret}
            properties |= {"sasl.oauthbearer.token.endpoint.url": f"{self.issuer.url}/token"}
        return properties


def write_certificate(authority: trustme.CA, client: Path) -> None:
    """A certificate for a client, in the files `client`.pem and .key."""
    leaf = authority.issue_cert("relay@example.org", common_name="relay")
    leaf.cert_chain_pems[0].write_to_path(f"{client}.pem")
    leaf.private_key_pem.write_to_path(f"{client}.key")


def _java_pem(leaf: trustme.LeafCert) -> tuple[str, str]:
    """Chain and key as Kafka's properties have them."""
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return _one_line("".join(part.bytes().decode() for part in leaf.cert_chain_pems)), _one_line(pem)


def _one_line(pem: str) -> str:
    return pem.strip().replace("\n", "\\n")


@pytest.fixture(scope="module")
def tls_broker(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsBroker]:
    """A module's broker with TLS. `stack` has downloaded Kafka."""
    with closing(TlsBroker(tmp_path_factory.mktemp("tls"))) as broker:
        yield broker
