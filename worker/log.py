"""Logging: JSON lines in production, readable on a terminal, personal data masked.

Phone numbers and contact ids are personal data. They are masked wherever they stand: in a field that is named
for one, and in any text that has something like an international number in it.
"""

import logging
import re
import sys
from hashlib import blake2b
from typing import Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from worker.config import Config

CONTACT_FIELDS: Final = frozenset({"contact_id", "contact", "call_id"})
"""Fields that identify a contact. A mask keeps two lines about the same one comparable."""

_NUMBER = re.compile(r"\+[0-9](?:[ ().-]?[0-9]){5,16}")


def mask_id(value: str) -> str:
    """A short fingerprint of an id: the same for the same id, and of no use without it."""
    return "#" + blake2b(value.encode("utf-8", "replace"), digest_size=4).hexdigest()


def mask_numbers(text: str) -> str:
    """The text with the middle of each international number blotted out."""
    return _NUMBER.sub(lambda found: f"{found[0][:3]}***{found[0][-2:]}", text)


def configure(config: Config) -> None:
    """Set up logging for the process, the libraries' included. Lines go to standard error."""
    as_json = config.log_format == "json" or (config.log_format == "auto" and not sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if not config.log_personal_data:
        shared.append(_mask)
    renderer: Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(config.log_level.upper())
    logging.getLogger("aiokafka").setLevel(max(logging.WARNING, root.level))


def _mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {
        key: (mask_id(value) if key in CONTACT_FIELDS else mask_numbers(value)) if isinstance(value, str) else value
        for key, value in event.items()
    }
