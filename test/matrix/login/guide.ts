// SPDX-License-Identifier: Apache-2.0
// Sets up a Synapse as docs/matrix-login.md says: the guide's own snippets, with this machine's Keycloak in them.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { parse } from "yaml";
import { removeWhenAbandoned } from "../../../scripts/homeserver/abandoned-folder.ts";
import type { Homeserver } from "../../../scripts/homeserver/synapse.ts";
import { findSynapseRoot } from "../../../scripts/homeserver/synapse-root.ts";
import type { Keycloak, KeycloakClient } from "../../doubles/keycloak/keycloak.ts";
import { synapseFor } from "../synapse.ts";

export const GUIDE = join(import.meta.dirname, "../../../docs/matrix-login.md");

/** The guide's clients. The secret of the last stands in its snippet, so it is no secret. */
export const guideClients = (secret: string, homeserverPort: number): KeycloakClient[] => [
  { id: "keyswitch", secret },
  // The same client with the guide's step 2.4, which the other login types can't do with.
  { id: "keyswitch-hs512", secret, accessTokenAlgorithm: "HS512" },
  {
    id: "synapse",
    secret: "the secret of the client synapse",
    directAccessGrants: false,
    redirectUris: [`http://127.0.0.1:${homeserverPort}/_synapse/client/oidc/callback`],
  },
];

type Snippet = "jwt_config" | "oauth" | "token" | "oidc_providers";

/** The text of a snippet, as it stands in the guide. */
export const snippet = (name: Snippet): string => {
  const found = new RegExp(`<!-- synapse: ${name} -->\n\`\`\`yaml\n([\\s\\S]*?)\`\`\``).exec(
    readFileSync(GUIDE, "utf8"),
  );
  if (found?.[1] === undefined) throw new Error(`the guide has no snippet ${name}`);
  return found[1];
};

/** Keycloak's audience mapper of step 2. */
export const withAudience = (claims: Record<string, unknown>): Record<string, unknown> => ({
  ...claims,
  aud: ["account", "keyswitch"],
});

/** A stand-in's place in a root. */
export type StandIn = {
  /** As a configuration names it. */
  readonly module: string;
  /** The place itself, seen from within the root. */
  readonly inside: string;
};

/** Puts the stand-in for the module into `root` until `t` ends. */
export const placeStandIn = (t: Test, root: string): StandIn => {
  // `python3 -m` looks for modules from the root's top folder on, where Synapse starts.
  mkdirSync(join(root, "var/tmp"), { recursive: true });
  const folder = mkdtempSync(join(root, "var/tmp/keyswitch_module_"));
  const guard = removeWhenAbandoned(folder);
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true });
    guard.release();
  });
  const inside = folder.slice(join(root, ".").length);
  copyFileSync(join(import.meta.dirname, "token_login.py"), join(folder, "token_login.py"));
  return { module: `${inside.slice(1).replaceAll("/", ".")}.token_login.TokenLogin`, inside };
};

/** Synapse with all four snippets; its port is the one that Keycloak's client `synapse` was given. */
export const synapseOfGuide = async (
  t: Test,
  keycloak: Keycloak,
  port: number,
  more: Record<string, unknown> = {},
): Promise<Homeserver | undefined> => {
  const found = findSynapseRoot();
  if (found.kind === "unavailable") return synapseFor(t);
  const { module } = placeStandIn(t, found.root);
  const local = (name: Snippet) =>
    parse(
      snippet(name)
        .replaceAll("https://keycloak.example.org/realms/matrix", keycloak.issuer)
        .replace("synapse_token_authenticator.TokenAuthenticator", module)
        .replace("the text of the realm's HS512 key", keycloak.hmacSecret)
        .replace(
          / {4}-----BEGIN PUBLIC KEY-----[\s\S]*-----END PUBLIC KEY-----/,
          keycloak.publicKey.trim().replace(/^/gm, "    "),
        ),
    );
  const [provider] = local("oidc_providers").oidc_providers;
  return synapseFor(t, {
    port,
    config: {
      ...local("jwt_config"),
      modules: [...local("oauth").modules, ...local("token").modules],
      // Synapse wants https of a provider unless it is told not to look.
      oidc_providers: [{ ...provider, skip_verification: true }],
      ...more,
    },
  });
};
