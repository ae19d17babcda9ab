"""What a file of ``idp apply`` may say of product families.

``[[product_family]]`` has ``slug``, ``country`` (two capital letters, ISO 3166-1), ``name`` (a table with
``de`` and ``en``) and optional ``home``: the client id of its people's home portal.  Pages list them in this
order.
"""

from collections.abc import Mapping
from typing import Final

from idp.management.affiliation import Family
from idp.management.legacy_documents import slug_problem, visible_problem
from idp.oidc.metadata_reader import MetadataReader, Problem

FIELDS: Final = ("slug", "country", "name", "home")


def read_family(table: Mapping[str, object], problems: list[Problem]) -> Family:
    """Read one family and add what is wrong with it to *problems*."""
    place = f"product_family.{table.get('slug', '?')}."
    reader = MetadataReader(table, place=place)
    reader.refuse_unknown(FIELDS)
    name = MetadataReader(reader.table("name"), place=f"{place}name.")
    name.refuse_unknown(("de", "en"))
    family = Family(
        slug=reader.text("slug", "", slug_problem),
        country=reader.text("country", "", _country),
        name_de=name.text("de", "", visible_problem),
        name_en=name.text("en", "", visible_problem),
        home_client=reader.optional("home", slug_problem),
    )
    problems += reader.problems + name.problems
    return family


def _country(text: str) -> str | None:
    fine = len(text) == 2 and text.isascii() and text.isalpha() and text.isupper()
    return None if fine else "must be two capital letters, such as DE"
