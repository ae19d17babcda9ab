"""Example relying parties: two portals, an API and a device's program that know nothing but the issuer's address."""
