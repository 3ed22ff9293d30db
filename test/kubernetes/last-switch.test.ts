// SPDX-License-Identifier: Apache-2.0
// Tests who switched a Toggle last, by the API server's records of the bot's patches and of kubectl's.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import type { Toggle } from "../../hooks/toggle/schema.ts";
import { whoText } from "../../server/bot/state-text.ts";
import { toggleNamed } from "../bot/toggle-named.ts";
import { configOf, patchOf, startApi, toggle, watchToggles } from "./toggle-scene.ts";

t.test("chat's user is named for what chat switched, and a program for the rest", async (t) => {
  const api = await startApi(t);
  const { toggles, until } = watchToggles(t, configOf(api.url));
  await until(() => toggles.state().ok);
  const manifest = JSON.stringify(toggle("web", { enabled: true }));
  const on = (...args: string[]) => api.kubectl(...args, "-n", "demo");
  const patch = (spec: object) =>
    on("patch", "toggle", "web", "--type=merge", "-p", JSON.stringify({ spec }));
  const file = join(t.testdirName, "web.json");
  writeFileSync(file, manifest);
  const chat = (enabled: boolean, reason: string) => toggles.patch("web", patchOf(enabled, reason));
  const steps: [does: string, work: () => Promise<unknown>, says: string][] = [
    ["kubectl makes it", () => on("apply", "-f", file), ""],
    ["chat stops it", () => chat(false, "the sale"), " Switched by @ann:example.org, because the sale."],
    ["kubectl starts it", () => patch({ enabled: true }), " Switched with kubectl-patch."],
    ["chat stops it again", () => chat(false, "a sale"), " Switched by @ann:example.org, because a sale."],
    [
      "somebody labels it",
      () => on("label", "toggle", "web", "a=b"),
      " Switched by @ann:example.org, because a sale.",
    ],
    [
      "its status is written",
      () => api.setStatus("web", { phase: "Off" }),
      " Switched by @ann:example.org, because a sale.",
    ],
    [
      "its manifest is applied by force",
      () => on("apply", "--server-side", "--force-conflicts", "-f", file),
      " Switched with kubectl.",
    ],
    [
      "kubectl names somebody, with a reason",
      () => patch({ enabled: false, requestedBy: "@bob:example.org", reason: "the disk" }),
      " Switched with kubectl-patch, because the disk.",
    ],
    [
      "chat starts it",
      () => chat(true, "it is Monday"),
      " Switched by @ann:example.org, because it is Monday.",
    ],
    [
      "kubectl names somebody for that",
      () => patch({ requestedBy: "@bob:example.org" }),
      " Switched in chat, because it is Monday.",
    ],
  ];
  for (const [does, work, says] of steps) {
    await work();
    const got = await toggles.get("web");
    if (!got.ok) return t.fail(does);
    const version = got.toggle.metadata.resourceVersion;
    await until(() => toggles.find("web")?.metadata.resourceVersion === version);
    t.equal(whoText(got.toggle), says, does);
    t.same(toggles.find("web"), got.toggle, "the watch tells the same");
  }
});

const entry = (manager: string, second: number, ...fields: string[]) => ({
  manager,
  operation: "Update",
  apiVersion: "toggle.j5t.io/v1alpha1",
  time: `2026-11-22T08:00:0${second}Z`,
  fieldsType: "FieldsV1",
  fieldsV1: { "f:spec": Object.fromEntries(fields.map((field) => [`f:${field}`, {}])) },
});
const bot = (second: number, ...fields: string[]) =>
  entry("keyswitch-bot", second, ...fields, "requestedBy", "reason");

const rows: [sentence: string, managedFields: object[], who: RegExp][] = [
  [
    "it was on already, and chat gave it a time",
    [entry("kubectl-edit", 1, "enabled"), bot(2, "until")],
    /by @/,
  ],
  ["its time was changed since", [bot(1, "enabled"), entry("kubectl-edit", 2, "until")], /with kubectl-edit/],
  ["its replicas were changed since", [bot(1, "enabled"), entry("flux", 2, "replicas")], /with flux/],
  ["replicas were changed before", [bot(2, "enabled"), entry("flux", 1, "replicas")], /by @/],
  [
    "of two others the newer",
    [bot(1), entry("flux", 3, "enabled"), entry("old", 2, "replicas")],
    /with flux/,
  ],
  ["another took it in the same second", [bot(1), entry("flux", 1, "enabled")], /with flux/],
  ["chat took it in the same second", [bot(1, "enabled"), entry("flux", 1, "replicas")], /by @/],
  [
    "a status that has such fields",
    [bot(1, "enabled"), { ...entry("x", 2, "until"), subresource: "status" }],
    /by @/,
  ],
  ["no record", [], /^$/],
  ["a record of nothing", [{}], /^$/],
];
for (const [sentence, managedFields, who] of rows) {
  const web = toggleNamed("web", { requestedBy: "@ann:example.org" });
  const metadata = { ...web.metadata, managedFields } as Toggle["metadata"];
  t.match(whoText({ ...web, metadata }), who, sentence);
}
