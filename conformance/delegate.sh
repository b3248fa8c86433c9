#!/bin/sh
# A delegate that does nothing: it records each call in ../delegate/<number>/{environ,stdin}, and prints and exits as
# ../delegate/<verb>.{stdout,stderr,exit} say.
PATH=${PATH:-/usr/sbin:/usr/bin:/sbin:/bin}
home=${0%/*}/../delegate
number=1
until mkdir "$home/$number" 2>/dev/null; do
    number=$((number + 1))
    [ "$number" -gt 999 ] && exit 99
done
cat /proc/$$/environ >"$home/$number/environ"
cat >"$home/$number/stdin"
answer=$home/$CNI_COMMAND
if [ -f "$answer.stdout" ]; then cat "$answer.stdout"; fi
if [ -f "$answer.stderr" ]; then cat "$answer.stderr" >&2; fi
code=0
if [ -f "$answer.exit" ]; then read -r code <"$answer.exit"; fi
exit "$code"
