# SPDX-License-Identifier: Apache-2.0
# Stands in for the Synapse module synapse-token-authenticator (0.13.1) in tests: it takes the same two login types with the
# parts of that module's configuration that docs/matrix-login.md shows, fails where that one fails, and checks tokens with
# the libraries that Synapse has.
import os

from authlib.jose import JsonWebKey, JsonWebToken
from authlib.jose.errors import JoseError
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

SYMMETRIC = {"HS256": 256, "HS384": 384, "HS512": 512}
ASYMMETRIC = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"]
USERNAME_TYPES = ["fq_uid", "localpart", "user_id", None]


class TokenLogin:
    def __init__(self, config, api):
        self.api = api
        self.jwt = config.get("jwt")
        self.oauth = config.get("oauth")
        checkers = {}
        if self.jwt is not None:
            self.key = key_of(self.jwt)
            checkers[("com.famedly.login.token", ("token",))] = self.check_jwt
        if self.oauth is not None:
            checkers[("com.famedly.login.token.oauth", ("token",))] = self.check_oauth
        api.register_password_auth_provider_callbacks(auth_checkers=checkers)

    @staticmethod
    def parse_config(config):
        jwt = config.get("jwt")
        if jwt is not None:
            secret, keyfile = jwt.get("secret"), jwt.get("keyfile")
            if secret is None and keyfile is None:
                raise Exception("Missing secret or keyfile")
            if keyfile is not None and not os.path.exists(keyfile):
                raise Exception("Keyfile doesn't exist")
            if algorithm_of(jwt) not in [*SYMMETRIC, *ASYMMETRIC]:
                raise Exception(f"Unknown algorithm: '{algorithm_of(jwt)}'")
        oauth = config.get("oauth")
        if oauth is not None and oauth.get("username_type") not in USERNAME_TYPES:
            raise Exception(f"Unknown username_type {oauth['username_type']}")
        return config

    async def check_jwt(self, username, login_type, login):
        algorithm = algorithm_of(self.jwt)
        # The module's library refuses a key that is shorter than the hash.
        if len(self.key) * 8 < SYMMETRIC.get(algorithm, 0):
            return None
        claims = claims_of(login["token"], self.key, [algorithm], self.jwt.get("require_expiry", True))
        if claims is None or not isinstance(claims.get("sub"), str):
            return None
        user = self.api.get_qualified_user_id(username)
        if user != self.api.get_qualified_user_id(claims["sub"]):
            return None
        return await self.existing(user)

    async def check_oauth(self, username, login_type, login):
        rules = self.oauth["jwt_validation"]
        keys = JsonWebKey.import_key_set(await self.api.http_client.get_json(rules["jwks_endpoint"]))
        claims = claims_of(login["token"], keys, ASYMMETRIC, rules.get("require_expiry", False))
        if claims is None or not holds(rules["validator"], claims):
            return None
        if not claims.get("sub") or not claims.get("iss"):
            return None
        user = self.api.get_qualified_user_id(username)
        if user != self.api.get_qualified_user_id(str(claims.get(rules["localpart_path"]))):
            return None
        return await self.existing(user)

    async def existing(self, user):
        found = await self.api.check_user_exists(user)
        return None if found is None else (found, None)


def algorithm_of(jwt):
    return jwt.get("algorithm", "HS512")


def key_of(jwt):
    """The bytes of a secret, or a key from a file, which is read as text as the module does: bytes are wanted of it."""
    if jwt.get("secret"):
        return jwt["secret"].encode("utf-8")
    with open(jwt["keyfile"]) as file:
        text = file.read()
    try:
        return load_pem_private_key(text, password=None)
    except ValueError:
        return load_pem_public_key(text)


def claims_of(token, key, algorithms, require_expiry):
    try:
        claims = JsonWebToken(algorithms).decode(token, key, claims_options={"exp": {"essential": require_expiry}})
        claims.validate()
        return claims
    except (JoseError, ValueError):
        return None


def holds(validator, value):
    """Whether `value` passes a validator of the kinds that the guide uses."""
    if isinstance(validator, dict):
        assert validator["type"] == "all_of"
        return all(holds(one, value) for one in validator["validators"])
    kind, *rest = validator
    if kind == "in":
        path, inner = rest
        return isinstance(value, dict) and path in value and holds(inner, value[path])
    assert kind == "equal"
    return value == rest[0]
