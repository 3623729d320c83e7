#!/usr/bin/env bash
# scripts/install-deps on systems that are and are not Debian 12, told apart by a made-up os-release.
# In PATH are stand-ins for Debian's tools, so that nothing is asked for or installed.
# usage: install_deps_test.sh INSTALL_DEPS
set -euo pipefail

install_deps=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

mkdir "$folder/bin"
printf '#!/bin/sh\necho "$@" >>"%s/apt-get.log"\n' "$folder" >"$folder/bin/apt-get"
# shellcheck disable=SC2016  # the stand-ins' own variables
printf '#!/bin/sh\necho "${INSTALLED:-installed}"\n' >"$folder/bin/dpkg-query"
printf '#!/bin/sh\nexec "$@"\n' >"$folder/bin/sudo"
chmod +x "$folder"/bin/*
PATH=$folder/bin:$PATH

fail() {
  echo "install_deps_test: $1" >&2
  exit 1
}

# run OS_RELEASE_TEXT [PURPOSE]: sets `code` and `said`. Without a text there is no such file.
run() {
  rm -f "$folder/apt-get.log" "$folder/os-release"
  [ -z "$1" ] || printf '%b' "$1" >"$folder/os-release"
  code=0
  said=$(OS_RELEASE=$folder/os-release bash "$install_deps" "${2:-train}" 2>&1) || code=$?
}

expect_refused() {
  [ "$code" -eq 1 ] || fail "$1: expected exit code 1, got $code"
  for part in "this is not Debian 12" "so nothing was installed" libhwy-dev dataset-fashion-mnist \
    "cmake --preset release" "$2"; do
    [[ $said == *"$part"* ]] || fail "$1: '$part' is not in: $said"
  done
  [ ! -e "$folder/apt-get.log" ] || fail "$1: apt-get was run: $(cat "$folder/apt-get.log")"
}

export INSTALLED=not-installed
run 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"\n'
expect_refused "a derivative" "'ubuntu 22.04'"
run 'NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID=12\n'
expect_refused "a derivative of the same number" "'linuxmint 12'"
run 'ID=debian\nVERSION_ID="13"\n'
expect_refused "a later Debian" "'debian 13'"
run 'ID=debian\nVERSION_CODENAME=trixie\n'
expect_refused "Debian testing" "'debian '"
run ''
expect_refused "no os-release" "os-release says ' '"
run 'ID=fedora\nVERSION_ID=39\n' bench
expect_refused "another purpose" libceres-dev

# The controls: Debian 12 is taken for what it is.
for text in 'PRETTY_NAME="x"\nID=debian\nVERSION_ID="12"\n' "ID='debian'\nVERSION_ID=12\n"; do
  run "$text"
  [ "$code" -eq 0 ] || fail "Debian 12: expected exit code 0, got $code: $said"
  grep -q 'install .*libhwy-dev' "$folder/apt-get.log" || fail "Debian 12: nothing was installed"
done
INSTALLED=installed
run 'ID=debian\nVERSION_ID="12"\n'
[ "$code$said" = 0 ] || fail "all installed: expected silence, got $code: $said"
[ ! -e "$folder/apt-get.log" ] || fail "all installed: apt-get was run"
run '' nonsense
[ "$code" -eq 2 ] || fail "an unknown purpose: expected exit code 2, got $code"
