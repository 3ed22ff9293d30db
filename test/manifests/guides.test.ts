// SPDX-License-Identifier: Apache-2.0
// Tests the examples of docs/guides: objects that the API server takes, kustomizations that build, commands and files that exist.
import { existsSync, globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import t from "tap";
import { parse } from "yaml";
import { FAILOVER_SECONDS } from "../../hooks/hsmdevice/roles.ts";
import { ruleFaults } from "../../scripts/control-plane/api/validation/rule-validation.ts";
import { schemaFaults } from "../../scripts/control-plane/api/validation/schema-validation.ts";
import { CRDS } from "../../scripts/crd.ts";
import { AGENT_VARIABLES } from "../../server/agent/config.ts";
import { COMMANDS } from "../../server/kubectl-hsm/commands.ts";
import { GLOBAL_OPTIONS } from "../../server/kubectl-hsm/option-spec.ts";
import { parseAgents } from "../../server/webhook/config.ts";
import { pico, World } from "../hooks/hsmdevice/world.ts";
import { credentials, secretsIn } from "./credentials.ts";
import { containersOf, type Manifest, rendered, root, workloadsOf } from "./rendered.ts";

const files = globSync("docs/guides/*.md", { cwd: root }).sort();
const read = (file: string) => readFileSync(join(root, file), "utf8");
const guide = (name: string) => read(`docs/guides/${name}.md`);

/** The blocks of `text` in that language, without the indentation of a list. */
const blocks = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^( *)\`\`\`${language}\\n(.*?)^\\1\`\`\`$`, "gms"))].map(
    ([, indent = "", block = ""]) => block.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  );

const CUSTOM: Record<string, keyof typeof CRDS> = {
  HSMDevice: "hsmdevice/hsmdevices.yaml",
  HSMSecret: "hsmsecrets.yaml",
  Toggle: "toggles.yaml",
};
/** Objects of Argo CD, Flux, KEDA and Kubernetes, whose definitions are not here: gitops.test.ts and autoscalers.test.ts look at them. */
const OTHERS = ["argoproj.io", "kustomize.toolkit.fluxcd.io", "keda.sh", "autoscaling", "v1"];

/** What the API server says of an object, with the fields that it does not know. */
const faultsOf = (object: Record<string, unknown>): string[] => {
  const definition = JSON.parse(JSON.stringify(CRDS[CUSTOM[String(object.kind)] ?? "hsmsecrets.yaml"]));
  const schema = definition.spec.versions[0].schema.openAPIV3Schema;
  const faults = [
    ...schemaFaults(object as never, schema, ""),
    ...ruleFaults(schema, object as never, undefined),
  ];
  return [
    ...faults.map((fault) => JSON.stringify(fault)),
    ...unknownFields(schema.properties.spec, object.spec, "spec"),
  ];
};

type Structural = {
  properties?: Record<string, Structural>;
  additionalProperties?: Structural | boolean;
  items?: Structural;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
};

const unknownFields = (schema: Structural, value: unknown, path: string): string[] => {
  if (Array.isArray(value)) {
    return value.flatMap((item) => unknownFields(schema.items ?? {}, item, `${path}[]`));
  }
  if (typeof value !== "object" || value === null || schema["x-kubernetes-preserve-unknown-fields"]) {
    return [];
  }
  const { properties = {}, additionalProperties } = schema;
  return Object.entries(value).flatMap(([name, inner]) => {
    const below =
      properties[name] ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
    return below === undefined
      ? [`unknown field ${path}.${name}`]
      : unknownFields(below, inner, `${path}.${name}`);
  });
};

/** What the guide's cluster/kustomization.yaml renders, beside this repository. */
const builtFrom = (block: string): Manifest[] => {
  const folder = t.testdir({});
  symlinkSync(root, join(folder, "keyswitch"));
  mkdirSync(join(folder, "cluster"));
  writeFileSync(join(folder, "cluster/kustomization.yaml"), block);
  for (const [, file = ""] of block.matchAll(/^ +envs: \[([\w.-]+)\]$/gm)) {
    writeFileSync(join(folder, "cluster", file), "");
  }
  return rendered(join(folder, "cluster"));
};

t.test("there are these guides, and README.md names them", async (t) => {
  t.same(
    files.map((file) => basename(file, ".md")),
    [
      "another-module",
      "autoscalers",
      "from-hsm-secrets-operator",
      "from-openclaw-k8s-toggle-operator",
      "gitops",
      "mirrored-hsms",
      "talos",
    ],
  );
  for (const file of files) t.ok(read("README.md").includes(`(${file})`), file);
});

