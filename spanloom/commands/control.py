"""`spanloom control`: the control plane alone, and copies of what it keeps."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from spanloom.failure import Commands, Failure
from spanloom.logging import log_options, set_up_logging
from telemetry.errors import SpanloomError

config_option = click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file.")
folder_argument = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))


@click.group(cls=Commands, invoke_without_command=True)
@config_option
@click.option("--once", is_flag=True, help="Disable the built-in supervisor (use under systemd or Kubernetes).")
@log_options
@click.pass_context
def control(context: click.Context, config: Path | None, once: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Carry policies to the agents of a fleet: xDS on 18000, the API on 8080.

    Policies, their history and the audit trail are in data_dir/control, or in the PostgreSQL of control.store. `spanloom up`
    has a control plane of its own.
    """
    if context.invoked_subcommand is not None:
        return
    from spanloom import clock  # noqa: PLC0415
    from spanloom.access.build import require_authentication  # noqa: PLC0415
    from spanloom.config import load_config  # noqa: PLC0415 - gRPC takes a second to import
    from spanloom.process.exit_codes import run  # noqa: PLC0415
    from spanloom.roles.run import run_control  # noqa: PLC0415
    from spanloom.supervise import become_supervisor  # noqa: PLC0415

    set_up_logging()
    settings = load_config(config)
    require_authentication(settings)
    if not once:
        become_supervisor("control", "--once", *(["--config", str(config)] if config else []))
    sys.exit(run(run_control(settings, clock.system)))


@control.command("rotate-root")
@click.argument("step", type=click.Choice(["begin", "switch", "finish", "replace"]))
@click.option("--force", is_flag=True, help="Though some agents may not have the step before: their calls fail.")
@config_option
def rotate_root(step: str, config: Path | None, force: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Give the trust domain another root, in three steps that a control plane which runs follows by itself.

    begin: both roots are trusted. switch: certificates are of the new one. finish: the old one is no longer trusted.
    replace: another root at once, for a key that is stolen; nothing of the old one is trusted.
    """
    from components.durations import SECOND  # noqa: PLC0415 - as above
    from governance.svid import rotation  # noqa: PLC0415
    from spanloom import clock  # noqa: PLC0415
    from spanloom.config import load_config  # noqa: PLC0415

    settings = load_config(config)
    if (identity := settings.control.identity) is None or not identity.authority:
        raise click.UsageError("control.identity is not set, or has no authority: there is no root")
    folder, domain = settings.data_dir / "control", identity.trust_domain
    try:
        if step == "begin":
            rotation.begin(folder, domain, clock.system())
        elif step == "switch":
            rotation.switch(folder, domain, clock.system(), force=force)
        elif step == "finish":
            rotation.finish(folder, domain, int(identity.ttl_seconds * SECOND), clock.system(), force=force)
        else:
            rotation.replace(folder, domain, clock.system())
    except (SpanloomError, OSError) as error:
        raise Failure.of(error) from error
    click.echo(f"{step}: done; a control plane that runs has it within a second")


@control.command()
@folder_argument
@config_option
def backup(folder: Path, config: Path | None) -> None:
    """Copy policies, history, audit trail and the authority's key to FOLDER, while the control plane runs.

    Whoever reads FOLDER can be any workload: keep it as you keep the key.
    """
    from governance.backup.copies import back_up  # noqa: PLC0415 - as above
    from spanloom import clock  # noqa: PLC0415
    from spanloom.config import load_config  # noqa: PLC0415

    settings = load_config(config)
    if settings.control.store is not None:
        raise Failure(f"the store is PostgreSQL: use pg_dump, and copy {settings.data_dir / 'control'}/authority*.pem by hand")
    try:
        made = back_up(settings.data_dir / "control", folder, clock.system())
    except SpanloomError as error:
        raise Failure.of(error) from error
    click.echo(f"{folder}: {', '.join(sorted(made.files))}")


@control.command()
@folder_argument
@config_option
def restore(folder: Path, config: Path | None) -> None:
    """Put a copy in FOLDER where the control plane is to start. What is there is never replaced: move it away first."""
    from governance.backup.copies import restore as put_back  # noqa: PLC0415 - as above
    from spanloom.config import load_config  # noqa: PLC0415

    target = load_config(config).data_dir / "control"
    try:
        made = put_back(folder, target)
    except SpanloomError as error:
        raise Failure.of(error) from error
    click.echo(f"{target}: {', '.join(sorted(made.files))}")
