"""Which adapter checks the credentials of a directory."""

from idp.accounts.legacy.directory import Directory, LegacyDirectoryAdapter
from idp.accounts.legacy.imported_table import ImportedTable
from idp.accounts.legacy.models import HTTPS
from idp.context import Context


def adapter_for(ctx: Context, directory: Directory) -> LegacyDirectoryAdapter:
    """Return the adapter of a directory's kind."""
    if directory.kind != HTTPS:
        return ImportedTable(ctx, directory)
    # imported here: few installations have such a portal, and its answers need a model of their own
    from idp.accounts.legacy.https_endpoint import HttpsEndpoint

    return HttpsEndpoint(ctx, directory)
