// SPDX-License-Identifier: Apache-2.0
// Implements the customize hook: requests the Deployment of the Toggle's name, whoever owns it, so that sync can refuse a
// foreign one.
import type { CustomizeResponse } from "../metacontroller.ts";
import type { Toggle } from "./schema.ts";

/**
 * The related objects of `parent`: the one Deployment that it names. While the Toggle is being deleted, all of its namespace:
 * Metacontroller then hides an owned Deployment whose labels were changed, and the garbage collector would delete it.
 */
export const customize = ({ metadata, spec }: Toggle): CustomizeResponse => ({
  relatedResources: [
    {
      apiVersion: "apps/v1",
      resource: "deployments",
      namespace: metadata.namespace,
      ...(metadata.deletionTimestamp === undefined && { names: [spec.deploymentName ?? metadata.name] }),
    },
  ],
});
