"""Programs that run, load or fetch what an argument says: a configuration cannot name them as safe for labels."""

from __future__ import annotations

import os.path
import re

_VERSION = re.compile(r"[-_.\d]+$")
_SCRIPT = re.compile(r".+\.(sh|bash|py|pl|rb|js|php|lua|tcl|r)")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


INTERPRETERS = _words("""
    sh bash rbash zsh dash ksh mksh pdksh ash fish csh tcsh xonsh nu elvish pwsh powershell cmd command.com python pypy ipython
    perl raku ruby irb node nodejs deno bun php lua luajit tclsh wish rscript r julia groovy scala jshell erl elixir iex racket
    guile osascript gjs mono dotnet-script dotnet java
""")
"""They run a script file, or code of their arguments."""

_OTHERS = _words("""
    eval exec source . trap xargs parallel find fd awk gawk mawk nawk sed gsed ed ex vi vim nvim view emacs make gmake ninja
    just expect screen tmux at batch crontab watch entr su psql mysql mariadb sqlite mongo mongosh redis-cli valkey-cli cqlsh
    clickhouse clickhouse-client duckdb sqlcmd gdb lldb strace ltrace perf bpftrace dtrace m4 bc dc jq yq envsubst tar zip rsync
    git hg svn script ansible ansible-playbook salt fab helm terraform tofu pulumi
    ssh slogin autossh mosh rsh rlogin rexec telnet scp sftp ftp lftp curl wget wget2 http https xh httpie aria2c nc ncat netcat
    socat ping dig nslookup host openssl nmap traceroute lynx links w3m aws gcloud gsutil az rclone restic
    env sudo doas pkexec nice ionice nohup timeout stdbuf unbuffer setsid chroot nsenter unshare systemd-run systemd-inhibit
    flock runuser setpriv capsh chrt taskset time numactl cgexec prlimit firejail bwrap dumb-init tini gosu su-exec sshpass
    start-stop-daemon catchsegv setarch choom uclampset logsave run-parts xvfb-run dbus-run-session hyperfine fakeroot eatmydata
    faketime proxychains proxychains4 torsocks valgrind rlwrap ifne ts chronic daemonize ssh-agent ld.so ld wsl
    busybox toybox docker podman nerdctl ctr crictl runc crun kubectl oc k3s microk8s lxc incus machinectl virsh docker-compose
    npm npx pnpm pnpx yarn corepack uv uvx pip pipx poetry pdm rye conda mamba gem bundle bundler cargo rustup go mvn gradle sbt
    composer cpan nix nix-shell nix-env brew apt apt-get aptitude dpkg yum dnf microdnf rpm zypper pacman apk snap flatpak
    systemctl service kill pkill killall
""")
"""They run what an argument names, load or install it, or send to where it says; or have forms of their own for labels."""

_SYSTEM = ("/bin/", "/sbin/", "/lib", "/usr/bin/", "/usr/sbin/", "/usr/lib", "/usr/libexec/", "/proc/", "/dev/")
"""Folders with programs of the system, none of which was written for labels."""


def check_named(program: str) -> str:
    """Accept a program that a configuration names as one that treats labels as data.

    Raises:
        ValueError: it is no absolute path, or what is there is no program of the operator's own.
    """
    if not re.fullmatch(r"(/[^/]+)+", program) or program != os.path.normpath(program):
        raise ValueError(f"{program!r}: name the program by its absolute path, without . and ..")
    for path in (program, os.path.realpath(program)):
        if path.startswith(_SYSTEM):
            raise ValueError(f"{program}: {path} is the system's, and not written for labels; name a script of your own")
        if not _SCRIPT.fullmatch(path) and not names_of(path).isdisjoint(INTERPRETERS | _OTHERS):
            raise ValueError(f"{program}: a label could become code, a program or a host there; name a script of your own")
    return program


def names_of(program: str) -> frozenset[str]:
    """What a program may be known as: without its folder, its version, and an ending."""
    name = program.replace("\\", "/").rpartition("/")[2].lower()
    return frozenset(
        {name} | {_VERSION.sub("", each) for each in (name, name.partition(".")[0], name.partition("-")[0])} - {""}
    )


def is_interpreter(program: str) -> bool:
    """Whether a program runs code that its arguments hold or name."""
    return not INTERPRETERS.isdisjoint(names_of(program))
