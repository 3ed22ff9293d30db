// SPDX-License-Identifier: Apache-2.0
// A PKCS#11 module for tests: forwards every function to another module, and delays, fails, hangs or crashes calls as
// a control file says. Declares by itself the little of PKCS#11 2.40 that it needs.
//
// Environment: KEYSWITCH_TEST_TARGET (the module behind), KEYSWITCH_TEST_CONTROL (the control file, read at every call),
// KEYSWITCH_TEST_LOG (each called function's name is appended, one a line).
// Control lines; <times> counts over all processes, in files beside the control file, and 0 or nothing is "always":
//   delay <function> <milliseconds> [<times>]     the call is made after a while
//   hang <function> [<times>]                     the call never returns
//   hold <function> <n>                           the n-th call from now on is made once the control file has no such line
//   fail <function> <return value in hex> [<times>]
//   crash <function> abort|segv [<times>]
//   flags <hex>                                   bits added to the flags of C_GetTokenInfo
//   manufacturer <name>                           C_GetInfo names this manufacturer
//   slots <hex>                                   these bits of every slot id are the other way round
//   twice                                         the last slot is listed twice
//   absent                                        no token: no slots, and every call on a session says it was removed
//   kill any|changing <n>                         the process is killed in place of the n-th call from now on, or of the
//                                                 n-th that makes or removes an object
//   room <objects> <return value in hex>          C_CreateObject fails once the token has so many data objects
//   conceal always|later                          an object that is made meanwhile is never found: by no process, or by
//                                                 none but its maker (as on a token that took it and does not keep it)
//   snapshot                                      what other processes write after C_Initialize is not shown
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long ul;

enum {
  CKR_OK = 0x00,
  CKR_GENERAL_ERROR = 0x05,
  CKR_DEVICE_REMOVED = 0x32,
  CKR_TOKEN_NOT_PRESENT = 0xE0,
};

// Every function of CK_FUNCTION_LIST in its order (PKCS#11 2.40, section 3.6).
#define FUNCTIONS(X) \
  X(C_Initialize) X(C_Finalize) X(C_GetInfo) X(C_GetFunctionList) X(C_GetSlotList) X(C_GetSlotInfo) \
  X(C_GetTokenInfo) X(C_GetMechanismList) X(C_GetMechanismInfo) X(C_InitToken) X(C_InitPIN) X(C_SetPIN) \
  X(C_OpenSession) X(C_CloseSession) X(C_CloseAllSessions) X(C_GetSessionInfo) X(C_GetOperationState) \
  X(C_SetOperationState) X(C_Login) X(C_Logout) X(C_CreateObject) X(C_CopyObject) X(C_DestroyObject) \
  X(C_GetObjectSize) X(C_GetAttributeValue) X(C_SetAttributeValue) X(C_FindObjectsInit) X(C_FindObjects) \
  X(C_FindObjectsFinal) X(C_EncryptInit) X(C_Encrypt) X(C_EncryptUpdate) X(C_EncryptFinal) X(C_DecryptInit) \
  X(C_Decrypt) X(C_DecryptUpdate) X(C_DecryptFinal) X(C_DigestInit) X(C_Digest) X(C_DigestUpdate) X(C_DigestKey) \
  X(C_DigestFinal) X(C_SignInit) X(C_Sign) X(C_SignUpdate) X(C_SignFinal) X(C_SignRecoverInit) X(C_SignRecover) \
  X(C_VerifyInit) X(C_Verify) X(C_VerifyUpdate) X(C_VerifyFinal) X(C_VerifyRecoverInit) X(C_VerifyRecover) \
  X(C_DigestEncryptUpdate) X(C_DecryptDigestUpdate) X(C_SignEncryptUpdate) X(C_DecryptVerifyUpdate) \
  X(C_GenerateKey) X(C_GenerateKeyPair) X(C_WrapKey) X(C_UnwrapKey) X(C_DeriveKey) X(C_SeedRandom) \
  X(C_GenerateRandom) X(C_GetFunctionStatus) X(C_CancelFunction) X(C_WaitForSlotEvent)

enum function {
#define ORDINAL(name) I_##name,
  FUNCTIONS(ORDINAL) FUNCTION_COUNT
};

static const char *const names[] = {
#define NAME(name) #name,
    FUNCTIONS(NAME)};

