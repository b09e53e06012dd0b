"""Whatever comes in: records, settings, files and stored state of any bytes. `make fuzz` tries many more of each."""

import os
from typing import Final

EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "300"))
"""Of each kind of input."""
