// SPDX-License-Identifier: Apache-2.0
// Parses a page of a single sign-on: a form for name and password, another form, or a link that continues.
import { Parser } from "htmlparser2";

type Field = { name: string; type: string; value: string };

export type Form = {
  id?: string;
  /** As it stands in the page; empty for the page's own address. */
  action: string;
  method: string;
  fields: Field[];
};

export type Page = { forms: Form[]; links: string[] };

/** The forms and links of an HTML page; scripts and styles are not run or looked at. */
export const readPage = (html: string): Page => {
  const page: Page = { forms: [], links: [] };
  let open: Form | undefined;
  const parser = new Parser({
    onopentag(name, attributes) {
      if (name === "a" && attributes.href !== undefined) page.links.push(attributes.href);
      else if (name === "form") {
        open = {
          ...(attributes.id !== undefined && { id: attributes.id }),
          action: attributes.action ?? "",
          method: (attributes.method ?? "get").toLowerCase(),
          fields: [],
        };
        page.forms.push(open);
      } else if (open !== undefined && name === "input" && attributes.name) {
        open.fields.push({
          name: attributes.name,
          type: (attributes.type ?? "text").toLowerCase(),
          value: attributes.value ?? "",
        });
      }
    },
    onclosetag(name) {
      if (name === "form") open = undefined;
    },
  });
  parser.end(html);
  return page;
};

/** The form that asks for a name and a password; one that asks for a new password, twice, is none. */
export const passwordForm = ({ forms }: Page): Form | undefined =>
  forms.find(
    ({ method, fields }) =>
      method === "post" &&
      fields.filter(({ type }) => type === "password").length === 1 &&
      fields.some(({ type }) => type === "text" || type === "email"),
  );

/** What a browser would send: hidden fields as they are, the name and the password where the form asks for them. */
export const fillForm = (
  { fields }: Form,
  credentials: { name: string; password: string },
): URLSearchParams => {
  const filled = new URLSearchParams();
  let named = false;
  for (const { name, type, value } of fields) {
    if (type === "hidden") filled.append(name, value);
    else if (type === "password") filled.append(name, credentials.password);
    else if ((type === "text" || type === "email") && !named) {
      filled.append(name, credentials.name);
      named = true;
    }
  }
  return filled;
};
