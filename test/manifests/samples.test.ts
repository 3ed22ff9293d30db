// SPDX-License-Identifier: Apache-2.0
// Tests that the samples are valid against the CRD, have no unknown field, and are readable under the path policy.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Static, Type } from "@sinclair/typebox";
import { Ajv } from "ajv";
import t from "tap";
import { parse } from "yaml";
import { mayRead } from "../../hooks/path-policy.ts";
import { loadPathPolicy } from "../../server/webhook/path-policy.ts";
import { as, type Manifest, manifestsIn, root } from "./rendered.ts";

const folder = join(root, "manifests/samples");
const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));
const samples = new Map(files.map((file) => [file, manifestsIn(readFileSync(join(folder, file), "utf8"))]));

const Structural = Type.Recursive((self) =>
  Type.Object({
    type: Type.Optional(Type.String()),
    properties: Type.Optional(Type.Record(Type.String(), self)),
    additionalProperties: Type.Optional(Type.Union([self, Type.Boolean()])),
    items: Type.Optional(self),
  }),
);
type Structural = Static<typeof Structural>;

const Definition = Type.Object({
  spec: Type.Object({
    versions: Type.Tuple([
      Type.Object({ name: Type.Literal("v1alpha1"), schema: Type.Object({ openAPIV3Schema: Structural }) }),
    ]),
  }),
});
/** The schema of the CRD in `file`, and a check of whole objects against it. */
const definitionOf = (file: string) => {
  const definition: unknown = parse(readFileSync(join(root, "manifests/crds", file), "utf8"));
  const schema = as(Definition, definition).spec.versions[0].schema.openAPIV3Schema;
  const validate = new Ajv({
    strict: false,
    allErrors: true,
    formats: { int32: true, int64: true, "date-time": true },
  }).compile(schema);
  return { schema, validate };
};
const { schema, validate } = definitionOf("hsmsecrets.yaml");
const toggles = definitionOf("toggles.yaml");
const devices = definitionOf("hsmdevice/hsmdevices.yaml");
/** Kinds beside HSMSecrets. */
const others = [
  { kind: "Toggle", apiVersion: "toggle.j5t.io/v1alpha1", definition: toggles },
  { kind: "HSMDevice", apiVersion: "hsm.j5t.io/v1alpha1", definition: devices },
];

/** The fields of `value` that `schema` does not have; the API server would drop or refuse them. */
const unknownFields = (schema: Structural | undefined, value: unknown, path: string): string[] => {
  if (schema === undefined) return [path];
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => unknownFields(schema.items, item, `${path}[${index}]`));
  }
  if (typeof value !== "object" || value === null) return [];
  const { properties, additionalProperties } = schema;
  return Object.entries(value).flatMap(([name, inner]) => {
    const below =
      properties?.[name] ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
    return unknownFields(below, inner, `${path}.${name}`);
  });
};

const Spec = Type.Object({ spec: Type.Object({ hsmPath: Type.Optional(Type.String()) }) });
const AnySpec = Type.Object({ spec: Type.Unknown() });
const PolicyData = Type.Object({ data: Type.Object({ "path-policy.json": Type.String() }) });
const hsmSecrets = (manifests: readonly Manifest[]) => manifests.filter(({ kind }) => kind === "HSMSecret");

t.test("there is a sample for each use", async (t) => {
  t.same(files.sort(), [
    "hsm-device-mirrored.yaml",
    "hsm-device.yaml",
    "mapping-and-template.yaml",
    "on-missing-delete.yaml",
    "shared-path.yaml",
    "simple.yaml",
    "tls.yaml",
    "toggle-autoscaler.yaml",
    "toggle-in-chat.yaml",
    "toggle-keda.yaml",
    "toggle-schedule.yaml",
    "toggle.yaml",
    "write-back.yaml",
  ]);
});

for (const [file, manifests] of samples) {
  t.test(file, async (t) => {
    for (const { kind, apiVersion, definition } of others) {
      for (const sample of manifests.filter((one) => one.kind === kind)) {
        t.equal(sample.apiVersion, apiVersion);
        t.ok(definition.validate(sample), JSON.stringify(definition.validate.errors));
        t.same(unknownFields(definition.schema, { spec: as(AnySpec, sample).spec }, ""), []);
      }
    }
    t.ok(
      manifests.some(({ kind }) => kind === "HSMSecret" || others.some((one) => one.kind === kind)),
      "it has an HSMSecret, a Toggle or an HSMDevice",
    );
    const configMap = manifests.find(({ kind }) => kind === "ConfigMap");
    const text = configMap === undefined ? "[]" : as(PolicyData, configMap).data["path-policy.json"];
    const policy = loadPathPolicy(Buffer.from(text));
    t.ok(policy.ok, "its path policy is one");
    for (const sample of hsmSecrets(manifests)) {
      const { name, namespace = "" } = sample.metadata;
      t.equal(sample.apiVersion, "hsm.j5t.io/v1alpha1");
      t.equal(namespace, "demo");
      t.ok(validate(sample), JSON.stringify(validate.errors));
      t.same(unknownFields(schema.properties?.spec, as(Spec, sample).spec, "spec"), []);
      const path = as(Spec, sample).spec.hsmPath ?? `secrets/${namespace}/${name}`;
      t.ok(policy.ok && mayRead(policy.value, namespace, path), `${path} may be read`);
    }
  });
}

t.test(
  "these checks find a field that is wrong, one that is unknown, and a path that is forbidden",
  async (t) => {
    const [sample] = samples.get("simple.yaml") ?? [];
    t.notOk(validate({ ...sample, spec: { syncInterval: 4 } }));
    t.same(
      unknownFields(schema.properties?.spec, { hsmpath: "x", data: [{ hsmKey: "a", from: "b" }] }, "spec"),
      ["spec.hsmpath", "spec.data[0].from"],
    );
    t.notOk(mayRead([], "demo", "secrets/shared/smtp"));
  },
);
