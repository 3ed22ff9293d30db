// SPDX-License-Identifier: Apache-2.0
// Filters a secret's metadata for callers: leaves out the labels that the agent keeps for itself.
import type { StoredMetadata } from "../../agent-api/schema.ts";
import { isOwnLabel } from "../apply-change.ts";

/** The metadata as a field to spread into an answer; none where there is nothing to show. */
export const shownMetadata = (stored: StoredMetadata): { metadata?: StoredMetadata } => {
  const { description, labels, format, dataType, createdAt, source } = stored;
  const shownLabels = Object.entries(labels ?? {}).filter(([name]) => !isOwnLabel(name));
  const metadata = {
    ...(description !== undefined && { description }),
    ...(shownLabels.length > 0 && { labels: Object.fromEntries(shownLabels) }),
    ...(format !== undefined && { format }),
    ...(dataType !== undefined && { dataType }),
    ...(createdAt !== undefined && { createdAt }),
    ...(source !== undefined && { source }),
  };
  return Object.keys(metadata).length > 0 ? { metadata } : {};
};
