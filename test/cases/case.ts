// SPDX-License-Identifier: Apache-2.0
// Defines a case: one promise of Keyswitch on a cluster, tried with kubectl and the token. It runs on the local control plane
// in `npm test`, and on a real API server and Metacontroller in `npm run test:cluster`.
import type { Scene } from "./scene.ts";

export type Case = {
  /** A plain sentence that says what is promised. */
  readonly title: string;
  /** It stops, restarts or reconfigures what the others use: it runs by itself, after them. */
  readonly alone?: true;
  /** It restarts the API server, which a cluster that is there does not let it. */
  readonly restartsApi?: true;
  /** What it needs of a real cluster that scripts/control-plane leaves out on purpose, as its README.md says. */
  readonly needs?: string;
  /** Throws where the promise is not kept. Everything that it makes lies in the namespace of its own scene. */
  readonly run: (scene: Scene) => Promise<void>;
};
