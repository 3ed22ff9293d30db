// SPDX-License-Identifier: Apache-2.0
// Describes the token to callers, from the view of the serving child.
import type { Layout } from "../../../agent-api/schema.ts";
import type { TokenLimits } from "../../storage/write-plan.ts";
import type { InfoResult } from "../../store.ts";
import type { TokenView } from "../answers.ts";

export type TokenInfo = {
  module: string;
  view: TokenView;
  /** How long ago the view was loaded. */
  viewAgeMs: number;
  /** What the next write has to keep to. */
  limits: TokenLimits;
  layout: Layout;
  writable: boolean;
};

export const infoOf = ({ module, view, viewAgeMs, limits, layout, writable }: TokenInfo): InfoResult => {
  const { unsettled: _, shown: __, problems: ___, ...told } = view;
  const { objects, maxObjectBytes } = limits;
  return {
    kind: "info",
    module,
    viewAgeMs: Math.round(viewAgeMs),
    ...told,
    objectLimit: objects?.limit ?? null,
    objectLimitSource: objects?.source ?? null,
    maxObjectBytes,
    layout,
    writable,
  };
};