for (const file of files) {
  const text = read(file);

  t.test(`${file}: its objects are those that the API server takes`, async (t) => {
    for (const block of blocks(text, "yaml")) {
      const object = parse(block);
      if (object.kind in CUSTOM) {
        t.match(object.apiVersion, /^(hsm|toggle)\.j5t\.io\/v1alpha1$/);
        t.same(faultsOf(object), [], block);
      } else if (OTHERS.includes(String(object.apiVersion).split("/")[0] ?? "")) {
        t.ok(object.kind);
      } else if (object.kind === "Kustomization") {
        const images = workloadsOf(builtFrom(block))
          .flatMap(containersOf)
          .map(({ image }) => image);
        t.ok(
          images.every((image) => image.startsWith("registry.example.com/keyswitch")),
          images.join(" "),
        );
      } else {
        t.same(Object.keys(object), ["components"], "a part of a kustomization");
        for (const component of object.components) {
          t.ok(existsSync(join(root, String(component).replace("../keyswitch/", ""))), component);
        }
      }
    }
  });

  t.test(`${file}: its commands have these words and options`, async (t) => {
    const commands = blocks(text, "sh").join("\n").replaceAll("\\\n", " ");
    for (const [line] of commands.matchAll(/kubectl hsm [^\n#|]*/g)) {
      const words = line.trim().split(/\s+/).slice(2);
      const command = COMMANDS.find(({ name }) => words.slice(0, name.split(" ").length).join(" ") === name);
      t.ok(command !== undefined, line);
      const known = { ...GLOBAL_OPTIONS, ...command?.options } as Record<string, { short?: string }>;
      for (const option of words.filter((word) => word.startsWith("-"))) {
        const isKnown = Object.entries(known).some(
          ([name, { short }]) => option === `--${name}` || option === `-${short}`,
        );
        t.ok(isKnown, `${line}: ${option}`);
      }
    }
  });
}

t.test("mirrored HSMs: one call of credentials.sh makes the Secrets of the table", async (t) => {
  const text = guide("mirrored-hsms");
  const [, options = ""] = /credentials\.sh --apply (--only tls.*)/.exec(text) ?? [];
  const pin = join(t.testdir({ pin: "123456\n" }), "pin");
  const made = credentials([...options.split(" "), "--pin-file", pin]);
  t.equal(made.code, 0, made.stderr);
  const names = [...secretsIn(made.stdout).keys()];
  const told = [...text.matchAll(/^\| (`keyswitch-.*?) \|/gm)].flatMap(
    ([, cell = ""]) => cell.match(/keyswitch-[\w-]+/g) ?? [],
  );
  t.same([...names].sort(), [...told, "keyswitch-hook-token", "keyswitch-webhook-tls"].sort());
});

t.test(
  "mirrored HSMs: AGENTS names the Service of the HSMDevice, for which the certificate is made",
  async (t) => {
    const text = guide("mirrored-hsms");
    const [block = ""] = blocks(text, "yaml").filter((one) => one.includes("kind: Kustomization"));
    const webhook = workloadsOf(builtFrom(block)).find(
      ({ metadata }) => metadata.name === "keyswitch-webhook",
    );
    const value =
      webhook?.spec.template.spec.containers[0]?.env?.find(({ name }) => name === "AGENTS")?.value ?? "";
    t.same(parseAgents(value), {
      endpoints: [{ name: "pico", origin: "https://hsm-pico.keyswitch.svc:8444", isSet: true }],
      faults: [],
    });
    t.match(text, "--san agent=hsm-pico.keyswitch.svc");
  },
);

t.test("mirrored HSMs: times and columns are those of the code", async (t) => {
  const text = guide("mirrored-hsms");
  t.match(text, `takes over after ${FAILOVER_SECONDS} seconds`);
  t.match(text, `| ${FAILOVER_SECONDS} seconds after \`unreachableSince\` |`);
  const definition = JSON.parse(JSON.stringify(CRDS["hsmdevice/hsmdevices.yaml"]));
  const columns = definition.spec.versions[0].additionalPrinterColumns.filter(
    ({ priority = 0 }: { priority?: number }) => priority === 0,
  );
  t.same(/^NAME .*$/m.exec(text)?.[0].split(/ +/), [
    "NAME",
    ...columns.map(({ name }: { name: string }) => name.toUpperCase()),
  ]);
});

t.test("another module: what an image can set, because the agents of HSMDevices do not", async (t) => {
  const world = new World({ a: [pico("A")] }).run(10);
  const agent = JSON.stringify(world.children.find(({ kind }) => kind === "Deployment"));
  for (const name of [
    "PKCS11_MAX_OBJECTS",
    "PKCS11_MAX_OBJECT_BYTES",
    "PKCS11_PUBLIC_OBJECTS",
    "STORAGE_LAYOUT",
  ]) {
    t.ok(Object.hasOwn(AGENT_VARIABLES, name) && !agent.includes(name), name);
  }
  t.match(agent, '{"name":"PKCS11_CACHE","value":"auto"}');
});

t.test("these checks find a field that is unknown, and one that is refused", async (t) => {
  const [block = ""] = blocks(guide("mirrored-hsms"), "yaml").filter((one) =>
    one.includes("kind: HSMDevice"),
  );
  const object = parse(block);
  t.same(faultsOf({ ...object, spec: { ...object.spec, mirror: {} } }), ["unknown field spec.mirror"]);
  t.match(faultsOf({ ...object, spec: { ...object.spec, deviceType: "Pico" } }).join(), /deviceType/);
});
