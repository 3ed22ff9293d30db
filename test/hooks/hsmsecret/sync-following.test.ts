// SPDX-License-Identifier: Apache-2.0
// Tests the sync hook's updates from the token: first sync, changes, edits, outages, absence.

import { absent, found, secret, unavailable, unchanged } from "./request.ts";
import { checkRows, inSync, other, token } from "./sync-rows.ts";

checkRows([
  {
    name: "the first sync writes the Secret and says that it is not there yet",
    given: {},
    reading: found(token),
    expect: { reason: "Applying", syncStatus: "Pending", ready: "False", children: ["app"], data: token },
  },
  {
    name: "a Secret that holds what the token holds is in sync",
    given: { owned: [secret(token)] },
    reading: found(token),
    expect: { reason: "Synced", syncStatus: "InSync", ready: "True", children: ["app"], data: token },
  },
  {
    name: "an unchanged token (304) keeps the Secret in sync without sending the values again",
    given: { owned: [secret(token)], status: inSync() },
    reading: unchanged,
    expect: { reason: "Synced", syncStatus: "InSync", ready: "True", children: ["app"], data: token },
  },
  {
    name: "a changed token changes the Secret",
    given: { owned: [secret(token)], status: inSync() },
    reading: found(other),
    expect: { reason: "Applying", syncStatus: "OutOfSync", ready: "False", children: ["app"], data: other },
  },
  {
    name: "a Secret edited by hand is put back",
    given: { owned: [secret({ ...token, password: "hacked" }, { resourceVersion: "9" })], status: inSync() },
    reading: found(token),
    expect: { reason: "Applying", syncStatus: "OutOfSync", ready: "False", children: ["app"], data: token },
  },
  {
    name: "a Secret deleted by hand is made anew",
    given: { status: inSync() },
    reading: found(token),
    expect: { reason: "Applying", syncStatus: "OutOfSync", ready: "False", children: ["app"], data: token },
  },
  {
    name: "with the HSM unavailable the Secret stays, and the status says so",
    given: { owned: [secret(token)], status: inSync() },
    reading: unavailable,
    expect: {
      reason: "HSMUnavailable",
      syncStatus: "Error",
      ready: "False",
      children: ["app"],
      data: token,
      error: /TOKEN_UNAVAILABLE.*kept/,
      resyncBelow: 16,
    },
  },
  {
    name: "with the HSM unavailable a first sync waits",
    given: {},
    reading: unavailable,
    expect: {
      reason: "HSMUnavailable",
      syncStatus: "Pending",
      ready: "False",
      children: [],
      error: /no Secret; it is made/,
    },
  },
  {
    name: "with the HSM unavailable onMissing Delete removes nothing",
    given: { owned: [secret(token)], status: inSync(), spec: { onMissing: "Delete" } },
    reading: unavailable,
    expect: { reason: "HSMUnavailable", syncStatus: "Error", ready: "False", children: ["app"], data: token },
  },
  {
    name: "a label on the token that can't be a key is a fault to be mended, and the Secret stays",
    given: { owned: [secret(token)], status: inSync(), spec: { onMissing: "Delete" } },
    reading: { outcome: "unavailable", code: "LABEL_INVALID", message: "m" },
    expect: {
      reason: "InvalidKey",
      syncStatus: "Error",
      ready: "False",
      error: /LABEL_INVALID.*kept/,
      children: ["app"],
      data: token,
    },
  },
  {
    name: "with the HSM unavailable a Secret of an earlier secretName stays",
    given: { owned: [secret(token, { name: "old" })], spec: { secretName: "new" }, status: inSync() },
    reading: unavailable,
    expect: {
      reason: "HSMUnavailable",
      syncStatus: "Pending",
      ready: "False",
      children: ["old"],
      data: token,
    },
  },
  {
    name: "an absent path keeps the Secret by default (onMissing Retain)",
    given: { owned: [secret(token)], status: inSync() },
    reading: absent,
    expect: {
      reason: "ObjectNotFound",
      syncStatus: "OutOfSync",
      ready: "False",
      children: ["app"],
      data: token,
      error: /holds nothing at secrets\/demo\/app.*Retain/,
      resyncBelow: 61,
    },
  },
  {
    name: "an absent path removes the Secret where the spec says so (onMissing Delete)",
    given: { owned: [secret(token)], status: inSync(), spec: { onMissing: "Delete" } },
    reading: absent,
    expect: {
      reason: "ObjectNotFound",
      syncStatus: "OutOfSync",
      ready: "False",
      children: [],
      error: /removed/,
    },
  },
  {
    name: "an absent path at the first sync says where to write the secret",
    given: {},
    reading: absent,
    expect: {
      reason: "ObjectNotFound",
      syncStatus: "Pending",
      ready: "False",
      children: [],
      error: /Write the secret/,
    },
  },
]);
