"""The whole of an upgrade: what each part of the configured deployment needs, and doing it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spanloom.process.data_folder import owned
from spanloom.process.store_file import is_shared, store_file
from spanloom.upgrade.item import Outcome, UpgradeItem
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from spanloom.config import Config


async def look(config: Config, now: int) -> list[UpgradeItem]:
    """Every part of the deployment, in the order log, state, store. Nothing is changed.

    What cannot be read at all is an item too, so that the rest is reported with it.
    """
    found: list[UpgradeItem] = []
    for part, check in (("log", _check_log), ("store", _check_store)):
        try:
            found += await check(config, now)
        except (SpanloomError, OSError) as error:  # of the system: a file or folder that this user may not read
            found.append(UpgradeItem(part, config.log_url if part == "log" else config.store_url, Outcome.REFUSED, str(error)))
    return found


async def change(config: Config, found: list[UpgradeItem]) -> list[UpgradeItem]:
    """Do what was found to do; returns the same items, with what was changed. Safe to run again, also after a kill.

    Raises:
        SpanloomError: a part refuses; those before it are changed.
    """
    wanted = {item.part for item in found if item.outcome is Outcome.CHANGES}
    for part, act in (("log", _change_log), ("store", _change_store)):
        if part in wanted:
            await act(config)
    return [replace(each, outcome=Outcome.CHANGED) if each.outcome is Outcome.CHANGES else each for each in found]


async def alone(config: Config, act: Callable[[], Awaitable[list[UpgradeItem]]]) -> list[UpgradeItem]:
    """Do something while no `spanloom up` has the data folder, where the deployment has files of its own.

    Raises:
        FolderInUseError: one runs.
    """
    if not (_on_files(config) and config.data_dir.exists()):
        return await act()
    async with owned(config.data_dir):
        return await act()


def _on_files(config: Config) -> bool:
    return config.log_url.startswith("log:") or not is_shared(config.store_url)


async def _check_log(config: Config, now: int) -> list[UpgradeItem]:
    if config.log_url.startswith("log:"):
        from spanloom.upgrade.embedded import check_log  # noqa: PLC0415 - either deployment needs a client of its own

        return list(check_log(config, now))
    from spanloom.upgrade.distributed import check_kafka  # noqa: PLC0415 - as above

    return [item async for item in check_kafka(config, now)]


async def _check_store(config: Config, now: int) -> list[UpgradeItem]:
    del now
    path = store_file(config.store_url)
    if path is not None:
        from spanloom.upgrade.embedded import check_store  # noqa: PLC0415 - as above

        return list(check_store(path))
    from spanloom.upgrade.distributed import check_elasticsearch  # noqa: PLC0415 - as above

    return [item async for item in check_elasticsearch(config)]


async def _change_log(config: Config) -> None:
    if not config.log_url.startswith("log:"):
        from spanloom.upgrade.distributed import change_kafka  # noqa: PLC0415 - as above

        await change_kafka(config)


async def _change_store(config: Config) -> None:
    path = store_file(config.store_url)
    if path is not None:
        from spanloom.upgrade.embedded import change_store  # noqa: PLC0415 - as above

        await change_store(path)
        return
    from spanloom.upgrade.distributed import change_elasticsearch  # noqa: PLC0415 - as above

    await change_elasticsearch(config)
