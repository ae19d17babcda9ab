"""Example relying parties: portals, an API and a program for devices that know only the issuer's address."""
