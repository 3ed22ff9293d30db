// SPDX-License-Identifier: Apache-2.0
// The customize hook: which objects a parent wants to see as related, what they are now, and whom a change concerns.
import { copy, type JsonObject } from "../api/json.ts";
import type { KubeObject } from "../client.ts";
import type { Discovery } from "./discovery.ts";
import type { Hook } from "./hook.ts";
import type { RelatedRule } from "./hook-answer.ts";
import type { Informer, InformerPool } from "./informer.ts";
import { groupOf, insert, type ObjectGroups } from "./object-groups.ts";
import { type Outcome, ok } from "./outcome.ts";
import { checkedRule, isRelated } from "./related-rule.ts";

export type RelatedObjects = {
  /** Calls the hook, unless its answer for this generation of the parent is still known. */
  of: (parent: KubeObject) => Promise<Outcome<ObjectGroups>>;
  /** Forgets a parent that is gone. */
  forget: (parent: KubeObject) => void;
  close: () => void;
};

export type RelatedOptions = {
  hook: Hook<RelatedRule[]> | undefined;
  controller: JsonObject;
  discovery: Discovery;
  pool: InformerPool;
  parents: () => KubeObject[];
  /** Called for each parent that one of these objects, before or after a change, concerns. */
  enqueue: (parent: KubeObject) => void;
  now: () => Date;
};

// The cache of Metacontroller's customize manager.
const ANSWER_LIFETIME_MS = 20 * 60_000;

type Answer = { generation: number | undefined; rules: RelatedRule[]; until: number };

export const createRelatedObjects = (options: RelatedOptions): RelatedObjects => {
  const { hook, controller, discovery, pool, now } = options;
  const answers = new Map<string, Answer>();
  const sources = new Map<string, { informer: Informer; stop: () => void }>();
  let closed = false;

  const namespaceLabels = (namespace: string) => {
    const found = sources.get("v1/namespaces")?.informer.get(namespace);
    return found && (found.metadata.labels ?? {});
  };

  const rulesOf = async (parent: KubeObject): Promise<Outcome<RelatedRule[]>> => {
    if (!hook) return ok([]);
    const { uid = "", generation } = parent.metadata;
    const known = answers.get(uid);
    if (known?.generation === generation && known && known.until > now().getTime()) return ok(known.rules);
    const answer = await hook.call({ controller, parent: copy(parent) }, parent);
    if (!answer.ok) return answer;
    answers.set(uid, { generation, rules: answer.value, until: now().getTime() + ANSWER_LIFETIME_MS });
    return answer;
  };

  const concerns = (parent: KubeObject, object: KubeObject, plural: string) => {
    const rules = answers.get(parent.metadata.uid ?? "")?.rules ?? [];
    return rules.some(
      (rule) =>
        rule.apiVersion === object.apiVersion &&
        rule.resource === plural &&
        isRelated(rule, object, namespaceLabels),
    );
  };

  const source = async (apiVersion: string, plural: string): Promise<Outcome<Informer>> => {
    const resource = await discovery.byPlural(apiVersion, plural);
    if (!resource.ok) return resource;
    const key = `${apiVersion}/${plural}`;
    const existing = sources.get(key);
    if (existing || closed) {
      const { informer } = existing ?? pool.acquire(resource.value);
      await informer.synced;
      return ok(informer);
    }
    const { informer, release } = pool.acquire(resource.value);
    const notify = (...objects: KubeObject[]) => {
      for (const parent of options.parents()) {
        if (objects.some((object) => concerns(parent, object, plural))) options.enqueue(parent);
      }
    };
    const entry = { informer, stop: release };
    sources.set(key, entry);
    await informer.synced;
    const unsubscribe = informer.subscribe({
      added: (object) => notify(object),
      updated: (old, current) => {
        if (old.metadata.resourceVersion !== current.metadata.resourceVersion) notify(old, current);
      },
      deleted: (object) => notify(object),
    });
    entry.stop = () => {
      unsubscribe();
      release();
    };
    return ok(informer);
  };

  return {
    of: async (parent) => {
      const groups: ObjectGroups = new Map();
      const rules = await rulesOf(parent);
      if (!rules.ok) return rules;
      for (const rule of rules.value) {
        const informer = await source(rule.apiVersion, rule.resource);
        if (!informer.ok) return informer;
        const checked = checkedRule(rule, informer.value.resource);
        if (!checked.ok) return checked;
        if (rule.namespaceSelector) {
          const namespaces = await source("v1", "namespaces");
          if (!namespaces.ok) return namespaces;
        }
        groupOf(groups, informer.value.resource);
        for (const object of informer.value.list()) {
          if (isRelated(rule, object, namespaceLabels)) insert(groups, object);
        }
      }
      return ok(groups);
    },
    forget: (parent) => answers.delete(parent.metadata.uid ?? ""),
    close: () => {
      closed = true;
      for (const { stop } of sources.values()) stop();
      sources.clear();
    },
  };
};
