// SPDX-License-Identifier: Apache-2.0
// Maps the return values of a PKCS#11 module to names and meanings (PKCS#11 2.40, section 11.1).
import type { LoginOutcome } from "./messages.ts";

/** Values that the agent tells apart, and the most likely others by name alone. */
const NAMES: Readonly<Record<number, string>> = {
  2: "CKR_HOST_MEMORY",
  3: "CKR_SLOT_ID_INVALID",
  5: "CKR_GENERAL_ERROR",
  6: "CKR_FUNCTION_FAILED",
  7: "CKR_ARGUMENTS_BAD",
  10: "CKR_CANT_LOCK",
  17: "CKR_ATTRIBUTE_SENSITIVE",
  18: "CKR_ATTRIBUTE_TYPE_INVALID",
  19: "CKR_ATTRIBUTE_VALUE_INVALID",
  27: "CKR_ACTION_PROHIBITED",
  33: "CKR_DATA_LEN_RANGE",
  48: "CKR_DEVICE_ERROR",
  49: "CKR_DEVICE_MEMORY",
  50: "CKR_DEVICE_REMOVED",
  84: "CKR_FUNCTION_NOT_SUPPORTED",
  96: "CKR_KEY_HANDLE_INVALID",
  130: "CKR_OBJECT_HANDLE_INVALID",
  144: "CKR_OPERATION_ACTIVE",
  145: "CKR_OPERATION_NOT_INITIALIZED",
  160: "CKR_PIN_INCORRECT",
  161: "CKR_PIN_INVALID",
  162: "CKR_PIN_LEN_RANGE",
  163: "CKR_PIN_EXPIRED",
  164: "CKR_PIN_LOCKED",
  176: "CKR_SESSION_CLOSED",
  181: "CKR_SESSION_READ_ONLY",
  177: "CKR_SESSION_COUNT",
  179: "CKR_SESSION_HANDLE_INVALID",
  224: "CKR_TOKEN_NOT_PRESENT",
  225: "CKR_TOKEN_NOT_RECOGNIZED",
  226: "CKR_TOKEN_WRITE_PROTECTED",
  256: "CKR_USER_ALREADY_LOGGED_IN",
  257: "CKR_USER_NOT_LOGGED_IN",
  258: "CKR_USER_PIN_NOT_INITIALIZED",
  336: "CKR_BUFFER_TOO_SMALL",
  400: "CKR_CRYPTOKI_NOT_INITIALIZED",
  401: "CKR_CRYPTOKI_ALREADY_INITIALIZED",
};

const CKR_OK = 0;
export const CKR_CANT_LOCK = 0x0a;
const CKR_USER_ALREADY_LOGGED_IN = 0x100;
export const CKR_USER_NOT_LOGGED_IN = 0x101;
const CKR_SESSION_CLOSED = 0xb0;
const CKR_SESSION_HANDLE_INVALID = 0xb3;
const CKR_ATTRIBUTE_SENSITIVE = 0x11;
const CKR_ATTRIBUTE_TYPE_INVALID = 0x12;
const CKR_ATTRIBUTE_VALUE_INVALID = 0x13;
const CKR_DEVICE_REMOVED = 0x32;
const CKR_FUNCTION_NOT_SUPPORTED = 0x54;
const CKR_KEY_HANDLE_INVALID = 0x60;
const CKR_OBJECT_HANDLE_INVALID = 0x82;
const CKR_PIN_INVALID = 0xa1;
const CKR_PIN_LEN_RANGE = 0xa2;
const CKR_SESSION_READ_ONLY = 0xb5;
const CKR_TOKEN_NOT_PRESENT = 0xe0;
const CKR_TOKEN_WRITE_PROTECTED = 0xe2;

/** Values of C_Login that blame the PIN itself. Trying the same one again may block the token. */
const PIN_CODES: Readonly<Record<number, LoginOutcome>> = {
  160: "incorrect",
  161: "incorrect",
  162: "incorrect",
  163: "incorrect",
  164: "locked",
};

/** The name of a return value, or its number in hex. */
export const ckrName = (value: number): string => NAMES[value] ?? `CKR 0x${value.toString(16)}`;

/**
 * What C_Login's return value says about the PIN. Whatever is neither a verdict on it nor an end before it was compared is
 * `unclear`: there are tokens that answer a wrong PIN with CKR_GENERAL_ERROR, and a token that is pulled out has counted.
 */
export const loginOutcome = (value: number): LoginOutcome => {
  if (value === CKR_OK) return "accepted";
  if (value === CKR_USER_ALREADY_LOGGED_IN) return "not-compared";
  return PIN_CODES[value] ?? "unclear";
};

/** Whether the object behind a handle is gone: another process has deleted or replaced it. tpm2-pkcs11 takes each for a key's. */
export const isStaleHandle = (value: number): boolean =>
  value === CKR_OBJECT_HANDLE_INVALID || value === CKR_KEY_HANDLE_INVALID;

/** Whether the fault is one object's: it has no attribute of the kind asked for, or none that can be read. */
export const isUnreadableAttribute = (value: number): boolean =>
  value === CKR_ATTRIBUTE_SENSITIVE ||
  value === CKR_ATTRIBUTE_TYPE_INVALID ||
  value === CKR_ATTRIBUTE_VALUE_INVALID;

/** What modules return for an object that is broken, and for much else: CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED. */
export const isVague = (value: number): boolean => value === 0x05 || value === 0x06;

/**
 * Values with which tokens refuse an object that does not fit: too many, too large, or no memory. OpenSC says
 * CKR_GENERAL_ERROR where a card is full.
 */
const NO_ROOM = new Set([0x02, 0x05, 0x06, 0x13, 0x21, 0x30, 0x31]);

/** Whether C_CreateObject's return value can mean that the token has no room for the object. */
export const isNoRoom = (value: number): boolean => NO_ROOM.has(value);

/** Whether the token, or the session on it, can't be written at all. */
export const isWriteProtected = (value: number): boolean =>
  value === CKR_SESSION_READ_ONLY || value === CKR_TOKEN_WRITE_PROTECTED;

/** Whether C_SetPIN's return value blames the new PIN. */
export const isUnfitPin = (value: number): boolean =>
  value === CKR_PIN_INVALID || value === CKR_PIN_LEN_RANGE;

/**
 * Whether with C_SetPIN's return value the token refuses the change before it compares anything: the new PIN does not fit, or PINs
 * can't be changed in this session or on this token.
 */
export const isPinChangeRefused = (value: number): boolean =>
  isUnfitPin(value) || isWriteProtected(value) || value === CKR_FUNCTION_NOT_SUPPORTED;

/** Whether the value says positively that there is no token any more. */
export const isTokenGone = (value: number): boolean =>
  value === CKR_TOKEN_NOT_PRESENT || value === CKR_DEVICE_REMOVED;

/** Whether the session has ended, and so is no way to the token any more: it was gone at least for a while. */
export const isSessionOver = (value: number): boolean =>
  isTokenGone(value) || value === CKR_SESSION_CLOSED || value === CKR_SESSION_HANDLE_INVALID;
