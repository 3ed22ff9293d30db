// SPDX-License-Identifier: Apache-2.0
// Makes the error for a token that gave no valid answer: too slow, or changing all the time.
import { type Unavailable, unavailable } from "../../store.ts";

/** The caller's time is over. Another try is worth while after about a load of the token, which took so many milliseconds. */
export const tookTooLong = (lastLoadMs: number): Unavailable => {
  const seconds = Math.ceil(lastLoadMs / 1000);
  return unavailable("TIMEOUT", "the token did not answer in time", Math.max(1, Math.min(60, seconds)));
};

/** What is at a path, or below a prefix, would not stand still. */
export const restless = (place: string): Unavailable =>
  unavailable("TOKEN_UNAVAILABLE", `${place}: the token kept changing while it was read`, 1);
