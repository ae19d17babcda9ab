"""What people allowed third-party clients, until they take it back (OIDC Core §3.1.2.4)."""

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import ID_LENGTH, Base, new_id


class Consent(Base):
    """One person's standing permission for one client; withdrawing deletes the row."""

    __tablename__ = "consent"
    __table_args__ = (
        UniqueConstraint("account_id", "client_id", name="uq_consent_account_id_client_id"),
        Index("ix_consent_client_id", "client_id"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"))
    #: space-separated, offline_access among them where it was allowed
    scope: Mapped[str] = mapped_column(String(1024))
    #: names of claims that were asked for one by one
    claims: Mapped[list[str]] = mapped_column(JSON, default=list)
    #: the same of what was shown and left unticked, so that it is not asked again and again
    declined_scope: Mapped[str] = mapped_column(String(1024), default="")
    declined_claims: Mapped[list[str]] = mapped_column(JSON, default=list)
    #: what the client may know of companies: pairs of a claim's name and a company's id
    organizations: Mapped[list[list[str]]] = mapped_column(JSON, default=list)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
