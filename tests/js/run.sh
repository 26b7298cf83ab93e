#!/bin/sh
# Runs the tests of this folder; exits with 77, which ctest reports as skipped, where it cannot.
cd "$(dirname "$0")" || exit 1
if ! command -v node >/dev/null; then
  echo "SKIPPED: the protocol tests in JavaScript need node 20 or later, which is not installed"
  exit 77
fi
if [ ! -d node_modules/ws ]; then
  echo "SKIPPED: the protocol tests in JavaScript need their packages: run npm ci in tests/js"
  exit 77
fi
exec node --test
