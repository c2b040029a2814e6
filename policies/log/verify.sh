#!/bin/sh
# Checks this evidence without any of our code: openssl, sha256sum and POSIX tools. It needs no network.
#
#   sh verify.sh [TRUST]      TRUST is a trust policy that you hold from elsewhere. Without it the one in this
#                             folder is used, which proves only that the evidence agrees with itself.
#
# 1. every file is as SHA256SUMS says        4. the head is signed by the log, with Ed25519
# 2. every document has the name of its hash 5. enough witnesses cosigned it
# 3. the entries give the root of the head   6. nothing else lies here
# Exit code 0: all holds. 1: something does not, and it is said what. 2: something is missing to check with.
set -euf
LC_ALL=C; export LC_ALL
trust=${1:-}
case $trust in ''|/*) ;; *) trust="$(pwd)/$trust" ;; esac
cd "$(dirname "$0")" 2>/dev/null || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM

say() { printf '%s\n' "$*"; }
fail() { say "FAILED: $*"; exit 1; }
for tool in openssl sha256sum base64 od awk sed sort find xargs cut tr cmp; do
    command -v "$tool" >/dev/null || { say "This needs $tool, which is not here."; exit 2; }
done

# Hexadecimal digits on standard input become bytes on standard output.
escapes='BEGIN { for (i = 0; i < 256; i++) o[sprintf("%02x", i)] = sprintf("\\%03o", i) }'
bytes() { awk "$escapes"'{ s = ""; for (k = 1; k < length($1); k += 2) s = s o[substr($1, k, 2)]; print s }' |
    { read -r line; printf "$line"; }; }
hex() { od -An -v -tx1 | tr -d ' \n'; }

# 1. Files.
sha256sum --check --strict --quiet SHA256SUMS || fail "a file is not as SHA256SUMS says."
sed 's/^[^ ]* [ *]//' SHA256SUMS | sort > "$work/listed"
find . -type f ! -path ./SHA256SUMS | sed 's/^\.\///' | sort > "$work/found"
cmp -s "$work/listed" "$work/found" || fail "this folder holds files that SHA256SUMS does not list."
[ -z "$(find . ! -type f ! -type d)" ] || fail "this folder holds links or devices."
say "ok  files are as SHA256SUMS says"

# 2. Documents.
if [ -d objects ]; then
    find objects -type f | sort | xargs sha256sum | while read -r sum name; do
        [ "$name" = "objects/sha256/$(printf %s "$sum" | cut -c1-2)/$(printf %s "$sum" | cut -c3-)" ] || exit 1
    done || fail "a document is not what its name says."
    say "ok  documents have the names of their hashes"
fi

# 3. The tree (RFC 6962), from the entries alone. A leaf is SHA-256(0x00 || entry), a node SHA-256(0x01 || left || right).
[ "$(awk 'NF == 0 { print NR; exit }' checkpoint)" = 4 ] || fail "the checkpoint has not three lines and a blank one."
size=$(sed -n 2p checkpoint)
case $size in ''|*[!0-9]*) fail "the checkpoint has no size." ;; esac
root=$(sed -n 3p checkpoint | base64 -d | hex)
mkdir "$work/leaf"
sed -n 's/^[0-9a-f]* [ *]\(tile\/entries\/.*\)$/\1/p' SHA256SUMS > "$work/names"
# Of a bundle's files, the widest is the one that counts; the number in its path puts it in order.
awk '{ p = $0; w = 256; if (match(p, /\.p\/[0-9]+$/)) { w = substr(p, RSTART + 3) + 0; p = substr(p, 1, RSTART - 1) }
    n = p; sub(/^tile\/entries\//, "", n); gsub(/[x\/]/, "", n)
    if (w > best[n + 0]) { best[n + 0] = w; file[n + 0] = $0 } }
    END { for (n in file) print n, file[n] }' "$work/names" | sort -n > "$work/bundles"
expected=0 index=0
while read -r n name; do
    [ "$n" = "$expected" ] || fail "bundle $expected of the entries is not here."
    expected=$((expected + 1))
    od -An -v -tu1 "$name" | tr -s ' ' '\n' | sed '/^$/d' > "$work/bytes"
    # Each entry becomes one line of escapes for printf, behind the 0x00 that marks a leaf.
    awk '{ b = $1 + 0
           if (state == 0) { len = b * 256; state = 1 }
           else if (state == 1) { len += b; s = "\\000"; state = len ? 2 : 3 }
           else { s = s sprintf("\\%03o", b); if (--len == 0) state = 3 }
           if (state == 3) { print s; state = 0 } }
         END { if (state) exit 1 }' "$work/bytes" > "$work/escaped" || fail "$name is cut off."
    while read -r line; do
        printf "$line" > "$work/leaf/$(printf %09d "$index")"
        index=$((index + 1))
    done < "$work/escaped"
done < "$work/bundles"
[ "$index" = "$size" ] || fail "the head states $size entries and $index are here."
hashes() { (cd "$1" && find . -type f | sort | xargs sha256sum | cut -d' ' -f1); }
if [ "$size" = 0 ]; then printf '' | sha256sum | cut -d' ' -f1 > "$work/level"; else hashes "$work/leaf" > "$work/level"; fi
while [ "$(wc -l < "$work/level")" -gt 1 ]; do
    rm -rf "$work/node"; mkdir "$work/node"
    # Pairs of hashes become escapes behind 0x01; an odd one at the end goes up as it is.
    awk "$escapes"'{ h[NR] = $1 }
         END { for (i = 1; i < NR; i += 2) { s = "\\001"; t = h[i] h[i + 1]
                 for (k = 1; k < 128; k += 2) s = s o[substr(t, k, 2)]; print s } }' "$work/level" > "$work/escaped"
    odd=$(awk '{ last = $1 } END { if (NR % 2) print last }' "$work/level")
    place=0
    while read -r line; do
        printf "$line" > "$work/node/$(printf %09d "$place")"
        place=$((place + 1))
    done < "$work/escaped"
    { hashes "$work/node"; [ -z "$odd" ] || say "$odd"; } > "$work/next"
    mv "$work/next" "$work/level"
done
[ "$(cat "$work/level")" = "$root" ] || fail "the entries do not give the root of the head."
say "ok  $size entries give the root of the head"

# 4. and 5. Signatures. A line is an em dash, a name and base64(4 bytes of key id || signature).
trust=${trust:-trust.policy}
[ -r "$trust" ] || { say "There is no trust policy $trust."; exit 2; }
sed -n '1,3p' checkpoint > "$work/body"
origin=$(sed -n 1p checkpoint)
sed '1,4d' checkpoint > "$work/signatures"

# holds NAME KEYID TYPE PUBLIC: whether the checkpoint has a signature by this key, and it holds.
holds() {
    while read -r dash name data; do
        [ "$name" = "$1" ] || continue
        sig=$(printf '%s\n' "$data" | base64 -d 2>/dev/null | hex) || continue
        [ "$(printf %s "$sig" | cut -c1-8)" = "$2" ] || continue
        sig=$(printf %s "$sig" | cut -c9-)
        if [ "$3" = 04 ]; then
            stamp=$(printf %d "0x$(printf %s "$sig" | cut -c1-16)") || return 1
            sig=$(printf %s "$sig" | cut -c17-)
            { printf 'cosignature/v1\ntime %s\n' "$stamp"; cat "$work/body"; } > "$work/message"
        else
            cp "$work/body" "$work/message"
        fi
        [ "${#sig}" = 128 ] || return 1
        say "$sig" | bytes > "$work/sig"
        say "302a300506032b6570032100$4" | bytes > "$work/key"
        openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey "$work/key" -sigfile "$work/sig" \
            -in "$work/message" >/dev/null 2>&1
        return
    done < "$work/signatures"
    return 1
}

# key VKEY: its name, key id, type and public key, in words; nothing when it is not what it says.
key() {
    name=${1%%+*}; rest=${1#*+}; id=${rest%%+*}
    material=$(printf '%s\n' "${rest#*+}" | base64 -d 2>/dev/null | hex) || return 1
    [ "$({ printf '%s\n' "$name"; say "$material" | bytes; } | sha256sum | cut -c1-8)" = "$id" ] || return 1
    say "$name $id $(printf %s "$material" | cut -c1-2) $(printf %s "$material" | cut -c3-)"
}

signed=no quorum= vouched=' none '
while read -r word one two rest; do
    case $word in
    log)
        set -- $(key "$one") || continue
        if [ "${1-}" = "$origin" ] && [ "$3" = 01 ] && holds "$@"; then signed=yes; say "ok  signed by $1"; fi ;;
    witness)
        set -- $(key "$two") || continue
        if [ "${3-}" = 04 ] && holds "$@"; then vouched="$vouched$one "; say "ok  cosigned by $1"; fi
        [ "${3-}" != 06 ] || say "--  ML-DSA-44 of $1 is not checked here; equerry audit verify does" ;;
    group)
        count=0 members=0
        for member in $rest; do
            members=$((members + 1))
            case $vouched in *" $member "*) count=$((count + 1)) ;; esac
        done
        case $two in all) two=$members ;; any) two=1 ;; esac
        if [ "$count" -ge "$two" ]; then vouched="$vouched$one "; fi ;;
    quorum) quorum=$one ;;
    esac
done < "$trust"
[ "$signed" = yes ] || fail "no trusted log of the name $origin signed the head."
case $vouched in *" ${quorum:--} "*) say "ok  the quorum $quorum vouched for the head" ;;
*) fail "the quorum $quorum did not vouch for the head." ;; esac
[ "$trust" != trust.policy ] || say "--  the trust policy came with the evidence: compare it with one that you hold"
say "All of it holds: $origin, $size entries, root $root."
