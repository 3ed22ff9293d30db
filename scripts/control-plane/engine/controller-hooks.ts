// SPDX-License-Identifier: Apache-2.0
// Opens and closes the hooks of one controller together.
import type { ControllerSpec } from "./composite-controller.ts";
import { createHook, type Decode, type Hook, type HookOptions } from "./hook.ts";
import { decodeCustomize, decodeSync, type RelatedRule, type SyncAnswer } from "./hook-answer.ts";
import { fault, type Outcome, ok } from "./outcome.ts";

export type ControllerHooks = {
  sync: Hook<SyncAnswer>;
  finalize: Hook<SyncAnswer> | undefined;
  customize: Hook<RelatedRule[]> | undefined;
  close: () => void;
};

type Shared = Pick<HookOptions<unknown>, "readConnection" | "resolveService" | "now">;

/** Opens every hook that the spec names; all of them or none. */
export const openHooks = async (spec: ControllerSpec, shared: Shared): Promise<Outcome<ControllerHooks>> => {
  const open: { close: () => void }[] = [];
  const close = () => {
    for (const hook of open) hook.close();
  };
  const hookOf = async <T>(
    name: keyof ControllerSpec["hooks"],
    decode: Decode<T>,
  ): Promise<Outcome<Hook<T> | undefined>> => {
    const webhook = spec.hooks[name]?.webhook;
    if (!webhook) return ok(undefined);
    const hook = await createHook({ ...shared, name, webhook, decode });
    if (hook.ok) open.push(hook.value);
    return hook;
  };
  const sync = await hookOf("sync", decodeSync);
  const finalize = await hookOf("finalize", decodeSync);
  const customize = await hookOf("customize", decodeCustomize);
  if (sync.ok && sync.value && finalize.ok && customize.ok) {
    return ok({ sync: sync.value, finalize: finalize.value, customize: customize.value, close });
  }
  close();
  return [sync, finalize, customize].find((hook) => !hook.ok) ?? fault("sync hook not defined");
};
