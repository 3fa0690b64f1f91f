"""Programs, headers and variables with which a label would be more than a value; most of them on no list of the product."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.strip().replace("\n", "|").split("|"))


STRANGERS = _parts("""
    npx|npm exec|uv run|poetry run|go run|pip install|apt-get install|xvfb-run|dbus-run-session|hyperfine|fakeroot|eatmydata
    faketime|proxychains4|torsocks|valgrind|rlwrap|uclampset|ifne|ts|choom -n 1|logsave x|run-parts|/lib64/ld-linux-x86-64.so.2
    wsl|runc exec|vim.tiny|nc.openbsd|original-awk|dash.real|host|nmap|traceroute|lynx|aws s3 cp|rclone|ruby3.2 s.rb|make
    gawk-5.1|busybox.static sh -c|chronic sh -c|ssh-agent|script|setpriv|daemonize|cgexec|tmux new|wall|git clone|pkill
    service|supervisorctl restart|crictl stop|nerdctl restart|perl /opt/fix.pl|python3 /opt/restart.py|a-program-of-tomorrow
""")
"""Programs, and what stands between them and `--`."""

HEADERS = _words("""
    Host authorization Transfer-Encoding X-Forwarded-For X-Api-Key X-Auth-Token Impersonate-User X-Remote-User X-Host Origin
    X-Method-Override X-HTTP-Method-Override True-Client-IP Destination Referer Range Accept X-Service X-Alert X-Alert- X-Label
    X-Labels-A X-A-Header-Of-Tomorrow XX-Alert-A X-Alert-A: X-Alert-$service $service
""")

VARIABLES = _words("""
    PATH LD_PRELOAD BASH_ENV PYTHONPATH SPANLOOM_STORE HTTPS_PROXY NODE_OPTIONS a-b IFS GIT_SSH PERL5OPT PERL5LIB PERL5DB
    PYTHONSTARTUP PYTHONBREAKPOINT LESSOPEN LESSCLOSE CLASSPATH MAKEFLAGS RSYNC_RSH SHELL VIMINIT EXINIT ZDOTDIR CURL_HOME
    PSQLRC R_PROFILE RUBYSHELL AWKPATH ANSIBLE_CONFIG OPENSSL_CONF MAVEN_OPTS GRADLE_OPTS CATALINA_OPTS GEM_PATH BUNDLE_GEMFILE
    GOFLAGS CARGO_HOME TF_CLI_ARGS CC MANPAGER npm_config_script_shell PIP_INDEX_URL UV_INDEX_URL HOSTALIASES PGHOST MYSQL_HOST
    AWS_ENDPOINT_URL SERVICE LABEL ALERT LABEL_ ALERT_ label_service XLABEL_A LABEL_A-B A_VARIABLE_OF_TOMORROW $service
    LABEL_$service LABEL_A=B
""")
