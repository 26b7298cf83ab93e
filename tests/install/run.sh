#!/usr/bin/env bash
# run.sh STEP: one test of the package that `cmake --install` writes. ctest sets the environment
# (CMakeLists.txt here) and runs the step `package` before the others, which share what it makes.
set -euo pipefail

work=$BUILD_DIR/tests/install/work
prefix=$work/moved
# What a program may link that only wants the client, and what it may not.
server_libraries='lmdb|caf_core|sqlite3|spdlog|fmt'
server_symbols=' (mdb_|sqlite3_|_ZNK?3caf)'

fail() {
  echo "$*" >&2
  exit 1
}

# A cache of compilations is used where the build has one; the work folder is always the same, so
# that what did not change is not compiled again.
compile() {
  ${CXX_LAUNCHER:-} "$CXX" -std=c++20 -Wall -Wextra -Werror "$@"
}

# configure_and_build PROJECT [ARGS]: a project of its own, in $work/PROJECT's name.
configure_and_build() {
  local project=$1 build=$work/${1##*/}
  shift
  rm -rf "$build"
  "$CMAKE" -S "$project" -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_CXX_COMPILER_LAUNCHER="${CXX_LAUNCHER:-}" "$@"
  "$CMAKE" --build "$build"
}

# Installs, moves, and looks for what would not survive a move.
package() {
  rm -rf "$work"
  "$CMAKE" --install "$BUILD_DIR" --prefix "$work/first" >/dev/null
  mv "$work/first" "$prefix"

  local file
  for file in bin/kontract include/kontract/runtime/runtime.hpp include/kontract/net/client.hpp \
    share/doc/kontract/LICENSE; do
    [[ -f $prefix/$file ]] || fail "$file is not installed"
  done
  if find "$prefix/include" -path '*/detail/*' -o -name '*_impl.hpp' | grep .; then
    fail "headers that are no public ones are installed (above)"
  fi
  if find "$prefix" \( -name '*.cmake' -o -name '*.pc' \) -print0 |
    xargs -0 grep -n -e "$SOURCE_DIR" -e "$BUILD_DIR" -e "$work"; then
    fail "the package names folders outside of it (above)"
  fi
  [[ $("$prefix/bin/kontract" version) == "kontract $VERSION" ]] || fail "the program does not run"
}

# Every installed header compiles alone, and brings neither Asio nor LMDB.
headers() {
  local out=$work/headers cflags
  rm -rf "$out"
  mkdir -p "$out"
  cflags=$(pkg_config --cflags kontract)
  export -f compile
  export out cflags prefix CXX CXX_LAUNCHER
  (cd "$prefix/include/kontract" && find . -name '*.hpp' -printf '%P\n') | sort >"$out/list"
  (($(wc -l <"$out/list") > 2)) || fail "no headers are installed"
  xargs -P 2 -n 1 bash -c '
    unit=$out/${1//\//-}.cpp
    echo "#include \"$1\"" >"$unit"
    compile $cflags -c "$unit" -o "$unit.o" -MD -MF "$unit.d" || { echo "$1 does not compile alone"; exit 1; }
    if grep -m 1 -E "asio/|beast/|lmdb\.h|sqlite3\.h" "$unit.d"; then
      echo "$1 includes what no user needs to have (above)"
      exit 1
    fi' compile_header <"$out/list"
  echo "$(wc -l <"$out/list") headers"
}

pkg_config() {
  PKG_CONFIG_PATH=$prefix/$LIBDIR/pkgconfig pkg-config "$@"
}

# examples/external, by find_package and by pkg-config.
external() {
  local project=$SOURCE_DIR/examples/external expected='{"age":30,"name":"Ann"}' said
  configure_and_build "$project"
  said=$("$work/external/external")  # with what the server logs
  grep -Fxq "$expected" <<<"$said" || fail "external says: $said"

  # shellcheck disable=SC2046
  compile -O2 -c "$project/main.cpp" $(pkg_config --cflags kontract) -o "$work/external/main.o"
  # shellcheck disable=SC2046
  "$CXX" "$work/external/main.o" $(pkg_config --libs kontract) -Wl,-rpath,"$prefix/$LIBDIR" \
    -o "$work/external/by_pkg_config"
  said=$("$work/external/by_pkg_config")
  grep -Fxq "$expected" <<<"$said" || fail "external, built with pkg-config, says: $said"
}

# brings_no_server PROGRAM: neither as a library nor as code of one.
brings_no_server() {
  local needed
  needed=$(readelf -d "$1" | grep NEEDED)
  if grep -E "$server_libraries" <<<"$needed" || ldd "$1" | grep -E "$server_libraries"; then
    fail "$1 needs libraries of the server (above)"
  fi
  if nm "$1" | grep -m 5 -E "$server_symbols"; then
    fail "$1 contains code of the server (above)"
  fi
}

# calls_a_server PROGRAM: against the installed program, on a port that is free.
calls_a_server() {
  local data=$work/client_only/data line url said
  rm -rf "$data"
  coproc server { exec "$prefix/bin/kontract" serve --port 0 --data "$data" --log-level warning; }
  # shellcheck disable=SC2064
  trap "kill $server_PID" EXIT
  read -r line <&"${server[0]}"
  [[ $line == "listening on "* ]] || fail "the installed program says: $line"
  url=ws://${line#listening on }
  said=$("$1" "$url")
  trap - EXIT
  kill "$server_PID"
  wait "$server_PID" || fail "the installed program does not end well"
  [[ $said == '{"name":"Bob"}' ]] || fail "$1 says: $said"
}

# A program that only calls, by find_package where nothing of the server's can be found, and by
# pkg-config.
client() {
  local project=$SOURCE_DIR/tests/install/client_only program
  configure_and_build "$project" -DCMAKE_DISABLE_FIND_PACKAGE_CAF=ON \
    -DCMAKE_DISABLE_FIND_PACKAGE_spdlog=ON -DCMAKE_DISABLE_FIND_PACKAGE_Boost=ON
  # shellcheck disable=SC2046
  compile -O2 -c "$project/main.cpp" $(pkg_config --cflags kontract-client) \
    -o "$work/client_only/main.o"
  # shellcheck disable=SC2046
  "$CXX" "$work/client_only/main.o" $(pkg_config --libs kontract-client) \
    -Wl,-rpath,"$prefix/$LIBDIR" -o "$work/client_only/by_pkg_config"
  for program in "$work/client_only/client_only" "$work/client_only/by_pkg_config"; do
    brings_no_server "$program"
    calls_a_server "$program"
  done
}

case ${1:-} in
  package | headers | external | client) "$1" ;;
  *) fail "usage: run.sh package|headers|external|client" ;;
esac
