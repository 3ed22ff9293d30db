// SPDX-License-Identifier: Apache-2.0
// Tests docs/guides/gitops.md: Argo CD's health check in Lua and Flux's in CEL on statuses of our hooks, and the fields that are ignored.
import { execFileSync } from "node:child_process";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Environment } from "@marcbachmann/cel-js";
import { Type } from "@sinclair/typebox";
import t from "tap";
import { parse } from "yaml";
import { ToggleSpec } from "../../hooks/toggle/schema.ts";
import { STATES, type State } from "./object-states.ts";
import { as, pick, rendered, root } from "./rendered.ts";

const guide = readFileSync(join(root, "docs/guides/gitops.md"), "utf8");
const objects = [...guide.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, block = ""]) => parse(block));
const objectOf = (apiVersion: string) => objects.find((object) => object.apiVersion === apiVersion);
const lua = readFileSync(join(root, "manifests/examples/argo-cd/health.lua"), "utf8");

/** A value as Lua writes it; what is null or undefined is left out, as Argo CD hands it over. */
const luaValue = (value: unknown): string => {
  if (Array.isArray(value)) return `{${value.map(luaValue).join(", ")}}`;
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).filter(([, inner]) => inner !== undefined && inner !== null);
    return `{${fields.map(([key, inner]) => `[${luaValue(key)}] = ${luaValue(inner)}`).join(", ")}}`;
  }
  if (typeof value !== "string") return String(value);
  const escaped = [...Buffer.from(value)].map((byte) => `\\${String(byte).padStart(3, "0")}`).join("");
  return `"${escaped}"`;
};

/** Runs the check as Argo CD does: Lua 5.1 with `obj` and the basic functions, and without io, os and string. */
const healthOf = (script: string, states: readonly State[]): { status: string; message: string }[] => {
  const driver = states
    .map(({ object }) => `check(${luaValue(object)})`)
    .join("\n")
    .replace(/^/, `local script = ${luaValue(script)}\n${DRIVER}\n`);
  const output = execFileSync("lua5.1", ["-"], { input: driver, encoding: "utf8" });
  return output
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [status = "", message = ""] = line.split("\t");
      return { status, message };
    });
};

const DRIVER = `
local function check(object)
  local chunk = assert(loadstring(script))
  setfenv(chunk, { obj = object, ipairs = ipairs, pairs = pairs, type = type, tostring = tostring, table = table })
  local health = chunk()
  print(health.status .. "\\t" .. (string.gsub(health.message, "%s", " ")))
end`;

const HEALTH = { Current: "Healthy", InProgress: "Progressing", Failed: "Degraded" } as const;

t.test("Argo CD's health check tells what kstatus tells, with the words of the status", async (t) => {
  const found = healthOf(lua, STATES);
  t.equal(found.length, STATES.length);
  for (const [index, { name, means, object }] of STATES.entries()) {
    t.equal(found[index]?.status, HEALTH[means], name);
    const said = found[index]?.message ?? "";
    t.ok(JSON.stringify(object.status ?? "").includes(said) || said.startsWith("Keyswitch "), said);
  }
});

t.test("this test finds a check that does not look at the generation", async (t) => {
  const broken = lua.replace("status.observedGeneration ~= nil", "false");
  t.not(broken, lua);
  const wrong = healthOf(broken, STATES).filter(({ status }, index) => {
    const { means } = STATES[index] ?? {};
    return means !== undefined && status !== HEALTH[means];
  });
  t.equal(wrong.length, 1);
});

t.test("the component puts the check into argocd-cm for each kind, beside what is there", async (t) => {
  const settings = JSON.stringify({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "argocd-cm" },
    data: { url: "https://argocd.example.org" },
  });
  const folder = t.testdir({ "argocd-cm.yaml": settings });
  symlinkSync(root, join(folder, "keyswitch"));
  writeFileSync(
    join(folder, "kustomization.yaml"),
    "namespace: argocd\nresources: [argocd-cm.yaml]\ncomponents: [keyswitch/manifests/examples/argo-cd]\n",
  );
  const ConfigMap = Type.Object({ data: Type.Record(Type.String(), Type.String()) });
  const { data } = as(ConfigMap, pick(rendered(folder), "ConfigMap", "argocd-cm"));
  const kinds = ["hsm.j5t.io_HSMDevice", "hsm.j5t.io_HSMSecret", "toggle.j5t.io_Toggle"];
  const checks = kinds.map((kind) => [`resource.customizations.health.${kind}`, lua] as const);
  t.same(data, { url: "https://argocd.example.org", ...Object.fromEntries(checks) });
});

const flux = objectOf("kustomize.toolkit.fluxcd.io/v1").spec;

/** What Flux makes of its expressions: another generation than was seen, then failed, then current; a fault waits. */
const fluxStatus = (object: Record<string, unknown>): State["means"] => {
  const { metadata, status, kind } = JSON.parse(JSON.stringify(object));
  if (status !== undefined && status.observedGeneration !== metadata.generation) return "InProgress";
  const env = new Environment().registerVariable("status", "dyn").registerVariable("metadata", "dyn");
  const checks = flux.healthCheckExprs.find((one: { kind: string }) => one.kind === kind);
  const holds = (expression: string): boolean => {
    if (status === undefined) return false;
    return env.evaluate(expression, { status, metadata }) === true;
  };
  if (holds(checks.failed)) return "Failed";
  return holds(checks.current) ? "Current" : "InProgress";
};

t.test("Flux's expressions tell the same", async (t) => {
  for (const { name, means, object } of STATES) t.equal(fluxStatus(object), means, name);
});

t.test("both leave alone what a switch writes, and no other field of a Toggle", async (t) => {
  const policy = readFileSync(join(root, "manifests/bot/admission-policy.yaml"), "utf8");
  const [, list = "[]"] = /name: fields\n +expression: '(\[.*\])'/.exec(policy) ?? [];
  const fields: string[] = JSON.parse(list).filter((field: string) => field !== "replicas");
  t.ok(fields.length > 5 && fields.every((field) => Object.hasOwn(ToggleSpec.properties, field)));
  const pointers = fields.map((field) => `/spec/${field}`).sort();
  const argo = objectOf("argoproj.io/v1alpha1").spec;
  const paths = (kind: string) => [
    argo.ignoreDifferences.find((one: { kind: string }) => one.kind === kind).jsonPointers.sort(),
    flux.ignore.find(({ target }: { target: { kind: string } }) => target.kind === kind).paths.sort(),
  ];
  t.same(paths("Toggle"), [pointers, pointers], "each list of the guide has the fields of the bot's policy");
  t.same(paths("Deployment"), [["/spec/replicas"], ["/spec/replicas"]]);
  t.ok(argo.syncPolicy.syncOptions.includes("RespectIgnoreDifferences=true"));
  const [, told = ""] = /Leave (.*?) out of a Toggle in Git/s.exec(guide) ?? [];
  t.same(told.match(/\w+(?=`)/g)?.sort(), [...fields].sort());
});