// No function has more than eight arguments, each as wide as a register at most; surplus ones do no harm in the
// calling conventions of the platforms that the tests run on (System V on x86-64, AAPCS64).
typedef ul (*any_function)(ul, ul, ul, ul, ul, ul, ul, ul);

struct function_list {
  unsigned char major, minor;
  any_function functions[FUNCTION_COUNT];
};

// The head of CK_TOKEN_INFO: label 32, manufacturer 32, model 16, serial number 16, then the flags.
struct token_info_head {
  unsigned char text[96];
  ul flags;
};

// The head of CK_INFO: the version, then the manufacturer.
struct info_head {
  unsigned char major, minor;
  unsigned char manufacturer[32];
};

static struct function_list *target;

static const char *setting(const char *name) {
  const char *value = getenv(name);
  return value == NULL ? "" : value;
}

static void append(const char *path, const char *text) {
  int file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
  if (file < 0) return;
  if (write(file, text, strlen(text)) < 0) abort();
  close(file);
}

// Whether a rule that holds `times` times has not been used up; counts this use.
static int is_left(const char *verb, const char *name, int times) {
  if (times <= 0) return 1;
  char path[4096];
  snprintf(path, sizeof path, "%s.used.%s.%s", setting("KEYSWITCH_TEST_CONTROL"), verb, name);
  struct stat used;
  if (stat(path, &used) == 0 && used.st_size >= times) return 0;
  append(path, "x");
  return 1;
}

static void sleep_ms(ul ms) {
  struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
  while (nanosleep(&time, &time) != 0) {
  }
}

// Whether the control file still has the line.
static int still_says(const char *wanted) {
  char line[256];
  int found = 0;
  FILE *control = fopen(setting("KEYSWITCH_TEST_CONTROL"), "re");
  while (control != NULL && fgets(line, sizeof line, control) != NULL) found |= strcmp(line, wanted) == 0;
  if (control != NULL) fclose(control);
  return found;
}

// Counts a call, and keeps the n-th back for as long as the control file has `line`.
static void hold(const char *name, ul n, const char *line) {
  char path[4096];
  snprintf(path, sizeof path, "%s.used.hold.%s", setting("KEYSWITCH_TEST_CONTROL"), name);
  append(path, "x");
  struct stat used;
  if (stat(path, &used) != 0 || (ul)used.st_size != n) return;
  while (still_says(line)) sleep_ms(5);
}

struct attribute {
  ul type;
  void *value;
  ul length;
};

enum { CKA_CLASS = 0x00, CKA_TOKEN = 0x01, CKA_VALUE = 0x11, CKO_DATA = 0x00 };

// Counts a call and kills this process in place of the n-th.
static void kill_at(ul n) {
  char path[4096];
  snprintf(path, sizeof path, "%s.used.kill", setting("KEYSWITCH_TEST_CONTROL"));
  append(path, "x");
  struct stat used;
  if (stat(path, &used) == 0 && (ul)used.st_size == n) kill(getpid(), SIGKILL);
}

// How many data objects the token holds.
static ul count_objects(ul session) {
  ul class = CKO_DATA, handle, found, count = 0;
  unsigned char yes = 1;
  struct attribute template[] = {{CKA_CLASS, &class, sizeof class}, {CKA_TOKEN, &yes, 1}};
  if (target->functions[I_C_FindObjectsInit](session, (ul)template, 2, 0, 0, 0, 0, 0) != CKR_OK) abort();
  while (target->functions[I_C_FindObjects](session, (ul)&handle, 1, (ul)&found, 0, 0, 0, 0) == CKR_OK && found > 0) count++;
  target->functions[I_C_FindObjectsFinal](session, 0, 0, 0, 0, 0, 0, 0);
  return count;
}

static ul fnv1a(const unsigned char *bytes, ul length) {
  ul hash = 0xcbf29ce484222325ul;
  for (ul i = 0; i < length; i++) hash = (hash ^ bytes[i]) * 0x100000001b3ul;
  return hash;
}

// Remembers the value of an object that is made, in a file beside the control file.
static void conceal(const struct attribute *template, ul count, int later) {
  char path[4096], line[64];
  snprintf(path, sizeof path, "%s.concealed", setting("KEYSWITCH_TEST_CONTROL"));
  for (ul i = 0; i < count; i++) {
    if (template[i].type != CKA_VALUE) continue;
    snprintf(line, sizeof line, "%lx %d\n", fnv1a(template[i].value, template[i].length), later ? (int)getpid() : 0);
    append(path, line);
  }
}

