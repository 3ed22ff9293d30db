// SPDX-License-Identifier: Apache-2.0
// Builds the Secret that the response lists, in a form that has Metacontroller overwrite one that was edited.
import type { ChecksummedData } from "../checksum.ts";
import { ownProperty, sorted } from "../formats.ts";
import type { Secret, StringMap } from "../kubernetes.ts";
import { controllerOf, MANAGED_BY, ownsField, ownsReference } from "../metadata.ts";
import type { Assessment } from "./assessment.ts";
import { APPLIED } from "./belief.ts";
import { BASE, baseText, type OwnedSecret, placeholderFor, REPLACED } from "./observed.ts";
import { allowed, type ResolvedSpec } from "./resolved-spec.ts";

/** The annotation that dynamic apply leaves on a child: it holds the whole child, a Secret's data included. */
const LAST_APPLIED = "metacontroller.k8s.io/last-applied-configuration";

/** What to say of those of `secrets` whose data stand in that annotation; undefined where none do. */
export const lastAppliedLeakText = (secrets: readonly Secret[]): string | undefined => {
  const names = secrets
    .filter(({ metadata }) => metadata.annotations?.[LAST_APPLIED] !== undefined)
    .map(({ metadata }) => metadata.name);
  return names.length === 0
    ? undefined
    : `Metacontroller wrote the data of ${names.join(", ")} into the annotation ${LAST_APPLIED}, where kubectl describe shows it. Start Metacontroller with --apply-strategy=server-side-apply, then remove the annotation.`;
};

/** The child of the answer: only what we own of the Secret, so that server-side apply leaves the rest alone. */
export interface SecretChild extends Record<string, unknown> {
  readonly apiVersion: "v1";
  readonly kind: "Secret";
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: StringMap;
    readonly annotations?: StringMap;
  };
  readonly type: string;
  readonly data: StringMap;
}

/** Whether `actual` has every entry of `wanted`. */
const includes = (actual: StringMap | undefined, wanted: StringMap): boolean =>
  Object.entries(wanted).every(([key, value]) => actual !== undefined && ownProperty(actual, key) === value);

const sameEntries = (a: StringMap, b: StringMap): boolean =>
  Object.keys(a).length === Object.keys(b).length && includes(a, b);

/**
 * Builds the child with `data`; the marks of an earlier change are carried on, so that they do not come and go. Under
 * writeBack so is the base, for an annotation that is left out is removed.
 */
export const secretChild = (
  spec: ResolvedSpec,
  namespace: string,
  data: StringMap,
  type: string,
  observed: Secret | undefined,
): SecretChild => {
  const { [REPLACED]: replaced, [APPLIED]: applied, [BASE]: base } = observed?.metadata.annotations ?? {};
  const annotations = {
    ...spec.annotations,
    ...(replaced !== undefined && { [REPLACED]: replaced }),
    ...(applied !== undefined && { [APPLIED]: applied }),
    ...(base !== undefined && spec.writeBack !== "Never" && { [BASE]: base }),
  };
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: {
      name: spec.secretName,
      namespace,
      labels: { ...MANAGED_BY, ...spec.labels },
      ...(Object.keys(annotations).length !== 0 && { annotations }),
    },
    type,
    data: sorted(data),
  };
};

/** Lists a Secret with the name, the type and the data that were observed, and the labels and annotations of the spec. */
export const relisted = (spec: ResolvedSpec, secret: Secret): SecretChild =>
  secretChild(
    {
      ...spec,
      secretName: secret.metadata.name,
      labels: allowed("labels", spec.labels),
      annotations: allowed("annotations", spec.annotations, secret.metadata.annotations),
    },
    secret.metadata.namespace ?? "",
    secret.data ?? {},
    secret.type ?? "Opaque",
    secret,
  );

/** Whether `secret` holds the data of `child`. */
export const hasDataOf = (child: SecretChild, secret: Secret): boolean =>
  sameEntries(secret.data ?? {}, child.data);

/** Whether `observed` is already all that `child` asks for. */
export const isApplied = (child: SecretChild, observed: Secret): boolean =>
  (observed.type ?? "Opaque") === child.type &&
  hasDataOf(child, observed) &&
  includes(observed.metadata.labels, child.metadata.labels) &&
  includes(observed.metadata.annotations, child.metadata.annotations ?? {});

