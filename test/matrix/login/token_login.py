# SPDX-License-Identifier: Apache-2.0
# Stands in for the Synapse module synapse-token-authenticator in tests: it takes the same two login types with the parts
# of that module's configuration that docs/matrix-login.md shows, and checks tokens with the library that Synapse has.
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.jose.errors import JoseError

RS256 = JsonWebToken(["RS256"])


class TokenLogin:
    def __init__(self, config, api):
        self.api = api
        self.jwt = config.get("jwt")
        self.oauth = config.get("oauth")
        checkers = {}
        if self.jwt is not None:
            with open(self.jwt["keyfile"]) as file:
                self.key = file.read()
            checkers[("com.famedly.login.token", ("token",))] = self.check_jwt
        if self.oauth is not None:
            checkers[("com.famedly.login.token.oauth", ("token",))] = self.check_oauth
        api.register_password_auth_provider_callbacks(auth_checkers=checkers)

    @staticmethod
    def parse_config(config):
        return config

    async def check_jwt(self, username, login_type, login):
        claims = self.claims_of(login["token"], self.key, self.jwt.get("require_expiry", True))
        if claims is None or not isinstance(claims.get("sub"), str):
            return None
        user = self.api.get_qualified_user_id(username)
        if user != self.api.get_qualified_user_id(claims["sub"]):
            return None
        return await self.existing(user)

    async def check_oauth(self, username, login_type, login):
        rules = self.oauth["jwt_validation"]
        keys = JsonWebKey.import_key_set(await self.api.http_client.get_json(rules["jwks_endpoint"]))
        claims = self.claims_of(login["token"], keys, rules.get("require_expiry", False))
        if claims is None or not holds(rules["validator"], claims):
            return None
        user = self.api.get_qualified_user_id(username)
        if user != self.api.get_qualified_user_id(str(claims.get(rules["localpart_path"]))):
            return None
        return await self.existing(user)

    @staticmethod
    def claims_of(token, key, require_expiry):
        try:
            claims = RS256.decode(token, key, claims_options={"exp": {"essential": require_expiry}})
            claims.validate()
            return claims
        except (JoseError, ValueError):
            return None

    async def existing(self, user):
        found = await self.api.check_user_exists(user)
        return None if found is None else (found, None)


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