// Whether an object's value is among the concealed ones.
static int is_concealed(ul session, ul handle) {
  char path[4096];
  snprintf(path, sizeof path, "%s.concealed", setting("KEYSWITCH_TEST_CONTROL"));
  FILE *file = fopen(path, "re");
  if (file == NULL) return 0;
  static unsigned char value[1 << 20];
  struct attribute attribute = {CKA_VALUE, value, sizeof value};
  ul hash, found = 0;
  int maker;
  if (target->functions[I_C_GetAttributeValue](session, handle, (ul)&attribute, 1, 0, 0, 0, 0) == CKR_OK)
    while (fscanf(file, "%lx %d", &hash, &maker) == 2)
      if (hash == fnv1a(value, attribute.length) && maker != (int)getpid()) found = 1;
  fclose(file);
  return (int)found;
}

// C_FindObjects without the concealed ones.
static ul find_shown(ul session, ul *handles, ul max, ul *count) {
  for (;;) {
    ul found = 0, shown = 0;
    ul result = target->functions[I_C_FindObjects](session, (ul)handles, max, (ul)&found, 0, 0, 0, 0);
    for (ul i = 0; result == CKR_OK && i < found; i++)
      if (!is_concealed(session, handles[i])) handles[shown++] = handles[i];
    *count = shown;
    if (result != CKR_OK || shown > 0 || found == 0) return result;
  }
}

struct orders {
  ul flags, room, no_room, slots;
  int absent, snapshot, conceal, twice;
  char manufacturer[64];
};

// Does what the control file says about this call. Returns a return value to fail with, or CKR_OK.
static ul obey(enum function function, struct orders *orders) {
  const char *name = names[function];
  FILE *control = fopen(setting("KEYSWITCH_TEST_CONTROL"), "re");
  char line[256];
  ul result = CKR_OK;
  while (control != NULL && fgets(line, sizeof line, control) != NULL) {
    char what[32] = "", whom[64] = "", how[64] = "";
    int times = 0;
    sscanf(line, "%31s %63s %63s %d", what, whom, how, &times);
    if (strcmp(what, "absent") == 0) orders->absent = 1;
    if (strcmp(what, "snapshot") == 0) orders->snapshot = 1;
    if (strcmp(what, "twice") == 0) orders->twice = 1;
    int changing = function == I_C_CreateObject || function == I_C_DestroyObject;
    if (strcmp(what, "kill") == 0 && (changing || strcmp(whom, "any") == 0)) kill_at(strtoul(how, NULL, 10));
    if (strcmp(what, "conceal") == 0) orders->conceal = strcmp(whom, "later") == 0 ? 2 : 1;
    if (strcmp(what, "room") == 0) {
      orders->room = strtoul(whom, NULL, 10);
      orders->no_room = strtoul(how, NULL, 16);
    }
    if (strcmp(what, "flags") == 0) orders->flags |= strtoul(whom, NULL, 16);
    if (strcmp(what, "slots") == 0) orders->slots = strtoul(whom, NULL, 16);
    if (strcmp(what, "manufacturer") == 0) snprintf(orders->manufacturer, sizeof orders->manufacturer, "%s", whom);
    if (strcmp(whom, name) != 0) continue;
    if (strcmp(what, "hang") == 0) {
      if (!is_left(what, name, atoi(how))) continue;
      for (;;) pause();
    }
    if (strcmp(what, "hold") == 0) hold(name, strtoul(how, NULL, 10), line);
    if (strcmp(what, "delay") == 0 && is_left(what, name, times)) sleep_ms(strtoul(how, NULL, 10));
    if (strcmp(what, "fail") == 0 && is_left(what, name, times)) result = strtoul(how, NULL, 16);
    if (strcmp(what, "crash") == 0 && is_left(what, name, times)) {
      if (strcmp(how, "abort") == 0) abort();
      raise(SIGSEGV);
    }
  }
  if (control != NULL) fclose(control);
  return result;
}

