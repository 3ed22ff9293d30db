// SPDX-License-Identifier: Apache-2.0
// The JSONPath of printer columns: fields, indexes, wildcards and equality filters.
// https://kubernetes.io/docs/reference/kubectl/jsonpath/
import { isObject, type Json } from "../json.ts";

type Step = (value: Json) => Json[];
export type JsonPath = { ok: true; evaluate: (value: Json) => Json[] } | { ok: false; why: string };

const known = (value: Json | undefined): Json[] => (value === undefined ? [] : [value]);
const members = (value: Json): Json[] =>
  Array.isArray(value) ? value : isObject(value) ? Object.values(value).flatMap(known) : [];

const literal = (text: string): Json => {
  const quoted = /^(['"])(.*)\1$/.exec(text);
  if (quoted) return quoted[2] ?? "";
  if (text === "true") return true;
  if (text === "false") return false;
  return Number(text);
};

const bracket = (text: string): Step | undefined => {
  const name = /^(['"])(.+)\1$/.exec(text)?.[2];
  if (name !== undefined) return (value) => (isObject(value) ? known(value[name]) : []);
  if (text === "*") return members;
  if (/^-?\d+$/.test(text)) return (value) => (Array.isArray(value) ? known(value.at(Number(text))) : []);
  const filter =
    /^\?\(\s*@((?:\.[\w\\./-]+)+)\s*(==|!=)\s*('[^']*'|"[^"]*"|true|false|-?\d+(?:\.\d+)?)\s*\)$/.exec(text);
  if (!filter) return undefined;
  const [, path = "", operator, wanted = ""] = filter;
  const names = path.split(".").slice(1);
  const expected = literal(wanted);
  return (value) =>
    members(value).filter((item) => {
      let current: Json | undefined = item;
      for (const key of names) current = isObject(current) ? current[key] : undefined;
      return (current === expected) === (operator === "==");
    });
};

/** The step at the beginning of `path`, and what is left of it; a text that says what can't be read. */
const firstStep = (path: string): { step: Step; rest: string } | string => {
  const index = /^\.?\[((?:'[^']*'|"[^"]*"|[^\]'"])*)\]/.exec(path);
  if (index) {
    const step = bracket((index[1] ?? "").trim());
    return step ? { step, rest: path.slice(index[0].length) } : `[${index[1]}]`;
  }
  const field = /^\.((?:[^.[\]\\]|\\.)+)/.exec(path);
  if (!field) return JSON.stringify(path);
  const name = (field[1] ?? "").replaceAll(/\\(.)/g, "$1");
  const step: Step = name === "*" ? members : (value) => (isObject(value) ? known(value[name]) : []);
  return { step, rest: path.slice(field[0].length) };
};

/** Reads a path such as `.status.conditions[?(@.type=="Ready")].status`. */
export const jsonPath = (text: string): JsonPath => {
  const steps: Step[] = [];
  let rest = text.replace(/^\{(.*)\}$/, "$1").replace(/^\$/, "");
  if (rest !== "" && !/^[.[]/.test(rest)) {
    return { ok: false, why: `must start with "." in ${JSON.stringify(text)}` };
  }
  while (rest !== "" && rest !== ".") {
    const read = firstStep(rest);
    if (typeof read === "string") return { ok: false, why: `cannot read ${read} in ${JSON.stringify(text)}` };
    steps.push(read.step);
    rest = read.rest;
  }
  return {
    ok: true,
    evaluate: (value) => steps.reduce<Json[]>((values, step) => values.flatMap(step), [value]),
  };
};
