// SPDX-License-Identifier: Apache-2.0
// Builds a recorded sync request of an HSMSecret with writeBack, after somebody has edited its Secret.
import type { RecordedBody } from "./recorded-request.ts";

type Post = (hook: string, body: object) => Promise<{ json(): RecordedBody }>;

/** `recorded` once the Secret is there as the hook made it, and somebody has edited it to hold `data`. */
export const editedBody = async (recorded: RecordedBody, post: Post, data: Record<string, string>) => {
  const body = structuredClone(recorded);
  const { namespace, name, uid } = body.parent.metadata;
  body.parent.spec = { ...body.parent.spec, writeBack: "OnChange" };
  const [child] = (await post("sync", body)).json().children;
  const owner = { apiVersion: body.parent.apiVersion, kind: "HSMSecret", name, uid, controller: true };
  child.metadata = { ...child.metadata, uid: "s", resourceVersion: "7", ownerReferences: [owner] };
  child.data = data;
  body.children = { "Secret.v1": { [`${namespace}/${child.metadata.name}`]: child } };
  body.related = structuredClone(body.children);
  return body;
};
