#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the credentials that an installation needs: certificates, tokens, the PIN's Secret; and rotates them.
set -euo pipefail
umask 077

usage() {
  cat <<'USAGE'
usage: scripts/credentials.sh [--apply | --dir DIR | --reread] [options]

Without --apply, --dir or --reread, prints the Secrets' manifests (for a pipe into sealing or encrypting tools).
  --apply               create the Secrets with kubectl; refuses if one exists
  --dir DIR             write plain files for a local run (mode 0600), valid for localhost too
  --reread              have Metacontroller read the CA and the token of its hooks again, and do nothing else
  --rotate              replace what exists; with --apply, certificates and tokens while the old ones still work
  --wait SECONDS        how long --rotate waits, twice, until each pod has seen a changed Secret (default 120; with 0 hooks
                        are refused until then)
  --rotate-tokens STEP  with --apply: the same for tokens, a step at a time; STEP is add, then use, then drop
  --only LIST           a comma-separated choice of tls, tokens, pin (default: these; never the PIN with --dir), bot, discovery,
                        role; or write, with --apply: the token for writing alone, into the Secret that has the one for reading
  --pin-file FILE       read the PIN from FILE in place of asking for it
  --keep-ca DIR         keep the CA's key and certificate in DIR, or use those that are there (default: thrown away)
  --san [SERVICE=]NAME  another DNS name or IP address of the certificates; SERVICE is webhook, agent, bot or discovery (default: all)
  --days N              how long the servers' certificates are valid (default 825)
  --namespace NAME      default keyswitch
USAGE
}

fail() {
  echo "credentials.sh: $*" >&2
  exit 1
}

mode=print dir= rotate=false step= only=tls,tokens,pin pin_file= ca_dir= days=825 namespace=keyswitch pods_see=120
extra_webhook=() extra_agent=() extra_bot=() extra_discovery=()

while [ $# -gt 0 ]; do
  case $1 in
    --apply | --reread) [ "$mode" = print ] || fail "--apply, --dir and --reread exclude each other"; mode=${1#--}; shift; continue ;;
    --rotate) rotate=true; shift; continue ;;
    -h | --help) usage; exit 0 ;;
    --dir | --rotate-tokens | --only | --pin-file | --keep-ca | --san | --days | --namespace | --wait)
      { [ $# -ge 2 ] && [ -n "$2" ]; } || fail "$1 needs a value" ;;
    *) usage >&2; fail "unknown option: $1" ;;
  esac
  case $1 in
    --dir) [ "$mode" = print ] || fail "--apply, --dir and --reread exclude each other"; mode=dir dir=$2 ;;
    --rotate-tokens) step=$2 ;;
    --only) only=$2 ;;
    --pin-file) pin_file=$2 ;;
    --keep-ca) ca_dir=$2 ;;
    --san)
      case ${2#*=} in *[!A-Za-z0-9.:*-]* | "") fail "--san: not a DNS name or an IP address: ${2#*=}" ;; esac
      case $2 in
        webhook=*) extra_webhook+=("${2#*=}") ;;
        agent=*) extra_agent+=("${2#*=}") ;;
        bot=*) extra_bot+=("${2#*=}") ;;
        discovery=*) extra_discovery+=("${2#*=}") ;;
        *=*) fail "--san: SERVICE must be webhook, agent, bot or discovery" ;;
        *) extra_webhook+=("$2") extra_agent+=("$2") extra_bot+=("$2") extra_discovery+=("$2") ;;
      esac ;;
    --wait) case $2 in *[!0-9]*) fail "--wait must be a number of seconds" ;; esac; pods_see=$2 ;;
    --days) case $2 in *[!0-9]*) fail "--days must be a number of days" ;; esac; days=$2 ;;
    --namespace) case $2 in *[!a-z0-9-]*) fail "--namespace: not a namespace's name: $2" ;; esac; namespace=$2 ;;
  esac
  shift 2
done
case $step in "" | add | use | drop) ;; *) fail "--rotate-tokens must be add, use or drop" ;; esac
[ -z "$step" ] || [ "$mode" = apply ] || fail "--rotate-tokens needs --apply"
[ "$mode" != reread ] || [ "$rotate" = false ] || fail "--rotate goes with --apply or --dir"
if [ "$only" = write ]; then
  [ "$mode" = apply ] && [ -z "$step" ] || fail "--only write is for --apply, without --rotate-tokens"
