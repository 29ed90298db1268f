"""An issuer of OAuth tokens for tests: client credentials against signed JWTs, and the keys to check them with."""

from __future__ import annotations

import base64
import json
import secrets
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from answering import send, serve
from cryptography.hazmat.primitives.asymmetric import rsa

KEY_ID = "test"
AUDIENCE = "kafka"
TOKEN_SECONDS = 600


class Issuer:
    """Gives tokens to `client_id` with `client_secret`, which may be replaced; `tokens` are those that it gave."""

    def __init__(self) -> None:
        self.client_id, self.client_secret = "bridge-of-a-test", secrets.token_hex(16)
        self.tokens: list[str] = []
        self.refused = 0
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

        class Handler(BaseHTTPRequestHandler):
            issuer = self

            def do_GET(self) -> None:
                send(self, 200, json.dumps({"keys": [self.issuer.public_key]}))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Authorization") == self.issuer.authorization:
                    send(self, 200, json.dumps(self.issuer.give()))
                else:
                    self.issuer.refused += 1
                    send(self, 401, '{"error": "invalid_client"}')

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://{serve(self._server)}"

    @property
    def authorization(self) -> str:
        return f"Basic {base64.b64encode(f'{self.client_id}:{self.client_secret}'.encode()).decode()}"

    @property
    def public_key(self) -> dict[str, Any]:
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {**key, "kid": KEY_ID, "use": "sig", "alg": "RS256"}

    def give(self) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": self.client_id, "iat": now, "exp": now + TOKEN_SECONDS}
        self.tokens.append(jwt.encode(claims, self._key, "RS256", {"kid": KEY_ID}))
        return {"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": TOKEN_SECONDS}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
