"""Programs that do more with an argument than to take it for a value."""

from __future__ import annotations

import re

_VERSION = re.compile(r"[-.\d]+$")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


INTERPRETERS = _words("""
    sh bash rbash zsh dash ksh mksh pdksh ash fish csh tcsh xonsh nu elvish pwsh powershell cmd command.com python pypy ipython
    perl raku ruby irb node nodejs deno bun php lua luajit tclsh wish rscript r julia groovy scala jshell erl elixir iex racket
    guile osascript gjs mono dotnet-script
""")
"""They run a script file, or code of their arguments."""

CODE = _words("""
    eval exec source . trap xargs parallel find fd awk gawk mawk nawk sed gsed ed ex vi vim nvim view emacs make gmake ninja
    just expect screen tmux at batch crontab watch entr su psql mysql mariadb sqlite mongo mongosh redis-cli valkey-cli cqlsh
    clickhouse clickhouse-client duckdb sqlcmd gdb lldb strace ltrace perf bpftrace dtrace m4 bc dc jq yq envsubst tar zip rsync
    git hg svn script ansible ansible-playbook salt fab helm terraform
""")
"""They take arguments for code, or run what arguments name."""

REMOTE = _words("""
    ssh slogin autossh mosh rsh rlogin rexec telnet scp sftp ftp lftp curl wget wget2 http https xh httpie aria2c nc ncat netcat
    socat ping dig nslookup openssl
""")
"""They take an argument for a host or a URL."""

WRAPPERS = _words("""
    env sudo doas pkexec nice ionice nohup timeout stdbuf unbuffer setsid chroot nsenter unshare systemd-run systemd-inhibit
    flock runuser setpriv capsh chrt taskset time numactl cgexec prlimit firejail bwrap dumb-init tini gosu su-exec sshpass
    start-stop-daemon catchsegv setarch
""")
"""They run the program that their arguments name, behind options of their own."""

APPLETS = _words("busybox toybox")
"""Their first argument is the program."""

CLIENTS = _words("docker podman nerdctl ctr crictl kubectl oc k3s microk8s lxc incus machinectl virsh docker-compose")
RUNNING = _words("exec run create debug shell compose kubectl ctr plugin cp edit")
"""Commands of these clients by which arguments become programs."""


def names_of(program: str) -> frozenset[str]:
    """What a program may be known as: without its folder, its version, and an ending of Windows."""
    name = program.replace("\\", "/").rpartition("/")[2].lower().removesuffix(".exe")
    return frozenset({name} | {_VERSION.sub("", each) for each in (name, name.partition("-")[0])} - {""})


def is_interpreter(program: str) -> bool:
    """Whether a program runs code that its arguments hold or name."""
    return not INTERPRETERS.isdisjoint(names_of(program))
