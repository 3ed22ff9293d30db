// SPDX-License-Identifier: Apache-2.0
// Names the packages that matrix-bot-sdk loads but Keyswitch never comes to use, and stands in for them.

/**
 * Application services (express, morgan), its own HTTP client, which setRequestFn replaces (request), HTML in replies and
 * messages (sanitize-html, html-to-text, htmlencode), policy lists (glob-to-regexp), its own stores (lowdb, mkdirp,
 * postgres). Together they are 430 modules, which take 28 MiB and most of the time of loading it.
 */
export const UNUSED = [
  "express",
  "morgan",
  "request",
  "sanitize-html",
  "html-to-text",
  "htmlencode",
  "glob-to-regexp",
  "lowdb",
  "lowdb/adapters/FileSync",
  "mkdirp",
  "postgres",
] as const;

/** A function with any property, which throws when it is called. */
export const unusable = (name: string): unknown => {
  const refuse = (): never => {
    throw new Error(
      `matrix-bot-sdk wants to use ${name}, which Keyswitch leaves out: see unused-packages.ts`,
    );
  };
  return new Proxy(refuse, { get: (_target, property) => (property === "__esModule" ? undefined : refuse) });
};
