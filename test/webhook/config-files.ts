// SPDX-License-Identifier: Apache-2.0
// Provides the files that environment variables of the webhook name in tests, and its parser.
import { join } from "node:path";
import t from "tap";
import { parseWebhookConfig } from "../../server/webhook/config.ts";
import { createAuthority } from "../http/authority.ts";

export const root = t.testdir({
  token: "# the hook's token\ns3cret-token-1\n",
  empty: "# nothing\n\n",
  broken: "not a token at all\n",
  policy: "- {namespace: team-a, prefix: shared/}\n",
  "bad-policy": '[{"namespace": "team-a", "prefix": "hunter2 hunter2"}, {"prefix": "shared", "more": 1}]',
  "no-policy": "{ ] hunter2",
  "service-account": { token: "t", "ca.crt": "c" },
});
export const authority = createAuthority(root);
export const server = authority.issue("server");
export const other = authority.issue("other");
export const at = (name: string) => join(root, name);

export const minimal = { AGENTS: "hsm-a=https://hsm-a.keyswitch:8444" };
export const tls = { TLS_CERT_FILE: server.certFile, TLS_KEY_FILE: server.keyFile };
export const parse = (env: Record<string, string>) => parseWebhookConfig(env, at("service-account"));
