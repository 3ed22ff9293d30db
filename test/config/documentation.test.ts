// SPDX-License-Identifier: Apache-2.0
// Tests that docs/configuration.md lists exactly the variables and defaults of the code, and that only server/config and the
// entries read them.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { DOCUMENTS_WITH_TABLES, withVariableTables } from "../../scripts/variable-tables.ts";
import { AGENT_VARIABLES, parseAgentConfig } from "../../server/agent/config.ts";
import { BOT_VARIABLES, parseBotConfig } from "../../server/bot/config.ts";
import { MATRIX_VARIABLES } from "../../server/config/matrix.ts";
import { defaultOf } from "../../server/config/variable-table.ts";
import { EXIT_CODES } from "../../server/conntest/main.ts";
import { USAGE } from "../../server/conntest/options.ts";
import { DISCOVERY_VARIABLES, parseDiscoveryConfig } from "../../server/discovery/config.ts";
import { KUBECTL_HSM_VARIABLES } from "../../server/kubectl-hsm/config.ts";
import { parseWebhookConfig, WEBHOOK_VARIABLES } from "../../server/webhook/config.ts";

const document = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");

const sectionOf = (role: string): string =>
  document.split(/^## /m).find((part) => part.startsWith(`${role}\n`)) ?? "";

const documented = (role: string): Record<string, string | null> => {
  const rows = sectionOf(role).matchAll(/^\| `([A-Z0-9_]+)` \| (?:`([^`]*)`)? ?\| (.+) \|$/gm);
  return Object.fromEntries([...rows].map(([, name, value]) => [name, value ?? null]));
};

const roles = {
  webhook: WEBHOOK_VARIABLES,
  agent: AGENT_VARIABLES,
  bot: BOT_VARIABLES,
  discovery: DISCOVERY_VARIABLES,
};
for (const [role, variables] of Object.entries(roles)) {
  t.test(`the table of ${role} has every variable with its default, and no other`, async (t) => {
    t.same(
      documented(role),
      Object.fromEntries(Object.entries(variables).map(([name, one]) => [name, defaultOf(one)])),
    );
  });
}

for (const name of DOCUMENTS_WITH_TABLES) {
  t.test(`the tables of ${name} are those that the configuration is read by`, async (t) => {
    const text = readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");
    const tables = text.match(/<!-- variables of /g) ?? [];
    t.equal(tables.length, { "configuration.md": 4, "kubectl-hsm.md": 1 }[name]);
    t.equal(text, withVariableTables(text), "run npm run generate");
  });
}

t.test("every variable that can hold a secret by its name is a secret, or the path of a file", async (t) => {
  for (const [role, variables] of Object.entries({ ...roles, "kubectl hsm": KUBECTL_HSM_VARIABLES })) {
    const open = Object.entries(variables).filter(([, { secret, file }]) => !secret && !file);
    const doubtful = open.filter(([name]) =>
      /PASSWORD|SECRET|TOKEN(?!_LABEL)|PASSPHRASE|(^|_)(PIN|KEY)(_|$)|_FILE$/.test(name),
    );
    t.same(
      doubtful.map(([name]) => name),
      [],
      role,
    );
  }
});

t.test("conntest's variables, options and exit codes are those of the code", async (t) => {
  const section = sectionOf("conntest");
  const names = [...section.matchAll(/`([A-Z][A-Z_]+)`/g)].map(([, name]) => name);
  t.same([...new Set(names)].sort(), Object.keys(MATRIX_VARIABLES).sort());
  const options = (text: string) =>
    [...new Set(text.match(/--[a-z-]{3,}/g))].filter((o) => /[a-z]/.test(o)).sort();
  t.same(options(section), options(USAGE));
  for (const code of Object.values(EXIT_CODES)) {
    t.match(section.split("It exits")[1], new RegExp(`\\b${code}\\b`));
  }
});

const sources = (folder: string) =>
  readdirSync(new URL(`../../server/${folder}`, import.meta.url), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => ({
      file,
      text: readFileSync(new URL(`../../server/${folder}${file}`, import.meta.url), "utf8"),
    }));

/** Whether a file of server/ makes a configuration of variables: those of server/config, and each role's own. */
const isConfiguration = (file: string) => file.startsWith("config/") || file.endsWith("/config.ts");

t.test("every variable is read by its parser", async (t) => {
  const read = new Set<string>();
  /** An environment that notes what is asked of it. */
  const noting = (env: Record<string, string>) =>
    new Proxy(env, {
      get: (target, name) => {
        read.add(String(name));
        return Reflect.get(target, name);
      },
    });
  parseWebhookConfig(noting({}));
  parseAgentConfig(noting({}));
  parseDiscoveryConfig(noting({}));
  for (const AUTH_METHOD of ["password", "jwt", "sso", "token"]) {
    for (const KUBERNETES_SERVICE_HOST of ["", "10.96.0.1"]) {
      parseBotConfig(noting({ AUTH_METHOD, KUBERNETES_SERVICE_HOST }));
    }
  }
  const kubeconfig = {
    "current-context": "here",
    contexts: [{ name: "here", context: { cluster: "c" } }],
    clusters: [{ name: "c", cluster: { server: "https://api.example" } }],
  };
  const KUBECONFIG = join(t.testdir({ kubeconfig: JSON.stringify(kubeconfig) }), "kubeconfig");
  parseBotConfig(noting({ KUBECONFIG, HTTPS_PROXY: "proxy.example:3128" }));
  for (const [role, variables] of Object.entries(roles)) {
    t.same(
      Object.keys(variables).filter((name) => !read.has(name)),
      [],
      role,
    );
  }
});

t.test("every setting that a variable comes to is used outside of the configuration", async (t) => {
  const configuration = sources("").filter(({ file }) => isConfiguration(file));
  const used = sources("")
    .filter(({ file }) => !isConfiguration(file))
    .map(({ text }) => text)
    .join("\n");
  const fields = configuration.flatMap(({ text }) =>
    [...text.matchAll(/^export type \w*Config = (?:\w+ & )?\{\n(.*?)^\};/gms)].flatMap(([, body = ""]) =>
      [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map(([, name = ""]) => name),
    ),
  );
  t.ok(fields.length > 40, `${fields.length} settings`);
  t.same(
    fields.filter((name) => !new RegExp(`\\b${name}\\b`).test(used)),
    [],
  );
});

t.test("the environment is read in one place", async (t) => {
  const root = new URL("../../server/", import.meta.url);
  const readers = readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.startsWith("agent/pkcs11/"))
    .filter((file) => readFileSync(new URL(file, root), "utf8").includes("process.env"));
  const entries = ["kubectl-complete-hsm.ts", "kubectl-hsm.ts", "main.ts"];
  t.same(readers.sort(), entries, "the entries hand it to the parsers of the configuration");
});
