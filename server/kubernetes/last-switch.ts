// SPDX-License-Identifier: Apache-2.0
// Finds out who last switched a Toggle from the API server's own record (metadata.managedFields), because a spec can name
// anybody.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Toggle } from "../../hooks/toggle/schema.ts";

/** Names our changes in metadata.managedFields. */
export const FIELD_MANAGER = "keyswitch-bot";

/** What switches, and what is said about a switch. */
const SWITCH = ["f:enabled", "f:until", "f:replicas"] as const;
const NOTES = ["f:requestedBy", "f:reason"] as const;

/** An entry of managedFields; it is an old manager's that it may lack a time. */
const SwitchRecord = Type.Object({
  manager: Type.String(),
  time: Type.Optional(Type.String()),
  subresource: Type.Optional(Type.String()),
  fieldsV1: Type.Object({ "f:spec": Type.Record(Type.String(), Type.Unknown()) }),
});
type SwitchRecord = Static<typeof SwitchRecord>;

export type LastSwitch =
  /** Of our patches; `named`: spec.requestedBy is ours, too. */
  | { readonly kind: "chat"; readonly named: boolean; readonly explained: boolean }
  /** `explained`: spec.reason is this manager's. `at`: when, ms since the epoch, where the record has it. */
  | { readonly kind: "manager"; readonly manager: string; readonly explained: boolean; readonly at?: number };

const owns = ({ fieldsV1 }: SwitchRecord, ...fields: readonly string[]): boolean =>
  fields.some((field) => Object.hasOwn(fieldsV1["f:spec"], field));

/** What of `managedFields` tells who switched. The rest is by far the largest part of an object that is patched often. */
export const switchRecordsOf = (managedFields: readonly unknown[] = []): SwitchRecord[] =>
  managedFields.flatMap((entry) => {
    if (!Value.Check(SwitchRecord, entry) || (entry.subresource ?? "") !== "") return [];
    if (!owns(entry, ...SWITCH, ...NOTES)) return [];
    const fields = [...SWITCH, ...NOTES].filter((field) => owns(entry, field)).map((field) => [field, {}]);
    const { manager, time } = entry;
    const fieldsV1 = { "f:spec": Object.fromEntries(fields) };
    return [{ manager, ...(time !== undefined && { time }), fieldsV1 }];
  });

const timeOf = ({ time = "" }: SwitchRecord): number => Date.parse(time) || 0;

/**
 * Undefined where the record says nothing. A manager has one time for all of its fields, of the last that it changed, and
 * times are whole seconds: of the same one, whoever has `enabled` is taken for the later.
 */
export const lastSwitchOf = ({ metadata }: Toggle): LastSwitch | undefined => {
  const records = switchRecordsOf(metadata.managedFields);
  const ours = records.find(({ manager }) => manager === FIELD_MANAGER);
  const [other] = records
    .filter((record) => record !== ours && owns(record, ...SWITCH))
    .sort((a, b) => timeOf(b) - timeOf(a));
  const isLater = (record: SwitchRecord, than: SwitchRecord): boolean =>
    timeOf(record) > timeOf(than) ||
    (timeOf(record) === timeOf(than) && owns(record, "f:enabled") && !owns(than, "f:enabled"));
  if (other !== undefined && (ours === undefined || isLater(other, ours))) {
    const at = timeOf(other);
    const explained = owns(other, "f:reason");
    return { kind: "manager", manager: other.manager, explained, ...(at > 0 && { at }) };
  }
  if (ours === undefined) return undefined;
  return { kind: "chat", named: owns(ours, "f:requestedBy"), explained: owns(ours, "f:reason") };
};
