"""Settings of an installation: TOML file, environment, flags; refused at start with all problems at once.

Order: default < file (``--config``, ``LOTSE_CONFIG``) < environment ``LOTSE_SECTION__KEY`` < flag.
``config.example.toml`` documents every key; a test keeps the two equal.
"""

from idp.settings.loading import Loaded, Problem, SettingsError, load, load_settings
from idp.settings.models import Settings

__all__ = ["Loaded", "Problem", "Settings", "SettingsError", "load", "load_settings"]