/**
 * Whether leaving `key` out of the answer removes it from `secret`. Under server-side apply it does if the engine's
 * Apply entry alone owns it; under dynamic apply, if the engine's Update entry does, for then it is in the last
 * applied configuration. The engine is whoever wrote our last mark, and before there is one, our ownerReference, whatever
 * its field manager is called: what it wrote under the other strategy stays in the entry of that. A key without an owner
 * was applied as stringData.
 */
const isOurs = (secret: Secret, key: string): boolean => {
  const entries = secret.metadata.managedFields;
  const uid = controllerOf(secret)?.uid;
  if (entries === undefined || uid === undefined) return true;
  const markers = entries.filter((entry) =>
    ownsField(entry, ["f:metadata", "f:annotations", `f:${REPLACED}`]),
  );
  const engine = markers.length > 0 ? markers : entries.filter((entry) => ownsReference(entry, uid));
  const appliers = engine.filter(({ operation }) => operation === "Apply");
  const trusted = appliers.length > 0 ? appliers : engine;
  const owners = entries.filter((entry) => ownsField(entry, ["f:data", `f:${key}`]));
  return owners.length > 0 && owners.every((entry) => trusted.includes(entry));
};

/**
 * The keys of `observed` that `child` does not have and that leaving them out would not remove, because somebody else owns
 * them, with other values than they have. Listed so once they are ours alone, and the next sync leaves them out.
 */
const takenOver = (child: SecretChild, observed: Secret): StringMap =>
  Object.fromEntries(
    Object.entries(observed.data ?? {})
      .filter(([key]) => !Object.hasOwn(child.data, key) && !isOurs(observed, key))
      .map(([key, value]) => [key, placeholderFor(value)] as const),
  );

/** `child` with annotations beside its own. */
const annotated = (child: SecretChild, annotations: StringMap): SecretChild => ({
  ...child,
  metadata: { ...child.metadata, annotations: { ...child.metadata.annotations, ...annotations } },
});

/** `child` with the mark of the reading that its data were made of, where that is known. */
export const withAppliedVersion = (child: SecretChild, applied: string | undefined): SecretChild =>
  applied === undefined ? child : annotated(child, { [APPLIED]: applied });

/** `child`, which has `data`, so that it is really applied over what is `owned`, and takes away the keys that it does not have. */
export const overwritingChild = (
  assessment: Assessment,
  child: SecretChild,
  data: ChecksummedData,
  { secret, base }: OwnedSecret,
): SecretChild => {
  const going = takenOver(child, secret);
  const replaced = annotated(child, {
    [REPLACED]: secret.metadata.resourceVersion ?? "",
    ...(assessment.spec.writeBack !== "Never" && {
      [BASE]: baseText(assessment, data, base, Object.keys(going)),
    }),
  });
  return { ...replaced, data: sorted({ ...child.data, ...going }) };
};

/** `child`, which has `data`, for a Secret that is not there yet. */
export const newChild = (assessment: Assessment, child: SecretChild, data: ChecksummedData): SecretChild =>
  assessment.spec.writeBack === "Never"
    ? child
    : annotated(child, { [BASE]: baseText(assessment, data, undefined) });

/**
 * `child`, which is `owned` already and has `data`, with a base that says that the token holds the same. Where that is news,
 * it is `applied`: the child with the mark of the reading.
 */
export const withAgreedBase = (
  assessment: Assessment,
  { child, applied }: { readonly child: SecretChild; readonly applied: SecretChild },
  data: ChecksummedData,
  { secret, base }: OwnedSecret,
): SecretChild => {
  if (assessment.spec.writeBack === "Never") return child;
  const text = baseText(assessment, data, base);
  return secret.metadata.annotations?.[BASE] === text
    ? child
    : annotated(applied, { [REPLACED]: secret.metadata.resourceVersion ?? "", [BASE]: text });
};

/** What is `owned` as it is, with the base that it has lost: `common`, as a status shows it. */
export const withRestoredBase = (
  { spec, scope }: Assessment,
  { secret }: OwnedSecret,
  common: string,
): SecretChild =>
  annotated(relisted(spec, secret), { [BASE]: JSON.stringify({ checksum: common, scope: scope() }) });

/** What is `owned` as it is, with a base that says that nothing is left to be told of what it holds. */
export const withAcceptedBase = (
  assessment: Assessment,
  { secret, base, mapped }: OwnedSecret,
): SecretChild =>
  annotated(relisted(assessment.spec, secret), {
    [REPLACED]: secret.metadata.resourceVersion ?? "",
    [BASE]: baseText(assessment, mapped, base, base?.removing),
  });