else
  for part in ${only//,/ }; do
    case $part in
      tls | tokens | pin | bot | discovery | role) ;;
      write) fail "--only write goes with no other part" ;;
      *) fail "--only knows tls, tokens, pin, bot, discovery, role and write, not $part" ;;
    esac
  done
fi
wants() { case ,$only, in *,"$1",*) true ;; *) false ;; esac; }
if [ "$mode" = apply ] && [ "$rotate" = true ] && wants role; then
  fail "the token for roles is replaced with the others, by --rotate --only tokens, so that no agent loses its role"
fi
if [ "$mode" = print ] && [ -t 1 ]; then
  fail "standard output is a terminal, and keys don't belong there: use --apply, --dir, or a pipe"
fi
command -v openssl >/dev/null || fail "openssl is not installed"
[ "$mode" = print ] || [ "$mode" = dir ] || command -v kubectl >/dev/null || fail "kubectl is not installed"

# Everything secret is a file in here, or goes through a pipe: never an argument of a process.
work=$(mktemp -d)
terminal=
end_work() {
  rm -rf "$work"
  [ -z "$terminal" ] || stty "$terminal" </dev/tty
}
trap end_work EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- making ----

make_ca() {
  if [ -n "$ca_dir" ] && [ -e "$ca_dir/ca.key" ]; then
    cp "$ca_dir/ca.key" "$ca_dir/ca.crt" "$work/" || fail "$ca_dir must hold ca.key and ca.crt"
    return
  fi
  openssl ecparam -name prime256v1 -genkey -noout -out "$work/ca.key"
  {
    printf '[req]\ndistinguished_name=dn\nx509_extensions=ca\nprompt=no\n[dn]\nCN=keyswitch-ca\n'
    printf '[ca]\nbasicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n'
  } >"$work/ca.cnf"
  openssl req -new -x509 -sha256 -days 3650 -key "$work/ca.key" -config "$work/ca.cnf" -out "$work/ca.crt"
  if [ -n "$ca_dir" ]; then
    mkdir -p "$ca_dir"
    cp "$work/ca.key" "$work/ca.crt" "$ca_dir/"
  fi
}

# make_certificate SERVICE [NAME…]: SERVICE.crt and SERVICE.key, for the Service's names and the others.
make_certificate() {
  local service=$1 san="" name
  shift
  local host=keyswitch-$service
  for name in "$host" "$host.$namespace" "$host.$namespace.svc" "$host.$namespace.svc.cluster.local" "$@"; do
    case $name in
      *:* | [0-9]*.[0-9]*.[0-9]*.[0-9]*) san+=",IP:$name" ;;
      *) san+=",DNS:$name" ;;
    esac
  done
  openssl ecparam -name prime256v1 -genkey -noout -out "$work/$service.key"
  printf '[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=%s\n' "$host" >"$work/$service.cnf"
  {
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n'
    printf 'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nsubjectAltName=%s\n' "${san#,}"
  } >"$work/$service.ext"
  openssl req -new -sha256 -key "$work/$service.key" -config "$work/$service.cnf" -out "$work/$service.csr"
  openssl x509 -req -sha256 -days "$days" -in "$work/$service.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" \
    -set_serial "0x$(openssl rand -hex 16)" -extfile "$work/$service.ext" -out "$work/$service.crt" 2>"$work/$service.log" ||
    { cat "$work/$service.log" >&2; fail "openssl could not sign the certificate of $host"; }
}

# make_token FILE: 256 random bits in hex, without a newline, which has no place in a header.
make_token() { openssl rand -hex 32 | tr -d '\n' >"$work/$1"; }

