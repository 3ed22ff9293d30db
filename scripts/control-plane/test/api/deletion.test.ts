// SPDX-License-Identifier: Apache-2.0
// Tests deletions: finalizers, propagation policies, namespaces, CustomResourceDefinitions.
import t from "tap";
import { isObject, type Json, type JsonObject, listOrEmpty, valueAt } from "../../api/json.ts";
import { deployment, deployments, gadget, gadgets } from "./gadget-definition.ts";
import { type RunningServer, runServer } from "./running-server.ts";

const secrets = "/api/v1/namespaces/demo/secrets";

const owned = async (
  server: RunningServer,
  parent: string,
  child: string,
  more: JsonObject = {},
): Promise<void> => {
  const { body } = await server.call("POST", gadgets, gadget(parent));
  const owner = {
    apiVersion: "example.org/v1",
    kind: "Gadget",
    name: parent,
    uid: valueAt(body, ["metadata", "uid"]) ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
  await server.call("POST", secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: child, ownerReferences: [owner], ...more },
  });
};

const isGone = ({ code }: { code: number }) => code === 404;
const metadata = (value: Json | undefined) => {
  const found = isObject(value) ? value.metadata : undefined;
  return isObject(found) ? found : {};
};

t.test("the background policy deletes dependents after their owner", async (t) => {
  const server = await runServer(t);
  await owned(server, "parent", "child");
  const ran = await server.kubectl("delete gadget parent -n demo --cascade=background");
  t.match(ran, { code: 0, stdout: /gadget.example.org "parent" deleted/ });
  await server.until(`${secrets}/child`, isGone);
});

t.test("the orphan policy keeps dependents and drops their reference", async (t) => {
  const server = await runServer(t);
  await owned(server, "parent", "child");
  t.equal((await server.kubectl("delete gadget parent -n demo --cascade=orphan")).code, 0);
  t.equal((await server.call("GET", `${gadgets}/parent`)).code, 404);
  const child = await server.read(`${secrets}/child`);
  t.equal(metadata(child).ownerReferences, undefined);
});

t.test("the foreground policy keeps the owner until its dependents are gone", async (t) => {
  const server = await runServer(t);
  await owned(server, "parent", "child", { finalizers: ["example.org/hold"] });
  const marked = await server.call("DELETE", `${gadgets}/parent`, { propagationPolicy: "Foreground" });
  t.match(metadata(marked.body), {
    finalizers: ["foregroundDeletion"],
    deletionGracePeriodSeconds: 0,
    generation: 2,
  });
  await server.until(`${secrets}/child`, ({ body }) => metadata(body).deletionTimestamp !== undefined);
  t.equal((await server.call("GET", `${gadgets}/parent`)).code, 200, "still there");
  const free = { metadata: { finalizers: null } };
  await server.call("PATCH", `${secrets}/child`, free, "application/merge-patch+json");
  await server.until(`${gadgets}/parent`, isGone);
});

t.test("a finalizer holds an object, and a second delete can ask to orphan", async (t) => {
  const server = await runServer(t);
  await owned(server, "parent", "child");
  const hold = { metadata: { finalizers: ["example.org/hold"] } };
  await server.call("PATCH", `${gadgets}/parent`, hold, "application/merge-patch+json");
  const first = await server.call("DELETE", `${gadgets}/parent`, { propagationPolicy: "Background" });
  t.match(metadata(first.body), {
    finalizers: ["example.org/hold"],
    generation: 2,
    deletionGracePeriodSeconds: 0,
  });
  const second = await server.call("DELETE", `${gadgets}/parent`, { propagationPolicy: "Orphan" });
  t.match(metadata(second.body), { finalizers: ["example.org/hold", "orphan"], generation: 2 });
  t.equal(metadata(second.body).deletionTimestamp, metadata(first.body).deletionTimestamp);
  await server.until(`${gadgets}/parent`, ({ body }) => !JSON.stringify(body).includes('"orphan"'));
  t.equal(metadata(await server.read(`${secrets}/child`)).ownerReferences, undefined);
  const added = { metadata: { finalizers: ["example.org/hold", "example.org/late"] } };
  const refused = await server.call("PATCH", `${gadgets}/parent`, added, "application/merge-patch+json");
  t.match(refused.body, {
    code: 422,
    message: /no new finalizers can be added if the object is being deleted/,
  });
  await server.call(
    "PATCH",
    `${gadgets}/parent`,
    { metadata: { finalizers: [] } },
    "application/merge-patch+json",
  );
  t.equal((await server.call("GET", `${gadgets}/parent`)).code, 404);
  t.equal((await server.call("GET", `${secrets}/child`)).code, 200, "the orphan stays");
});

