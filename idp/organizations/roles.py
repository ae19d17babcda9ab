"""Roles of members: data, with two that every installation has."""

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.installation import insert_once
from idp.organizations.memberships import ADMINISTRATOR, MEMBER
from idp.organizations.models import Role

BUILT_IN: Final = {
    MEMBER: ("Mitarbeiter", "Member"),
    ADMINISTRATOR: ("Administrator", "Administrator"),
}


def exists(db: Session, key: str) -> bool:
    """Tell whether a role exists; a built-in one is made when it is first asked for."""
    if db.get(Role, key) is not None:
        return True
    if key not in BUILT_IN:
        return False
    name_de, name_en = BUILT_IN[key]
    insert_once(db, Role.metadata.tables["role"], {"key": key, "name_de": name_de, "name_en": name_en})
    return True


def known(db: Session) -> list[str]:
    """Return the keys of all roles, also of those that are built in and were never asked for."""
    return sorted({*BUILT_IN, *db.scalars(select(Role.key))})