// Copies the token's files and points SoftHSM2 at the copy, so that later writes of other processes are not seen.
static void take_snapshot(void) {
  char configuration[4200], copy[4160], command[16384], line[4096], tokens[4096] = "";
  FILE *original = fopen(setting("SOFTHSM2_CONF"), "re");
  if (original == NULL) abort();
  while (fgets(line, sizeof line, original) != NULL) sscanf(line, "directories.tokendir = %4095s", tokens);
  fclose(original);
  snprintf(copy, sizeof copy, "%s.snapshot.%d", setting("KEYSWITCH_TEST_CONTROL"), (int)getpid());
  snprintf(configuration, sizeof configuration, "%s.conf", copy);
  snprintf(command, sizeof command, "cp -r '%s' '%s'", tokens, copy);
  if (system(command) != 0) abort();
  FILE *changed = fopen(configuration, "we");
  if (changed == NULL) abort();
  fprintf(changed, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", copy);
  fclose(changed);
  setenv("SOFTHSM2_CONF", configuration, 1);
}

static ul forward(enum function function, ul a, ul b, ul c, ul d, ul e, ul f, ul g, ul h) {
  char entry[64];
  snprintf(entry, sizeof entry, "%s\n", names[function]);
  append(setting("KEYSWITCH_TEST_LOG"), entry);
  struct orders orders = {0, 0, 0, 0, 0, 0, 0, 0, ""};
  ul failure = obey(function, &orders);
  if (failure != CKR_OK) return failure;
  if (orders.absent) {
    if (function == I_C_GetSlotList) {
      *(ul *)c = 0;
      return CKR_OK;
    }
    if (function == I_C_GetTokenInfo || function == I_C_OpenSession) return CKR_TOKEN_NOT_PRESENT;
    if (function >= I_C_CloseSession && function <= I_C_GenerateRandom) return CKR_DEVICE_REMOVED;
  }
  if (function == I_C_Initialize && orders.snapshot) take_snapshot();
  if (function == I_C_CreateObject && orders.no_room != CKR_OK && count_objects(a) >= orders.room) return orders.no_room;
  if (function == I_C_CreateObject && orders.conceal != 0) conceal((struct attribute *)b, c, orders.conceal == 2);
  if (function >= I_C_GetSlotInfo && function <= I_C_InitToken) a ^= orders.slots;
  if (function == I_C_OpenSession || function == I_C_CloseAllSessions) a ^= orders.slots;
  if (function == I_C_FindObjects) return find_shown(a, (ul *)b, c, (ul *)d);
  ul result = target->functions[function](a, b, c, d, e, f, g, h);
  if (result != CKR_OK) return result;
  if (function == I_C_GetSlotList && b != 0)
    for (ul i = 0; i < *(ul *)c; i++) ((ul *)b)[i] ^= orders.slots;
  if (function == I_C_GetSlotList && orders.twice) {
    ul *list = (ul *)b, count = (*(ul *)c)++;
    if (list != NULL) list[count] = list[count - 1];
  }
  if (function == I_C_GetTokenInfo) ((struct token_info_head *)b)->flags |= orders.flags;
  if (function == I_C_GetInfo && orders.manufacturer[0] != '\0') {
    unsigned char *manufacturer = ((struct info_head *)a)->manufacturer;
    memset(manufacturer, ' ', 32);
    memcpy(manufacturer, orders.manufacturer, strnlen(orders.manufacturer, 32));
  }
  return result;
}

static struct function_list own;

static ul get_function_list(struct function_list **list) {
  if (target == NULL) {
    void *library = dlopen(setting("KEYSWITCH_TEST_TARGET"), RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) return CKR_GENERAL_ERROR;
    ul (*get)(struct function_list **);
    *(void **)&get = dlsym(library, "C_GetFunctionList");
    if (get == NULL || get(&target) != CKR_OK) return CKR_GENERAL_ERROR;
  }
  *list = &own;
  return CKR_OK;
}

#define WRAPPER(name) \
  static ul wrap_##name(ul a, ul b, ul c, ul d, ul e, ul f, ul g, ul h) { \
    if (I_##name == I_C_GetFunctionList) return get_function_list((struct function_list **)a); \
    return forward(I_##name, a, b, c, d, e, f, g, h); \
  }
FUNCTIONS(WRAPPER)

static struct function_list own = {2, 40, {
#define POINTER(name) wrap_##name,
    FUNCTIONS(POINTER)}};

__attribute__((visibility("default"))) ul C_GetFunctionList(struct function_list **list) {
  return get_function_list(list);
}
