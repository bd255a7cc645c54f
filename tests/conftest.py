"""Array shapes and dtypes in annotations are checked at run time; programs are kept for the session."""

import os
import tempfile

from jaxtyping import install_import_hook

install_import_hook("keplearn", "beartype.beartype")

# Processes that tests start share one another's compiled programs, and nothing is left in the user's cache.
_programs = tempfile.TemporaryDirectory(prefix="keplearn-programs-")
os.environ["KEPLEARN_CACHE_DIR"] = _programs.name
