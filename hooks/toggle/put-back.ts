// SPDX-License-Identifier: Apache-2.0
// Reads and writes the annotation that counts how often the Deployment's replicas were put back. The status has the count too,
// but a sync right after often sees the previous status; the annotation is written together with the replicas.
import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { annotationOf } from "../metadata.ts";
import { type Deployment, PUT_BACK } from "./deployment.ts";
import { LastScaled } from "./schema.ts";

/** The most field managers that are kept. */
export const MAX_SCALERS = 3;

const Note = Type.Object({
  ...LastScaled.properties,
  /** Field managers that had scaled. */
  by: Type.Array(Type.String({ maxLength: 128 }), { maxItems: MAX_SCALERS }),
  /** uid and generation of the Toggle, and the count that was set again. */
  toggle: Type.String(),
  spec: Type.Integer(),
  replicas: Type.Integer(),
});
const note = TypeCompiler.Compile(Note);

/** The last put-back, and who had scaled before. */
export type PutBack = Static<typeof LastScaled> & { readonly by: readonly string[] };

/** Of which Toggle, in which generation, and of which count a put-back is. */
export interface PutBackOf {
  readonly uid: string;
  readonly generation: number;
  readonly replicas: number;
}

/** The put-back that `deployment` carries, if it is one of `of`. */
export const putBackOn = (deployment: Deployment, of: PutBackOf): PutBack | undefined => {
  const found = annotationOf(deployment, PUT_BACK, note);
  if (found === undefined) return undefined;
  const { toggle, spec, replicas, ...putBack } = found;
  const isOfThis = toggle === of.uid && spec === of.generation && replicas === of.replicas;
  // One that is ahead of the Deployment was copied from another.
  return isOfThis && putBack.generation <= (deployment.metadata.generation ?? 0) ? putBack : undefined;
};

/** The value of the annotation for `putBack`. */
export const putBackNote = ({ generation, putBacks, time, by }: PutBack, of: PutBackOf): string =>
  JSON.stringify({
    toggle: of.uid,
    spec: of.generation,
    replicas: of.replicas,
    generation,
    putBacks,
    time,
    by,
  });
