"""The queue between checkout and shipping: Celery on kombu's file system broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import Celery

if TYPE_CHECKING:
    from pathlib import Path

SHIP = "shop.ship"
EXPIRES_SECONDS = 120


def queue(folder: Path) -> Celery:
    """A Celery application whose messages are files below `folder`."""
    messages, control = folder / "messages", folder / "exchanges"
    for directory in (messages, control):
        directory.mkdir(parents=True, exist_ok=True)
    app = Celery("shop", broker="filesystem://")
    app.conf.update(
        broker_transport_options={
            "data_folder_in": str(messages),
            "data_folder_out": str(messages),
            "control_folder": str(control),
            "polling_interval": 0.1,
        },
        task_default_queue="shipping",
        task_ignore_result=True,
        task_acks_late=False,
        worker_enable_remote_control=False,
        worker_redirect_stdouts=False,
        worker_prefetch_multiplier=1,
    )
    return app
