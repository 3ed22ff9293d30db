// SPDX-License-Identifier: Apache-2.0
// Defines the form of a tour step, and what steps share: the namespace, fresh values that are remembered, and HSMSecrets.
import { randomBytes } from "node:crypto";

/** Where all of the tour happens. */
export const NAMESPACE = "demo";

/** A step: what it shows, and the doing of it. It answers with a detail for the table and throws where it fails. */
export interface Step {
  readonly title: string;
  run(): Promise<string>;
}

/** A text that nothing else has. */
export const freshValue = (): string => randomBytes(12).toString("hex");

/** The values that secrets were given, so that the last step can look for them where they must not be. */
export class ValuesSeen {
  readonly #values = new Set<string>();

  next(): string {
    const value = freshValue();
    this.#values.add(value);
    return value;
  }

  all(): readonly string[] {
    return [...this.#values];
  }
}

/** The manifest of an HSMSecret, as JSON. */
export const hsmSecret = (name: string, spec: Record<string, unknown>): string =>
  JSON.stringify({
    apiVersion: "hsm.j5t.io/v1alpha1",
    kind: "HSMSecret",
    metadata: { name, namespace: NAMESPACE },
    spec,
  });
