// SPDX-License-Identifier: Apache-2.0
// Reads the previous status of an HSMDevice, field by field, so that one that somebody broke does not take the others with it.
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { type HSMDevice, HSMDeviceStatus } from "./schema.ts";

const isStatus = TypeCompiler.Compile(HSMDeviceStatus);
const FIELDS = Object.entries(HSMDeviceStatus.properties).map(
  ([name, schema]) => [name, TypeCompiler.Compile(schema)] as const,
);

/** The status that `parent` carries, as far as it is one of ours. */
export const previousStatus = ({ status = {} }: HSMDevice): HSMDeviceStatus => {
  const ours = Object.fromEntries(
    FIELDS.flatMap(([name, schema]) =>
      Object.hasOwn(status, name) && schema.Check(status[name]) ? [[name, status[name]]] : [],
    ),
  );
  return isStatus.Check(ours) ? ours : {};
};
