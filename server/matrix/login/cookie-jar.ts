// SPDX-License-Identifier: Apache-2.0
// Stores the cookies of one single sign-on by host and path (RFC 6265, section 5), and discards them afterwards.
import { type Cookie, parseCookie } from "undici";
import { isLoopback } from "../../config/loopback.ts";

export type CookieJar = {
  /** Keeps what an answer of `url` sets. */
  store(url: URL, setCookie: string | string[] | undefined): void;
  /** The Cookie header for a request to `url`; undefined without cookies. */
  header(url: URL): string | undefined;
};

type Kept = { name: string; value: string; host: string; subdomains: boolean; path: string; secure: boolean };

/** Far more than a sign-on sets. */
const MAX_COOKIES = 100;

/** @param now milliseconds since the epoch */
export const createCookieJar = (now: () => number): CookieJar => {
  const kept = new Map<string, Kept>();
  return {
    store(url, setCookie) {
      for (const cookie of [setCookie ?? []].flat().flatMap((line) => parse(line) ?? [])) {
        const one = keep(url, cookie);
        if (one === undefined) continue;
        const key = [one.host, one.path, one.name].join("\n");
        if (isExpired(cookie, now())) kept.delete(key);
        else if (kept.size < MAX_COOKIES || kept.has(key)) kept.set(key, one);
      }
    },
    header(url) {
      const fitting = [...kept.values()]
        .filter((cookie) => fits(cookie, url))
        .sort((a, b) => b.path.length - a.path.length);
      return fitting.length === 0
        ? undefined
        : fitting.map(({ name, value }) => `${name}=${value}`).join("; ");
    },
  };
};

const parse = (line: string): Cookie | null => {
  try {
    return parseCookie(line);
  } catch {
    return null;
  }
};

/** Undefined where a host sets a cookie for another. */
const keep = (url: URL, cookie: Cookie): Kept | undefined => {
  const host = url.hostname.toLowerCase();
  const domain = cookie.domain?.replace(/^\./, "").toLowerCase();
  if (domain !== undefined && domain !== "" && domain !== host && !host.endsWith(`.${domain}`)) {
    return undefined;
  }
  const named = domain !== undefined && domain !== "";
  const path = cookie.path?.startsWith("/") ? cookie.path : url.pathname.replace(/\/[^/]*$/, "") || "/";
  return {
    name: cookie.name,
    value: cookie.value,
    host: named ? domain : host,
    subdomains: named,
    path,
    secure: cookie.secure === true,
  };
};

const isExpired = ({ maxAge, expires }: Cookie, now: number): boolean => {
  if (maxAge !== undefined && maxAge !== null) return maxAge <= 0;
  return expires !== undefined && expires !== null && new Date(expires).getTime() <= now;
};

const fits = (cookie: Kept, url: URL): boolean => {
  const host = url.hostname.toLowerCase();
  const sameHost = host === cookie.host || (cookie.subdomains && host.endsWith(`.${cookie.host}`));
  const { path } = cookie;
  const below = url.pathname === path || url.pathname.startsWith(path.endsWith("/") ? path : `${path}/`);
  // Browsers send Secure cookies to loopback in the clear, too.
  return sameHost && below && (!cookie.secure || url.protocol === "https:" || isLoopback(host));
};
