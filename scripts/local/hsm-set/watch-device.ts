// SPDX-License-Identifier: Apache-2.0
// Follows the status of the local run's HSMDevice, and tells its changes in words.
import { Value } from "@sinclair/typebox/value";
import { HSMDeviceStatus } from "../../../hooks/hsmdevice/schema.ts";
import type { KubeClient, KubeObject } from "../../control-plane/client.ts";
import { startInformer } from "../../control-plane/engine/informer.ts";
import { KINDS } from "../kinds.ts";
import { narrate } from "./narrate.ts";
import { SET_NAME } from "./plan.ts";

export type WatchedDevice = {
  /** As it was last seen; empty before. */
  status(): HSMDeviceStatus;
  /** Has `hear` told what is so now, and each change. The answer ends it. */
  listen(hear: (line: string) => void): () => void;
  close(): void;
};

export const watchDevice = (client: KubeClient): WatchedDevice => {
  const informer = startInformer(client, KINDS.HSMDevice);
  const listeners = new Set<(line: string) => void>();
  let status: HSMDeviceStatus = {};
  const look = ({ metadata, status: next }: KubeObject): void => {
    if (metadata.name !== SET_NAME || !Value.Check(HSMDeviceStatus, next)) return;
    const lines = narrate(status, next);
    status = next;
    for (const hear of listeners) for (const line of lines) hear(line);
  };
  informer.subscribe({ added: look, updated: (_, current) => look(current), deleted: () => {} });
  return {
    status: () => status,
    listen: (hear) => {
      for (const line of narrate({}, status)) hear(line);
      listeners.add(hear);
      return () => listeners.delete(hear);
    },
    close: () => informer.close(),
  };
};