t.test("an object whose owner never was is collected; one with a second owner is kept", async (t) => {
  const server = await runServer(t);
  const absent = { apiVersion: "example.org/v1", kind: "Gadget", name: "ghost", uid: "0-0" };
  const secret = (name: string, owners: JsonObject[]): JsonObject => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, ownerReferences: owners },
  });
  const { body } = await server.call("POST", gadgets, gadget("solid"));
  const solid = { ...absent, name: "solid", uid: metadata(body).uid ?? "" };
  await server.call("POST", secrets, secret("kept", [absent, solid]));
  await server.call("POST", secrets, secret("collected", [absent]));
  await server.until(`${secrets}/collected`, isGone);
  const kept = await server.until(`${secrets}/kept`, ({ body: found }) => {
    return listOrEmpty(metadata(found).ownerReferences).length === 1;
  });
  t.match(metadata(kept.body).ownerReferences, [{ name: "solid" }]);
});

t.test("an owner of the same name that was made anew is another owner", async (t) => {
  const server = await runServer(t);
  await server.call("POST", gadgets, gadget("parent"));
  const former = { apiVersion: "example.org/v1", kind: "Gadget", name: "parent", uid: "the-former" };
  await server.call("POST", secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "left", ownerReferences: [former] },
  });
  await server.until(`${secrets}/left`, isGone);
  t.equal((await server.call("GET", `${gadgets}/parent`)).code, 200);
});

t.test("an owner's kind that is not served protects its dependents", async (t) => {
  const server = await runServer(t);
  const owner = { apiVersion: "nowhere.example/v1", kind: "Thing", name: "x", uid: "1" };
  await server.call("POST", secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "s", ownerReferences: [owner] },
  });
  await server.call("POST", secrets, { apiVersion: "v1", kind: "Secret", metadata: { name: "later" } });
  t.equal((await server.call("GET", `${secrets}/s`)).code, 200);
});

t.test("deleting a namespace deletes what is in it, and waits for finalizers", async (t) => {
  const server = await runServer(t);
  await server.call("POST", deployments, deployment("d"));
  await server.call("POST", gadgets, gadget("held", { colour: "red" }, { finalizers: ["example.org/hold"] }));
  const ran = await server.kubectl("delete namespace demo --wait=false");
  t.match(ran, { code: 0, stdout: /namespace "demo" deleted/ });
  await server.until(`${deployments}/d`, isGone);
  const namespace = await server.read("/api/v1/namespaces/demo");
  t.match(namespace, { status: { phase: "Terminating" } });
  const refused = await server.call("POST", gadgets, gadget("late"));
  t.match(refused.body, {
    code: 403,
    message:
      /"late" is forbidden: unable to create new content in namespace demo because it is being terminated/,
  });
  await server.call(
    "PATCH",
    `${gadgets}/held`,
    { metadata: { finalizers: null } },
    "application/merge-patch+json",
  );
  await server.until("/api/v1/namespaces/demo", isGone);
});

t.test("deleting a definition deletes its resources and stops serving them", async (t) => {
  const server = await runServer(t);
  await server.call("POST", gadgets, gadget("one"));
  const ran = await server.kubectl("delete crd gadgets.example.org");
  t.match(ran, { code: 0 });
  t.equal((await server.call("GET", gadgets)).code, 404);
});

t.test("preconditions and dry runs delete nothing", async (t) => {
  const server = await runServer(t);
  await server.call("POST", gadgets, gadget("one"));
  const byUid = await server.call("DELETE", `${gadgets}/one`, { preconditions: { uid: "other" } });
  t.match(byUid.body, { code: 409, message: /Precondition failed: UID in precondition: other/ });
  const byVersion = await server.call("DELETE", `${gadgets}/one`, {
    preconditions: { resourceVersion: "1" },
  });
  t.match(byVersion.body, { code: 409, message: /Precondition failed: ResourceVersion/ });
  t.equal((await server.call("DELETE", `${gadgets}/one?dryRun=All`)).code, 200);
  t.match((await server.call("DELETE", `${gadgets}/one`, { propagationPolicy: "Sideways" })).body, {
    code: 400,
  });
  t.equal((await server.call("GET", `${gadgets}/one`)).code, 200);
  const done = await server.call("DELETE", `${gadgets}/one`);
  t.match(done.body, { status: "Success", details: { name: "one", group: "example.org", kind: "gadgets" } });
});

t.test("a collection is deleted by selector", async (t) => {
  const server = await runServer(t);
  await server.call("POST", gadgets, gadget("a", { colour: "red" }, { labels: { go: "yes" } }));
  await server.call("POST", gadgets, gadget("b"));
  await server.call("DELETE", `${gadgets}?labelSelector=go%3Dyes`);
  t.match(await server.read(gadgets), { items: [{ metadata: { name: "b" } }] });
});
