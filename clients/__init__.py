"""Example relying parties: two portals and an API that know nothing but the issuer's address."""