read_pin() {
  if [ -n "$pin_file" ]; then
    [ -r "$pin_file" ] || fail "--pin-file: $pin_file can't be read"
    # Without the end of the line; a second line is not a part of the PIN.
    { [ "$(wc -l <"$pin_file")" -le 1 ] && [ "$(tail -n +2 "$pin_file" | wc -c)" -eq 0 ]; } || fail "--pin-file: $pin_file holds more than one line"
    tr -d '\r\n' <"$pin_file" >"$work/pin"
  else
    local pin again
    { exec 3<>/dev/tty; } 2>/dev/null || fail "no terminal to ask for the PIN: use --pin-file, or leave the PIN out with --only tls,tokens"
    # Before the prompt, so that what is typed at once is not shown either; end_work turns it on again.
    terminal=$(stty -g <&3)
    stty -echo <&3
    printf 'PIN of the token (not shown): ' >&3
    IFS= read -r pin <&3
    printf '\nOnce more: ' >&3
    IFS= read -r again <&3
    printf '\n' >&3
    stty "$terminal" <&3
    terminal=
    exec 3>&-
    [ "$pin" = "$again" ] || fail "the two PINs differ"
    printf '%s' "$pin" >"$work/pin"
  fi
  [ -s "$work/pin" ] || fail "the PIN is empty"
  # The agent refuses such a file before the token sees it.
  LC_ALL=C tr -d '[:cntrl:]' <"$work/pin" | cmp -s - "$work/pin" || fail "the PIN holds a control character"
  ! LC_ALL=C grep -Eq '^[[:space:]]|[[:space:]]$' "$work/pin" || fail "the PIN begins or ends with a blank"
}

# ---- writing ----

# print_secret NAME TYPE KEY=FILE…: the manifest of a Secret whose values are files in the work directory.
print_secret() {
  local name=$1 type=$2 entry
  shift 2
  printf -- '---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: %s\n' "$name" "$namespace"
  printf '  labels:\n    app.kubernetes.io/part-of: keyswitch\ntype: %s\ndata:\n' "$type"
  for entry in "$@"; do
    printf '  %s: %s\n' "${entry%%=*}" "$(openssl base64 -A -in "$work/${entry#*=}")"
  done
}

# print_tls STATE: new, or a step of a rotation, in which the old and the new CA are trusted.
print_tls() {
  local service old ca
  for service in webhook agent; do
    case $1 in
      new | drop) old= ca=ca.crt ;;
      use) old= ca=$service.both.crt ;;
      add) old=old. ca=$service.both.crt ;;
    esac
    print_secret "keyswitch-$service-tls" kubernetes.io/tls "tls.crt=$old$service.crt" "tls.key=$old$service.key" "ca.crt=$ca"
  done
}

# Metacontroller sends the whole of token; the webhook accepts each line of accepted.
print_tokens() {
  print_secret keyswitch-hook-token Opaque token=hook-token accepted=hook-tokens
  local agent=(read=agent-read-token)
  # An agent that nobody may write to has none.
  [ ! -e "$work/agent-write-token" ] || agent+=(write=agent-write-token)
  print_secret keyswitch-agent-token Opaque "${agent[@]}"
}

# print_part PART: the Secrets of one of the parts of --only.
print_part() {
  case $1 in
    tls) print_tls new ;;
    tokens) print_tokens ;;
    pin) print_secret keyswitch-pkcs11 Opaque pin=pin ;;
    bot)
      print_secret keyswitch-bot-tls kubernetes.io/tls tls.crt=bot.crt tls.key=bot.key ca.crt=ca.crt
      print_secret keyswitch-bot-metrics Opaque token=bot-metrics-token ;;
    discovery)
      print_secret keyswitch-discovery-tls kubernetes.io/tls tls.crt=discovery.crt tls.key=discovery.key ca.crt=ca.crt
      print_secret keyswitch-discovery-token Opaque read=discovery-read-token ;;
    # A Secret of its own: who may read or write secrets can't make an agent the primary by that.
    role) print_secret keyswitch-role-token Opaque role=role-token ;;
  esac
}

print_secrets() {
  local part
  for part in tls tokens pin bot discovery role; do
    ! wants "$part" || print_part "$part"
  done
}

secrets_of() {
  case $1 in
    tls) printf '%s\n' keyswitch-webhook-tls keyswitch-agent-tls ;;
    tokens) printf '%s\n' keyswitch-hook-token keyswitch-agent-token ;;
    pin) printf '%s\n' keyswitch-pkcs11 ;;
    bot) printf '%s\n' keyswitch-bot-tls keyswitch-bot-metrics ;;
    discovery) printf '%s\n' keyswitch-discovery-tls keyswitch-discovery-token ;;
    role) printf '%s\n' keyswitch-role-token ;;
  esac
}

