// SPDX-License-Identifier: Apache-2.0
// Fetches the messages of a room that a limited sync has left out. https://spec.matrix.org/latest/client-server-api/#syncing
import { Type } from "@sinclair/typebox";
import { compileSchema } from "../http/validation.ts";
import type { AuthorizedRequests } from "./authorized-requests.ts";
import { concernsAll, RequestFailed } from "./request-failed.ts";
import { GAP_FILTER } from "./sync-filter.ts";

export type TimelineGap = {
  /** The oldest first. */
  events: unknown[];
  /** Whether that is all of them. */
  whole: boolean;
};

/** From where a sync's timeline begins back to where the sync before it ended. */
export type GapBounds = { readonly room: string; readonly from: string; readonly to: string };

const Messages = compileSchema(
  Type.Object({ chunk: Type.Array(Type.Unknown()), end: Type.Optional(Type.String()) }),
);

const TIMEOUT_MS = 20_000;
const PAGE = 100;
/** A thousand events: what somebody writes to a room meanwhile must not keep the bot from its other rooms. */
const MOST_PAGES = 10;

/** @throws RequestFailed when nothing can be asked of the homeserver now */
export const readTimelineGap = async (
  requests: Pick<AuthorizedRequests, "request">,
  { room, from, to }: GapBounds,
  signal?: AbortSignal,
): Promise<TimelineGap> => {
  const newestFirst: unknown[] = [];
  const gap = (whole: boolean): TimelineGap => ({ events: newestFirst.reverse(), whole });
  let next = from;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const answer = await requests.request({
      method: "GET",
      path: `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/messages`,
      query: { dir: "b", from: next, to, limit: PAGE, filter: JSON.stringify(GAP_FILTER) },
      timeoutMs: TIMEOUT_MS,
      ...(signal !== undefined && { signal }),
    });
    if (!answer.ok && concernsAll(answer)) throw new RequestFailed(answer);
    if (!answer.ok || !Messages.Check(answer.body)) return gap(false);
    const { chunk, end } = answer.body;
    newestFirst.push(...chunk);
    if (end === undefined || end === next) return gap(true);
    next = end;
  }
  return gap(false);
};
