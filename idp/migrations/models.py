"""Every module that declares tables: importing this one completes ``Base.metadata`` (data model)."""

import idp.accounts.legacy.models
import idp.accounts.models
import idp.audit.models
import idp.authentication.models
import idp.delivery.models
import idp.flows.models
import idp.installation
import idp.oidc.models
import idp.organizations.models
import idp.throttling  # noqa: F401  (imported for the tables, all of them)
from idp.db import Base

metadata = Base.metadata

__all__ = ["metadata"]