secret_names() {
  local part
  for part in tls tokens pin bot discovery role; do
    ! wants "$part" || secrets_of "$part"
  done
}

# Not a client-side apply: that would copy the values into an annotation.
replace_secrets() { kubectl apply --server-side --force-conflicts --field-manager=keyswitch-credentials -f -; }

# The Secret keeps its other keys: to the API server this is another manager's field.
set_write_token() {
  local found
  found=$(kubectl -n "$namespace" get secret keyswitch-agent-token -o 'jsonpath={.data.write}')
  [ -z "$found" ] || [ "$rotate" = true ] ||
    fail "the Secret $namespace/keyswitch-agent-token has a key write: nothing was changed (--rotate replaces it)"
  make_token agent-write-token
  print_secret keyswitch-agent-token Opaque write=agent-write-token |
    kubectl apply --server-side --force-conflicts --field-manager=keyswitch-write -f -
}

# ---- the steps ----

# shellcheck source=scripts/credentials-rotation.sh
. "$(dirname "${BASH_SOURCE[0]}")/credentials-rotation.sh"

if [ "$mode" = reread ]; then
  reread_credentials
  exit 0
fi
if [ -n "$step" ]; then
  stepwise=tokens
  rotation_step "$step"
  say_next "$step"
  exit 0
fi
if [ "$only" = write ]; then
  set_write_token
  exit 0
fi

if [ "$mode" = dir ]; then
  case $only in tls,tokens,pin) only=tls,tokens ;; esac
  extra_webhook+=(localhost 127.0.0.1 ::1) extra_agent+=(localhost 127.0.0.1 ::1)
  extra_bot+=(localhost 127.0.0.1 ::1) extra_discovery+=(localhost 127.0.0.1 ::1)
fi
files=()
! wants tls || files+=(ca.crt webhook.crt webhook.key agent.crt agent.key)
! wants tokens || files+=(hook-token agent-read-token agent-write-token)
! wants pin || files+=(pin)
! wants bot || files+=(bot.crt bot.key bot-metrics-token)
! wants discovery || files+=(discovery.crt discovery.key discovery-read-token)
! wants role || files+=(role-token)
wants tls || { ! wants bot && ! wants discovery; } || files+=(ca.crt)

if [ "$rotate" = false ]; then
  case $mode in
    dir)
      for file in "${files[@]}"; do
        [ ! -e "$dir/$file" ] || fail "$dir/$file exists: nothing was changed (--rotate replaces it)"
      done ;;
    apply)
      # Checked before anything is made, so that a refusal changes nothing.
      for name in $(secret_names); do
        found=$(kubectl -n "$namespace" get secret "$name" --ignore-not-found -o name)
        [ -z "$found" ] || fail "the Secret $namespace/$name exists: nothing was changed (--rotate replaces it, --only leaves it out)"
      done ;;
  esac
fi

stepwise=
if [ "$mode" = apply ] && [ "$rotate" = true ]; then choose_stepwise; fi

if wants tls || wants bot || wants discovery; then make_ca; fi
if wants tls; then
  make_certificate webhook ${extra_webhook[@]+"${extra_webhook[@]}"}
  make_certificate agent ${extra_agent[@]+"${extra_agent[@]}"}
fi
if wants tokens && ! goes_stepwise tokens; then
  for file in hook-token agent-read-token agent-write-token; do make_token "$file"; done
  cp "$work/hook-token" "$work/hook-tokens"
fi
! wants pin || read_pin
! wants role || make_token role-token
if wants bot; then
  make_certificate bot ${extra_bot[@]+"${extra_bot[@]}"}
  make_token bot-metrics-token
fi
if wants discovery; then
  make_certificate discovery ${extra_discovery[@]+"${extra_discovery[@]}"}
  make_token discovery-read-token
fi

case $mode in
  print) print_secrets ;;
  dir)
    mkdir -p "$dir"
    for file in "${files[@]}"; do
      # Beside and renamed, so that a reader sees the old file or the new one.
      cp "$work/$file" "$dir/.$file.new"
      mv -f "$dir/.$file.new" "$dir/$file"
    done ;;
  apply)
    if [ "$rotate" = true ]; then
      rotate_all
    else
      print_secrets | kubectl create -f -
    fi ;;
esac
