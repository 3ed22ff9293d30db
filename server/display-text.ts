// SPDX-License-Identifier: Apache-2.0
// Gives servers the sanitizing of text from outside that the hooks have.
export { oneLine, shorten } from "../hooks/display-text.ts";
