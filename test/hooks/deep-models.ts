// SPDX-License-Identifier: Apache-2.0
// Chooses the depth of a model check: every further step takes several times as long.

/** `usual` steps, or `deep` with KEYSWITCH_DEEP_MODELS=1. */
export const depthOf = (usual: number, deep: number): number =>
  process.env.KEYSWITCH_DEEP_MODELS === "1" ? deep : usual;
