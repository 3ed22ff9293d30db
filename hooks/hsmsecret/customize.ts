// SPDX-License-Identifier: Apache-2.0
// Implements the customize hook: requests the Secret of the HSMSecret's name, whoever owns it, so that sync can refuse a
// foreign one.
import type { CustomizeResponse } from "../metacontroller.ts";
import { resolveSpec } from "./resolved-spec.ts";
import type { HSMSecret } from "./schema.ts";

/** The related objects of `parent`: the one Secret that it names. */
export const customize = (parent: HSMSecret): CustomizeResponse => ({
  relatedResources: [
    {
      apiVersion: "v1",
      resource: "secrets",
      namespace: parent.metadata.namespace,
      names: [resolveSpec(parent).secretName],
    },
  ],
});
