// SPDX-License-Identifier: Apache-2.0
// Names the Kubernetes extended resource of a device: `hsm.j5t.io/<type>-<id>`, and no other device's.
import { hash } from "node:crypto";
import type { DiscoveredDevice } from "../discovery-api/schema.ts";

const DOMAIN = "hsm.j5t.io/";
/** Of what stands after the slash: k8s.io/apimachinery, validation.IsQualifiedName. The kubelet's API has it for ids of devices too. */
const MAX_NAME = 63;
const DIGEST_LENGTH = 20;
/** How a name with a digest ends: an id that looks like it gets one too, so that nobody takes another's name by a serial number. */
const WITH_DIGEST = new RegExp(`(^|-)[0-9a-f]{${DIGEST_LENGTH}}$`);

/**
 * The name of the resource without its domain, which is the device's id towards the kubelet as well. Where the device's own id
 * could not stay as it is, a digest of it tells it from others.
 */
const shortName = (type: string, id: string): string => {
  const prefix = `${type.toLowerCase()}-`;
  const readable = id.toLowerCase().replace(/[^a-z0-9.-]+/g, "-");
  const isWhole =
    readable === id && prefix.length + id.length <= MAX_NAME && /[a-z0-9]$/.test(id) && !WITH_DIGEST.test(id);
  if (isWhole) return `${prefix}${id}`;
  const room = MAX_NAME - prefix.length - DIGEST_LENGTH - 1;
  const kept = readable.slice(0, room).replace(/^[.-]+|[.-]+$/g, "");
  return `${prefix}${kept}${kept === "" ? "" : "-"}${hash("sha256", id).slice(0, DIGEST_LENGTH)}`;
};

/** The resource of a device; null for one that is no known kind of token, and for one whose id another device of the node has. */
export const resourceOf = ({
  type,
  id,
  fault,
}: Pick<DiscoveredDevice, "type" | "id" | "fault">): string | null =>
  type === null || fault !== null ? null : `${DOMAIN}${shortName(type, id)}`;

/** A resource's name as the device's id in the kubelet's API. */
export const deviceIdOf = (resource: string): string => resource.slice(DOMAIN.length);
