// SPDX-License-Identifier: Apache-2.0
// Tests that the installation documents name only what exists: files, options of credentials.sh, Secrets, variables,
// conditions.
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import t from "tap";
import { errors } from "../../hooks/error-codes.ts";
import { REASONS } from "../../hooks/hsmsecret/status.ts";
import { AGENT_VARIABLES } from "../../server/agent/config.ts";
import { BOT_VARIABLES } from "../../server/bot/config.ts";
import { WEBHOOK_VARIABLES } from "../../server/webhook/config.ts";
import { credentials } from "./credentials.ts";
import { root } from "./rendered.ts";

const usage = credentials(["--help"]).stdout;
const install = readFileSync(join(root, "docs/install.md"), "utf8");
const made =
  "keyswitch-webhook-tls keyswitch-agent-tls keyswitch-hook-token keyswitch-agent-token keyswitch-pkcs11 keyswitch-bot-tls keyswitch-bot-metrics keyswitch-bot keyswitch-discovery-tls keyswitch-discovery-token";

const NAMES = { ...AGENT_VARIABLES, ...WEBHOOK_VARIABLES, ...BOT_VARIABLES, ...errors };
const guides = globSync("docs/guides/*.md", { cwd: root });
for (const file of [
  "docs/install.md",
  "docs/hsm-setup.md",
  "manifests/metacontroller/README.md",
  ...guides,
]) {
  const text = readFileSync(join(root, file), "utf8");

  t.test(`${file}: every path of this project exists`, async (t) => {
    const paths = [...text.matchAll(/(?<![\w:/-])(?:keyswitch\/)?((?:manifests|scripts|docs)\/[\w./-]*\w)/g)];
    t.ok(paths.length > 0 || guides.includes(file));
    for (const [, path = ""] of paths) t.ok(existsSync(join(root, path)), path);
  });

  t.test(`${file}: every link leads to a heading that exists`, async (t) => {
    for (const [, target = "", anchor = ""] of text.matchAll(/\]\((?!https?:)([\w./-]*)(?:#([\w-]+))?\)/g)) {
      const linked = target === "" ? join(root, file) : join(root, dirname(file), target);
      t.ok(existsSync(linked), target);
      const anchors = [...readFileSync(linked, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
        heading
          .toLowerCase()
          .replaceAll(/[^\w\s-]/g, "")
          .replaceAll(/\s/g, "-"),
      );
      if (anchor !== "") t.ok(anchors.includes(anchor), `${target}#${anchor}`);
    }
  });

  t.test(`${file}: every option of credentials.sh is one`, async (t) => {
    const commands = [...text.matchAll(/credentials\.sh((?: +[\w,-]+)+)/g)].map(
      ([, options = ""]) => options,
    );
    for (const option of commands.flatMap((options) => options.match(/--[\w-]+/g) ?? [])) {
      t.match(usage, new RegExp(`^  ${option}\\b`, "m"), option);
    }
  });

  t.test(`${file}: every variable is one that a process knows, or an error code`, async (t) => {
    for (const [name] of text.matchAll(
      /\b(?:PKCS11|AGENT|HOOK|PATH|READ|WRITE|REFRESH|OPERATION|TLS|MATRIX|ALLOWED|DEPLOYMENT|KEYCLOAK|AUTH|CRYPTO|TRUST|TRUSTED|METRICS|TOGGLE)_[A-Z_]+\b/g,
    )) {
      t.ok(Object.hasOwn(NAMES, name), name);
    }
  });
}

t.test("install.md explains each Secret, and each reason that an HSMSecret can have", async (t) => {
  for (const name of made.split(" ")) t.ok(install.includes(`\`${name}\``), name);
  for (const reason of REASONS) t.ok(reason === "Synced" || install.includes(`\`${reason}\``), reason);
});
