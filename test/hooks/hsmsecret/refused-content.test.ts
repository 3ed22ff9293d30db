// SPDX-License-Identifier: Apache-2.0
// Tests content that the API server would reject: the type's keys and their form, the template, and a Secret that is being
// deleted. No value is ever in a message.
import t from "tap";
import { finalize, sync } from "./hooks.ts";
import { context, found, request, secret } from "./request.ts";
import { checkRows, inSync, other, type Row, token } from "./sync-rows.ts";

const docker = "kubernetes.io/dockerconfigjson";
const taken: Row["expect"] = { reason: "Applying", syncStatus: "Pending", ready: "False", children: ["app"] };
const refused: Row["expect"] = { reason: "InvalidKey", syncStatus: "Error", ready: "False", children: [] };

checkRows([
  {
    name: "a .dockerconfigjson that is no JSON is refused by its key",
    given: { spec: { secretType: docker } },
    reading: found({ ".dockerconfigjson": "hunter2{" }),
    expect: { ...refused, error: /The key \.dockerconfigjson .*is not a JSON object/ },
  },
  {
    name: "a .dockerconfigjson that is a list is refused",
    given: { spec: { secretType: docker } },
    reading: found({ ".dockerconfigjson": "[]" }),
    expect: { ...refused, error: /is not a JSON object/ },
  },
  {
    name: "a .dockerconfigjson that is an object is taken",
    given: { spec: { secretType: docker } },
    reading: found({ ".dockerconfigjson": '{"auths":{}}' }),
    expect: taken,
  },
  {
    name: "a .dockerconfigjson that is null is taken, as the API server takes it",
    given: { spec: { secretType: docker } },
    reading: found({ ".dockerconfigjson": "null" }),
    expect: taken,
  },
  {
    name: "a .dockercfg that is no JSON is refused by its key",
    given: { spec: { secretType: "kubernetes.io/dockercfg" } },
    reading: found({ ".dockercfg": "" }),
    expect: { ...refused, error: /The key \.dockercfg / },
  },
  {
    name: "an empty ssh-privatekey is refused",
    given: { spec: { secretType: "kubernetes.io/ssh-auth" } },
    reading: found({ "ssh-privatekey": "" }),
    expect: { ...refused, error: /ssh-privatekey .*is empty/ },
  },
  {
    name: "empty values of the other types are taken, as the API server takes them",
    given: { spec: { secretType: "kubernetes.io/tls" } },
    reading: found({ "tls.crt": "", "tls.key": "" }),
    expect: taken,
  },
  {
    name: "a service account token without its annotation is refused",
    given: { spec: { secretType: "kubernetes.io/service-account-token" } },
    reading: found({ token: "x" }),
    expect: { ...refused, error: /needs the annotation kubernetes.io\/service-account.name/ },
  },
  {
    name: "a Secret that is being deleted and held is told with the finalizer that holds it",
    given: {
      owned: [secret(token, { deletionTimestamp: context.now, finalizers: ["example.com/hold", "orphan"] })],
      status: inSync(),
    },
    reading: found(other),
    expect: {
      reason: "Conflict",
      syncStatus: "OutOfSync",
      ready: "False",
      children: ["app"],
      data: token,
      error: /being deleted and is held by the finalizer example.com\/hold\./,
    },
  },
  {
    name: "a Secret that the garbage collector is about to delete is waited for",
    given: {
      owned: [secret(token, { deletionTimestamp: context.now, finalizers: ["foregroundDeletion"] })],
    },
    reading: found(other),
    expect: { ...taken, data: other },
  },
  {
    name: "a template label whose prefix is no domain is refused",
    given: { spec: { template: { labels: { "a..b/c": "d" } } } },
    expect: {
      reason: "InvalidKey",
      syncStatus: "Error",
      ready: "False",
      children: [],
      error: /template.labels: "a\.\.b\/c"/,
    },
  },
  {
    name: "a template label whose value is too long is refused, and the Secret is listed without it",
    given: { spec: { template: { labels: { a: "v".repeat(64) } } }, owned: [secret(token)] },
    expect: {
      reason: "InvalidKey",
      syncStatus: "Error",
      ready: "False",
      children: ["app"],
      data: token,
      error: /the value of "a" is none that a label can have/,
    },
  },
  {
    name: "an annotation may have capitals in its prefix, as Kubernetes takes it",
    given: { spec: { template: { annotations: { "Example.COM/c": "any thing" } } } },
    reading: found(token),
    expect: { reason: "Applying", syncStatus: "Pending", ready: "False", children: ["app"], data: token },
  },
  {
    name: "annotations that are too long together are refused with their length",
    given: {
      spec: {
        template: {
          annotations: Object.fromEntries([..."abcdefghijklmnop"].map((key) => [key, "x".repeat(16_384)])),
        },
      },
    },
    expect: {
      reason: "InvalidKey",
      syncStatus: "Error",
      ready: "False",
      children: [],
      error: /template.annotations: they have 262160 bytes together, and 245760 can be given/,
    },
  },
]);

t.test("no value is in the status or the event", async (t) => {
  const { response, events } = sync(
    request({ spec: { secretType: docker } }),
    context,
    found({ ".dockerconfigjson": "hunter2{" }),
  );
  t.notMatch(JSON.stringify([response, events]), /hunter2|aHVudGVy/);
});

t.test("an HSMSecret whose path no token can hold does not wait for its data to be removed", async (t) => {
  const given = request({
    metadata: { name: "n".repeat(253), deletionTimestamp: context.now },
    spec: { deletionPolicy: "Delete" },
    finalizing: true,
  });
  t.match(finalize(given, context).response, { finalized: true, children: [] });
});
